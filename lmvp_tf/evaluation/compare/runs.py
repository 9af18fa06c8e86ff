"""The evaluated runs of several workdirs, checked to be comparable."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from lmvp_tf import configs, settings
from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.compare.run_names import run_names
from lmvp_tf.evaluation.evaluate import stored
from lmvp_tf.evaluation.evaluate.results import DOCUMENT, Document, Values
from lmvp_tf.evaluation.evaluate.stored import Stored
from lmvp_tf.evaluation.evaluate.workdir import evaluate_workdir
from lmvp_tf.evaluation.options import EvaluationOptions, evaluation_folder, test_setting
from lmvp_tf.training.checkpoint import newest_step


@dataclasses.dataclass(frozen=True)
class Run:
    """A workdir and what its evaluation found.

    Attributes:
      workdir: its folder.
      label: what to call it; no other run of the report is called so.
      config: its Config.
      setting: the same with the data that it was tested on.
      document: its metrics.json, with every metric of today.
      values: its per_sequence.npz: of its model (under the model's name) and the floors.
    """

    workdir: pathlib.Path
    label: str
    config: Config
    setting: Config
    document: Document
    values: Values


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A workdir that may be compared with others: see `candidates`."""

    workdir: pathlib.Path
    config: Config
    setting: Config


def candidates(workdirs: Sequence[pathlib.Path], options: EvaluationOptions) -> list[Candidate]:
    """Reads the configs of several workdirs.

    Raises:
      UserError: a workdir is missing, given twice or none of run_train.py's; or two of them are of
        other data.
    """
    found = []
    for workdir in workdirs:
        if not workdir.is_dir():
            raise UserError(
                f"there is no folder {workdir}: --workdirs wants folders of run_train.py"
            )
        config = configs.load(workdir / "config.json")
        found.append(Candidate(workdir, config, test_setting(config, options)))
    if len({workdir.resolve() for workdir in workdirs}) < len(workdirs):
        raise UserError(f"--workdirs names a folder twice: {', '.join(map(str, workdirs))}")
    _check_same_task(found)
    return found


def _check_same_task(found: list[Candidate]) -> None:
    """Refuses runs that predict other things: of two data sets, or of another number of frames."""
    first, *others = found
    wanted = settings.flatten(first.setting)
    for other in others:
        if other.setting.dataset != first.setting.dataset:
            raise UserError(
                f"{first.workdir} and {other.workdir} are of two datasets "
                f"({first.setting.dataset}, {other.setting.dataset}): make a report of each, or "
                "test both on one by --eval_dataset"
            )
        values = settings.flatten(other.setting)
        for path, rule in settings.rules(other.setting).items():
            if rule.task and values[path] != wanted[path]:
                raise UserError(
                    f"{first.workdir} and {other.workdir} cannot be compared: {path} is "
                    f"{wanted[path]} in one and {values[path]} in the other; make a report of each"
                )


def read_runs(found: list[Candidate], options: EvaluationOptions, videos: Dataset) -> list[Run]:
    """Reads the evaluations of the candidates; makes those that are missing or out of date.

    Args:
      found: what `candidates` returned.
      options: for an evaluation to be made; without `num_sequences` it is on as many as those that
        are there were, or on all.
      videos: the test data.

    Returns:
      A list of Run, in the order of `found`.

    Raises:
      UserError: a run is not trained, an evaluation is damaged, or two of them were on other test
        sequences.
    """
    folders = [
        evaluation_folder(run.workdir, run.config, run.setting, options, videos) for run in found
    ]
    there = [stored.read(folder) for folder in folders]
    if options.num_sequences is None:
        counts = (evaluation.document["num_sequences"] for evaluation in there if evaluation)
        options = dataclasses.replace(options, num_sequences=next(counts, None))
    evaluated = [
        _evaluated(run, folder, evaluation, options)
        for run, folder, evaluation in zip(found, folders, there, strict=True)
    ]
    documents = [evaluation.document for evaluation in evaluated]
    _check_same_test(found, documents)
    names = run_names(
        {run.workdir: run.config for run in found},
        {r.workdir for r, d in zip(found, documents, strict=True) if d["parameters"]["total"]},
    )
    return [
        Run(run.workdir, name, run.config, run.setting, evaluation.document, evaluation.values)
        for run, name, evaluation in zip(found, names, evaluated, strict=True)
    ]


def _evaluated(
    run: Candidate, folder: pathlib.Path, there: Stored | None, options: EvaluationOptions
) -> Stored:
    """What is there, or a new evaluation where it is not of the run's last step.

    Raises:
      UserError: it is of another model.
    """
    newest = newest_step(run.workdir)
    if there and there.document["model"] != run.config.model_name:
        raise UserError(
            f"{folder} is an evaluation of {there.document['model']} and {run.workdir} is a run of "
            f"{run.config.model_name}: remove the one that is in the wrong place"
        )
    if there and newest not in (None, there.document["step"]):
        reason = f"was trained on since its evaluation at step {there.document['step']}"
    elif there:
        return there
    elif (folder / DOCUMENT).exists():
        reason = "has an evaluation by an older program"
    else:
        reason = "was not evaluated yet"
    print(f"{run.workdir} {reason}: it is evaluated first.")
    evaluate_workdir(run.workdir, options)
    made = stored.read(folder)
    assert made, f"{folder} holds what was just written"
    return made


def _check_same_test(found: list[Candidate], documents: list[Document]) -> None:
    """Refuses evaluations on other test sequences: differences between them would mean nothing."""
    first = documents[0]
    for run, document in zip(found, documents, strict=True):
        if document["data_hash"] != first["data_hash"]:
            raise UserError(
                f"{found[0].workdir} and {run.workdir} were evaluated on other test sequences ("
                f"{_describe_test(first)}; {_describe_test(document)}): evaluate one of them "
                f"as the other, by python run_eval.py --workdir={run.workdir} "
                f"--num_sequences={first['num_sequences']} with the same data"
            )
        if document.get("per_clip", {}).keys() != first.get("per_clip", {}).keys():
            raise UserError(
                f"{found[0].workdir} and {run.workdir} were evaluated on other recordings: "
                f"evaluate again by python run_eval.py --workdir={run.workdir}"
            )


def _describe_test(document: Document) -> str:
    return f"{document['num_sequences']} of them, sha256 {document['data_hash'][:12]}"
