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
from lmvp_tf.evaluation.evaluate import results
from lmvp_tf.evaluation.evaluate.results import Document, Values
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
    documents = [results.read(folder) for folder in folders]
    if options.num_sequences is None:
        counts = (document["num_sequences"] for document in documents if document)
        options = dataclasses.replace(options, num_sequences=next(counts, None))
    evaluated = [
        _evaluated(run, folder, document, options)
        for run, folder, document in zip(found, folders, documents, strict=True)
    ]
    _check_same_test(found, evaluated)
    names = run_names(
        {run.workdir: run.config for run in found},
        {r.workdir for r, d in zip(found, evaluated, strict=True) if d["parameters"]["total"]},
    )
    return [
        Run(run.workdir, name, run.config, run.setting, document, results.read_values(folder))
        for run, name, document, folder in zip(found, names, evaluated, folders, strict=True)
    ]


def _evaluated(
    run: Candidate, folder: pathlib.Path, document: Document | None, options: EvaluationOptions
) -> Document:
    """The document itself, or that of a new evaluation where it is not of the run's last step."""
    newest = newest_step(run.workdir)
    if document and newest not in (None, document["step"]):
        reason = f"was trained on since its evaluation at step {document['step']}"
    elif document:
        return document
    elif (folder / "metrics.json").exists():
        reason = "has an evaluation by an older program"
    else:
        reason = "was not evaluated yet"
    print(f"{run.workdir} {reason}: it is evaluated first.")
    evaluate_workdir(run.workdir, options)
    document = results.read(folder)
    assert document, f"{folder} holds what was just written"
    return document


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


def _describe_test(document: Document) -> str:
    return f"{document['num_sequences']} of them, sha256 {document['data_hash'][:12]}"
