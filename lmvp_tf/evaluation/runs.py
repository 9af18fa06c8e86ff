"""The evaluated runs of several workdirs, checked to be comparable."""

import collections
import dataclasses
import json
import pathlib
import zipfile

import numpy as np

from lmvp_tf import configs, settings
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.figures import LABELS
from lmvp_tf.evaluation.workdir import evaluate_workdir
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import newest_step

# Where data lie and how long a run goes on do not make it another method; its phases do.
_PHASES = {"training.one_step_steps", "training.pretrain_steps"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A workdir and what its evaluation found.

    Attributes:
      workdir: a pathlib.Path.
      label: what to call it; no other run of the report is called so.
      config: its Config.
      document: its eval/metrics.json.
      values: {system: {metric: [N, S]}} of every test sequence and predicted step, for its model
        (under the model's name) and the floors: its eval/per_sequence.npz.
    """

    workdir: pathlib.Path
    label: str
    config: configs.Config
    document: dict
    values: dict


def read_runs(workdirs, num_sequences=None, data=None, batch_size=50):
    """Reads the evaluations of several workdirs; makes those that are missing or out of date.

    Args:
      workdirs: pathlib.Paths of folders written by run_train.py.
      num_sequences: test sequences of an evaluation to be made; None: as many as those that are
        there had, or all.
      data, batch_size: as of `evaluate_workdir`, for an evaluation to be made.

    Returns:
      A list of Run, in the order of `workdirs`.

    Raises:
      UserError: a workdir is missing, given twice, none of run_train.py's or not trained; or two of
        them are of other data, or were evaluated on other test sequences.
    """
    loaded = {workdir: _load_config(workdir, data or {}) for workdir in workdirs}
    if len({workdir.resolve() for workdir in workdirs}) < len(workdirs):
        raise UserError(f"--workdirs names a folder twice: {', '.join(map(str, workdirs))}")
    _check_same_task(loaded)
    documents = {workdir: _read_document(workdir) for workdir in workdirs}
    counts = [document["num_sequences"] for document in documents.values() if document]
    num_sequences = num_sequences or (counts[0] if counts else None)
    for workdir, document in documents.items():
        reason = _why_evaluate(workdir, document)
        if reason:
            print(f"{workdir} {reason}: it is evaluated first.")
            evaluate_workdir(workdir, num_sequences, data, batch_size)
            documents[workdir] = _read_document(workdir)
    _check_same_test(documents)
    labels = _labels(loaded, documents)
    return [
        Run(workdir, labels[workdir], config, documents[workdir], _read_values(workdir))
        for workdir, config in loaded.items()
    ]


def _load_config(workdir, data):
    if not workdir.is_dir():
        raise UserError(f"there is no folder {workdir}: --workdirs wants folders of run_train.py")
    config = configs.load(workdir / "config.json")
    return configs.validate(configs.replace(config, data))


def _check_same_task(loaded):
    """Refuses runs that predict other things: of two datasets, or of another number of frames."""
    (first, reference), *others = loaded.items()
    wanted = settings.flatten(reference)
    for workdir, config in others:
        if config.dataset != reference.dataset:
            raise UserError(
                f"{first} and {workdir} are of two datasets ({reference.dataset}, "
                f"{config.dataset}): make a report of each"
            )
        found = settings.flatten(config)
        for path, rule in settings.rules(config).items():
            if rule.task and found[path] != wanted[path]:
                raise UserError(
                    f"{first} and {workdir} cannot be compared: {path} is {wanted[path]} in one "
                    f"and {found[path]} in the other; make a report of each"
                )


def _read_document(workdir):
    """The metrics.json of a workdir, or None where it was not evaluated."""
    path = workdir / "eval" / "metrics.json"
    if not (path.exists() and _values_path(workdir).exists()):
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, workdir, error) from error


def _read_values(workdir):
    path = _values_path(workdir)
    values = collections.defaultdict(dict)
    try:
        with np.load(path) as arrays:
            for name in arrays:
                system, _, metric = name.partition("/")
                values[system][metric] = arrays[name]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path, workdir, error) from error
    return dict(values)


def _values_path(workdir):
    return workdir / "eval" / "per_sequence.npz"


def _damaged(path, workdir, error):
    return UserError(
        f"{path} cannot be read ({error}): evaluate again by python run_eval.py --workdir={workdir}"
    )


def _why_evaluate(workdir, document):
    """Why a workdir has to be evaluated, or None where its evaluation is that of its last step."""
    if not document:
        return "was not evaluated yet"
    newest = newest_step(workdir)
    if newest is not None and newest != document["step"]:
        return f"was trained on since its evaluation at step {document['step']}"
    return None


def _check_same_test(documents):
    """Refuses evaluations on other test sequences: differences between them would mean nothing."""
    (first, reference), *others = documents.items()
    for workdir, document in others:
        if document["data_hash"] != reference["data_hash"]:
            raise UserError(
                f"{first} and {workdir} were evaluated on other test sequences ("
                f"{_describe_test(reference)}; {_describe_test(document)}): evaluate one of them "
                f"as the other, by python run_eval.py --workdir={workdir} "
                f"--num_sequences={reference['num_sequences']} with the same data"
            )


def _describe_test(document):
    return f"{document['num_sequences']} of them, sha256 {document['data_hash'][:12]}"


def changes(config):
    """The settings in which a run differs from its preset; none where it has no preset's name."""
    if config.preset not in dataset_class(config.dataset).presets:
        return {}
    rules = settings.rules(config)
    return {
        path: value
        for path, value in named.departures(config).items()
        if path in _PHASES or not rules[path].resumable
    }


def _labels(loaded, documents):
    """Names every run by model and preset; by folder where that is not enough, or where the run is
    not what the preset would give; else by path.
    """

    def folder(workdir):
        return workdir.resolve().name.removeprefix(f"{loaded[workdir].model_name}-")

    def preset(workdir):
        if not documents[workdir]["parameters"]["total"]:
            return ""
        return folder(workdir) if changes(loaded[workdir]) else loaded[workdir].preset

    labels = {}
    for detail in (preset, folder, str):
        counts = collections.Counter(labels.values())
        for workdir, config in loaded.items():
            if counts[labels.get(workdir)] != 1:
                model = LABELS.get(config.model_name, config.model_name)
                labels[workdir] = f"{model} {detail(workdir)}".strip()
    return labels
