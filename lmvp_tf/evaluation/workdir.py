"""Evaluates the trained model of a workdir and writes its tables, figures and films."""

import tensorflow as tf
from tqdm import tqdm

from lmvp_tf import configs
from lmvp_tf.datasets import moving_mnist
from lmvp_tf.datasets.videos import open_videos
from lmvp_tf.evaluation import figures, tables
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


def evaluate_workdir(workdir, num_sequences=None, test_file="", mnist_path="", batch_size=50):
    """Evaluates on the test set and writes `eval/` in the workdir.

    Writes metrics.json, per_step.csv, per_sequence.npz, table.txt, predictions.png (the paper's
    Figure 2),
    per_step.png (its Figure 5), training.png and predictions.gif.

    Args:
      workdir: a pathlib.Path that run_train.py wrote.
      num_sequences: how many test sequences; all of them when None.
      test_file: the official mnist_test_seq.npy to test on instead of the generated set.
      mnist_path: digits to test on, where the training run's own path does not hold any more.
      batch_size: sequences per batch.

    Returns:
      The table, as text.

    Raises:
      UserError: no such run, or data that cannot be used.
      RunError: predictions that are not finite, or a file that cannot be written.
    """
    config = configs.load(workdir / "config.json")
    if mnist_path:
        config = configs.replace(config, {"data.mnist_path": mnist_path})
    model, step, seconds = load_trained(workdir, config)
    videos = open_videos(config.data)
    print(f"Data: {test_file or videos.source}")
    test = TestSequences(videos, num_sequences, test_file, batch_size)
    mean_image = mean_training_image(videos.train(0, 64), _MEAN_IMAGE_BATCHES)
    systems = {"lmvp": tf.function(lambda x, n: model(x, num_predicted=n))} | floors(mean_image)
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
        dataset=config.data.dataset,
        model="lmvp",
        preset=config.preset,
        parameters=model.parameter_counts(),
        step=step,
        sequences_seen=step * config.training.batch_size,
        train_seconds=seconds,
        data_hash=test.hash.hexdigest(),
        config=configs.to_dict(config),
    )
    folder = workdir / "eval"
    write_results(folder, document, accumulators)
    _write_pictures(folder, systems, test.examples, document)
    if (workdir / "log.csv").exists():
        figures.training_curves(workdir / "log.csv", folder / "training.png")
    table = _table(document, accumulators)
    write_text(folder / "table.txt", table + "\n")
    return table


class TestSequences:
    """The test batches; on their way it hashes them and keeps the first few for the pictures.

    Args:
      videos: the dataset, from `open_videos`.
      num_sequences: how many; all of them when None.
      test_file: the official mnist_test_seq.npy instead of the generated set, or "".
      batch_size: B.

    Attributes:
      num_sequences: how many sequences an iteration gives.
      hash: the FrameHash of what was iterated over.
      examples: the first sequences, [N, T, H, W, C].
    """

    __test__ = False  # not a test case, whatever its name suggests to a test runner

    def __init__(self, videos, num_sequences, test_file, batch_size):
        self.videos = None if test_file else videos
        self.num_sequences = num_sequences or videos.test_size
        if test_file:
            self.batches = moving_mnist.official_test_batches(
                test_file, self.num_sequences, batch_size
            )
        else:
            self.batches = videos.test(self.num_sequences, batch_size)
        self.hash = moving_mnist.FrameHash()
        self.examples = None

    def __iter__(self):
        for batch in self.batches:
            self.hash.update(batch)
            if self.examples is None:
                self.examples = batch[:_EXAMPLES].numpy()
            yield batch
        if self.videos:
            self.videos.check_test_hash(self.num_sequences, self.hash.hexdigest())


def _write_pictures(folder, systems, examples, document):
    """Figure 2 of the paper, the same as a film, and Figure 5."""
    num_inputs = document["config"]["data"]["num_inputs"]
    inputs, truth = examples[:, :num_inputs], examples[:, num_inputs:]
    prediction = systems["lmvp"](inputs, truth.shape[1]).numpy()
    figures.prediction_figure(
        inputs[:2], truth[:2], {"lmvp": prediction[:2]}, folder / "predictions.png"
    )
    figures.film(inputs, truth, {"lmvp": prediction}, folder / "predictions.gif")
    per_step = {"lmvp": document["per_step"]}
    per_step |= {name: document["floors"][name]["per_step"] for name in FLOORS}
    figures.per_step_figure(per_step, folder / "per_step.png", num_inputs)


def _table(document, accumulators):
    """The table and, above it, what was measured on what."""
    header = (
        f"{document['dataset']}, preset {document['preset']}: step {document['step']}, "
        f"{document['sequences_seen']} sequences seen in {document['train_seconds']:.0f} s of "
        f"training, {document['parameters']['total']} parameters, "
        f"{document['num_sequences']} test sequences"
    )
    systems = {
        name: document["metrics"] if name == "lmvp" else document["floors"][name]
        for name in accumulators
    }
    return f"{header}\n\n{tables.comparison_table(document['dataset'], systems)}"
