"""One evaluation after another of a run: what the second takes over from the first."""

from lmvp_tf import configs
from lmvp_tf.evaluation.evaluate import stored, workdir
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.files import write_json
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import build_model


def test_the_second_has_the_new_weights_in_the_same_networks(fast_config, tmp_path, monkeypatch):
    """To build and trace them anew takes seconds, and leaves memory behind."""
    monkeypatch.setattr(workdir, "_MEAN_IMAGE_BATCHES", 1)
    write_json(tmp_path / "config.json", configs.to_dict(fast_config))
    model = build_model(fast_config)

    def error():
        weights.write(model, weights.Trained(1, 1.0, 1.0), tmp_path)
        found = workdir.evaluate_workdir(tmp_path, EvaluationOptions(num_sequences=1))
        return stored.read(found.folder).document["metrics"]["mse"]

    first = error()
    for variable in model.trainable_variables:
        variable.assign(2 * variable)
    with monkeypatch.context() as patch:
        patch.setattr(workdir, "build_for_prediction", None)
        second = error()
    workdir._networks.cache_clear()
    assert error() == second != first
