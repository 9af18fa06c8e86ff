"""The config: overrides as a user types them, JSON and back, and what is refused."""

import dataclasses
import json
import re

import pytest

from lmvp_tf import configs
from lmvp_tf.datasets.registry import DATASETS, dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import MODELS
from lmvp_tf.presets import named


def override(*texts):
    return configs.replace(configs.create(), configs.parse_overrides(texts))


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("model.kernel_size=5", "model.kernel_size", 5),
        ("training.learning_rate=3e-4", "training.learning_rate", 3e-4),
        ("losses.gamma=1", "losses.gamma", 1.0),
        ("model.dynamic_bias=true", "model.dynamic_bias", True),
        ("model.spatial_widths=8,16", "model.spatial_widths", (8, 16)),
        ("model.spatial_widths=(8, 16,)", "model.spatial_widths", (8, 16)),
        ("model.pixel_widths=8", "model.pixel_widths", (8,)),
        ("losses.reconstruction=mse", "losses.reconstruction", "mse"),
        ("data.path=a=b.npz", "data.path", "a=b.npz"),
    ],
)
def test_overrides_take_the_type_of_their_field(text, path, value):
    found = configs.flatten(override(text))[path]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.kernal_size=5", "no field 'model.kernal_size'; did you mean model.kernel_size"),
        ("kernel_size=5", "did you mean .*model.kernel_size"),
        ("model=5", "no field 'model'"),
        ("model.kernel_size=5.5", "must be int. Received: '5.5'"),
        ("model.dynamic_bias=maybe", "must be bool. Received: 'maybe'"),
        ("training.learning_rate=fast", "must be float. Received: 'fast'"),
        ("model.spatial_widths=8,x", "must be a list of whole numbers"),
        ("model.kernel_size", "wants path.to.field=value"),
    ],
)
def test_a_wrong_override_is_refused_with_what_was_meant(text, message):
    with pytest.raises(UserError, match=message):
        override(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.kernel_size=4", r"kernel_size \(k\) must be odd. Received: 4"),
        ("data.num_inputs=20", "T0 = 20, T = 20"),
        ("model.clip_length=11", "c = 11, T0 = 10"),
        ("training.batch_size=0", "batch_size must be above 0"),
        ("training.learning_rate=-1", "learning_rate must be finite and not negative"),
        ("training.learning_rate=nan", "learning_rate must be finite and not negative"),
        ("losses.reconstruction=l1", "must be one of bce, mse"),
        ("model.spatial_widths=8", "two widths or more"),
        ("model.pixel_widths=", "wants 1 to 64 numbers"),
        ("model.pixel_widths=8,,16", "must be a list of whole numbers"),
        (
            "model.guider=teacher",
            "model.guider must be one of recurrent, beside, mapped, split, transport",
        ),
        ("training.horizons=4,2", "training.horizons must rise"),
        ("training.horizons=2", "cannot be more. Received: 0 [+] 100 > 0"),
        ("losses.first_counted=1", "losses.first_counted is 2"),
        ("losses.first_counted=12", "that is not given: 11. Received: 12"),
        ("losses.fewest_predicted=5", "no clip of model.clip_length frames has more than 4"),
        ("training.train_encoder=true", "of training.main_loop=joint alone"),
        ("data.channels=4", "data.channels must be one of 1, 3"),
        ("data.size=24", "28 pixels"),
        ("training.one_step_steps=1", "cannot be more. Received: 1 > 0"),
        ("training.beta_2=1", "beta_2 must be below 1. Received: 1.0"),
    ],
)
def test_a_config_that_cannot_work_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        configs.validate(override(text))


def test_a_list_may_be_empty_where_it_is_none_of_widths():
    assert override("training.horizons=2,4").training.horizons == (2, 4)
    for text in ("training.horizons=", "training.horizons=()"):
        assert configs.validate(override(text)).training.horizons == ()


def test_what_eq_2_alone_trains_needs_eq_2():
    values = {"model.guider": "split", "training.updates": "G"}
    with pytest.raises(UserError, match="which training.updates=G leaves out: set it to false"):
        configs.validate(configs.replace(configs.create(), values))
    configs.validate(configs.replace(configs.create(), values | {"model.guider_apart": False}))


def test_a_cosine_that_ends_before_the_run_needs_a_floor():
    values = {"training.decay": "cosine", "training.decay_steps": 50, "training.max_steps": 60}
    with pytest.raises(UserError, match="falls to 0 at step 50, and the run is to last 60"):
        configs.validate(configs.replace(configs.create(), values))
    configs.validate(
        configs.replace(configs.create(), values | {"training.learning_rate_floor": 0.1})
    )


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize(
    ("dataset", "preset"),
    [(dataset, preset) for dataset in DATASETS for preset in dataset_class(dataset).presets],
)
def test_presets_are_valid_and_survive_json(dataset, preset, model):
    config = named.get(dataset, preset, model)
    assert (config.model_name, config.preset) == (model, preset)
    assert configs.validate(config) is config
    assert configs.from_dict(json.loads(json.dumps(configs.to_dict(config)))) == config


def test_recomputing_is_refused_where_nothing_would_read_it():
    config = named.get("moving_mnist", "demo", "fpm")
    with pytest.raises(UserError, match="models that filter .*Received: --model=fpm"):
        configs.validate(configs.replace(config, {"training.recompute": True}))


def test_presets_carry_their_name():
    for dataset in DATASETS:
        for name in dataset_class(dataset).presets:
            config = named.get(dataset, name)
            assert (config.preset, config.dataset) == (name, dataset)


@pytest.mark.parametrize("model", ["dfn", "predrnn"])
def test_the_papers_recipe_is_lmvps_alone(model):
    small, recipe = (
        named.get("moving_mnist", preset, model) for preset in ("small", "small_paper_recipe")
    )
    assert configs.replace(recipe, {"preset": "small"}) == small


def test_an_unknown_preset_is_refused_with_those_that_exist():
    with pytest.raises(
        UserError, match="demo, small, small_paper_recipe, small_hour, paper. Received: large"
    ):
        named.get("moving_mnist", "large")


def test_differences_name_the_fields_and_leave_out_what_a_run_may_change():
    changed = override("losses.gamma=3", "training.max_steps=7")
    assert configs.differences(configs.create(), changed) == ["losses.gamma: 0.1 there, 3.0 here"]


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"model": {"kernel": 1}}', '{"data": {"size": "a"}}']
)
def test_a_damaged_config_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match="config.json"):
        configs.load(path)


def _with(path, value):
    """A config.json with one value of another kind, as bytes."""
    values = configs.to_dict(configs.create())
    part, _, name = path.rpartition(".")
    (values[part] if part else values)[name] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"data":' * 100_000, id="nested"),
        pytest.param(b'{"preset": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"losses": {"gamma": 1e999}}', id="1e999"),
        pytest.param(b'{"version": ' + b"1" * 100_000 + b"}", id="digits"),
        _with("version", 0),
        _with("version", 3),
        _with("version", [1]),
        _with("dataset", [1]),
        _with("dataset", "a\nb"),
        _with("model_name", {}),
        _with("data", []),
        _with("model", None),
        _with("data.path", "a\0b"),
        _with("data.path", "a" * 5000),
        _with("k" * 1_000_000, {"a": [1]}),
        _with("training.seed", 2**31),
        _with("training.learning_rate", 10**400),
        _with("model.spatial_widths", {"a": 1}),
        _with("model.spatial_widths", [4] * 65),
        _with("model.spatial_widths", [10**30]),
    ],
    ids=lambda content: content[-60:].decode(errors="replace"),
)
def test_a_config_of_other_kinds_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        configs.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_folder_without_config_is_no_workdir(tmp_path):
    with pytest.raises(UserError, match="no workdir of run_train.py"):
        configs.load(tmp_path / "config.json")


def test_every_field_is_settable():
    for path, value in configs.flatten(configs.create()).items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert configs.flatten(override(f"{path}={text}"))[path] == value


def test_a_config_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        configs.create().preset = "other"
