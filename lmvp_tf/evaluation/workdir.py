"""Evaluates the trained model of a workdir and writes its tables, figures and films."""

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lmvp_tf import configs
from lmvp_tf.datasets.frame_hash import FrameHash
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.evaluation import curves, figures, tables
from lmvp_tf.evaluation.evaluator import (
    FLOORS,
    evaluate,
    floors,
    mean_training_image,
    metrics_json,
    write_results,
)
from lmvp_tf.files import write_text
from lmvp_tf.training.checkpoint import load_trained

_MEAN_IMAGE_BATCHES = 32  # of 64 training sequences
_EXAMPLES = 4  # sequences in the film; the figure shows the first two


def evaluate_workdir(workdir, num_sequences=None, data=None, batch_size=50):
    """Evaluates on the test set and writes `eval/` in the workdir.

    Writes metrics.json, per_step.csv, per_sequence.npz, table.txt, predictions.png (the paper's
    Figure 2 or 3), per_step.png (its Figure 5), training.png and predictions.gif.

    Args:
      workdir: a pathlib.Path that run_train.py wrote.
      num_sequences: how many test sequences; all of them when None.
      data: {path of a config field: value} that differs from the training run's, for data that
        have moved since.
      batch_size: sequences per batch.

    Returns:
      The table, as text.

    Raises:
      UserError: no such run, or data that cannot be used.
      RunError: predictions that are not finite, or a file that cannot be written.
    """
    config = configs.load(workdir / "config.json")
    config = configs.validate(configs.replace(config, data or {}))
    model, trained = load_trained(workdir, config)
    videos = open_dataset(config)
    print(f"Data: {videos.source}")
    test = TestSequences(videos, num_sequences, batch_size)
    mean_image = mean_training_image(videos.train(0, 64), _MEAN_IMAGE_BATCHES)
    predict = tf.function(lambda x, n: model(x, num_predicted=n), autograph=False)
    systems = {**floors(mean_image), config.model_name: predict}
    with tqdm(total=test.num_sequences, unit="sequence", desc="evaluate") as progress:
        accumulators = evaluate(
            systems,
            test,
            config.data.num_inputs,
            with_bce=config.losses.reconstruction == "bce",
            progress=lambda done: progress.update(done - progress.n),
        )
    document = metrics_json(
        accumulators,
        dataset=config.dataset,
        model=config.model_name,
        preset=config.preset,
        parameters=model.parameter_counts(),
        trained=trained,
        sequences_seen=trained.step * config.training.batch_size,
        data_hash=test.hash.hexdigest(),
        config=configs.to_dict(config),
        clips=test.clips,
        overlap=videos.overlap,
    )
    folder = workdir / "eval"
    write_results(folder, document, accumulators)
    _write_pictures(folder, systems, test.examples, document)
    if (workdir / "log.csv").exists():
        curves.training_curves(workdir / "log.csv", folder / "training.png")
    table = _table(document)
    write_text(folder / "table.txt", table + "\n")
    return table


class TestSequences:
    """The test batches; on their way it hashes them and keeps a few for the pictures.

    Args:
      videos: the dataset, from `open_dataset`.
      num_sequences: how many; all of them when None.
      batch_size: B.
      num_examples: how many to keep.

    Attributes:
      num_sequences: how many sequences an iteration gives.
      clips: the clip that each is from, or None.
      hash: the FrameHash of what was iterated over.
      shown: numbers of the sequences that are kept.
    """

    __test__ = False  # not a test case, whatever its name suggests to a test runner

    def __init__(self, videos, num_sequences, batch_size, num_examples=_EXAMPLES):
        self.videos = videos
        self.num_sequences = min(num_sequences or videos.test_size, videos.test_size)
        self.clips = videos.test_recordings and videos.test_recordings[: self.num_sequences]
        self.batches = videos.test(self.num_sequences, batch_size)
        self.hash = FrameHash()
        self.shown = videos.examples(self.num_sequences, num_examples)
        self._examples = []

    @property
    def examples(self):
        """The sequences for the pictures, [N, T, H, W, C]."""
        return np.stack(self._examples)

    def __iter__(self):
        done = 0
        for batch in self.batches:
            self.hash.update(batch)
            here = [i - done for i in self.shown if done <= i < done + len(batch)]
            self._examples += [batch[i].numpy() for i in here]
            done += len(batch)
            yield batch
        self.videos.check_test(self.num_sequences, self.hash.hexdigest())


def _write_pictures(folder, systems, examples, document):
    """Figure 2 or 3 of the paper, the same as a film, and Figure 5."""
    num_inputs = document["config"]["data"]["num_inputs"]
    inputs, truth = examples[:, :num_inputs], examples[:, num_inputs:]
    model = document["model"]
    prediction = systems[model](tf.constant(inputs), truth.shape[1]).numpy()
    figures.prediction_figure(
        inputs[:2], truth[:2], {model: prediction[:2]}, folder / "predictions.png"
    )
    figures.film(inputs, truth, {model: prediction}, folder / "predictions.gif")
    per_step = {model: document["per_step"]}
    per_step |= {name: document["floors"][name]["per_step"] for name in FLOORS}
    curves.per_step_figure(per_step, folder / "per_step.png", num_inputs)


def _table(document):
    """The tables and, above them, what was measured on what."""
    dataset = document["dataset"]
    header = (
        f"{dataset}, preset {document['preset']}: step {document['step']}, "
        f"{document['sequences_seen']} sequences seen in {document['train_seconds']:.0f} s of "
        f"training, {document['parameters']['total']} parameters, "
        f"{document['num_sequences']} test sequences"
    )
    systems = {document["model"]: document["metrics"], **document["floors"]}
    parts = [header, tables.comparison_table(dataset, systems)]
    if "per_clip" in document:
        parts.append(
            tables.clip_table({"all": _rows(document)} | _rows_per_clip(document), dataset)
        )
    return "\n\n".join(parts)


def _rows_per_clip(document):
    model = document["model"]
    return {name: _rows({"model": model, **clip}) for name, clip in document["per_clip"].items()}


def _rows(part):
    """The results of the last frame and of the model, the two rows that Table 2 compares."""
    floor = part["floors"]["last_frame"]
    return {"last_frame": {"metrics": floor, **floor}, part["model"]: part}
