"""Who learns from what: the routing of gradients in Algorithm 1."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs, losses
from lmvp_tf.training.checkpoint import TrainState

LEARNING_RATES = {
    "D": "training.discriminator_learning_rate",
    "M": "training.guider_learning_rate",
    "G": "training.learning_rate",
}
# The main loop from the first step: M's learning rate is another in pre-training.
MAIN_LOOP = {"training.one_step_steps": 0, "training.pretrain_steps": 0}


def make_state(config, seed=0):
    keras.utils.set_random_seed(seed)
    return TrainState(config)


def step(state, phase, video):
    """One step of a phase; what it reports."""
    return state.procedure.steps(state.model, state.optimizers)[phase](tf.constant(video))


def snapshot(state):
    return {name: [v.numpy() for v in theta] for name, theta in state.model.networks.items()}


def moved(before, after):
    """The networks of which every variable with a gradient, or any variable at all, has changed."""
    return {
        name
        for name in before
        if any(not np.array_equal(x, y) for x, y in zip(before[name], after[name], strict=True))
    }


def train_with_only(config, network, video):
    """One main step in which the other networks' learning rates are 0. Returns who moved."""
    still = {path: 0.0 for name, path in LEARNING_RATES.items() if name != network}
    config = configs.replace(config, MAIN_LOOP | still)
    state = make_state(config)
    before = snapshot(state)
    step(state, "main", video)
    return moved(before, snapshot(state))


@pytest.mark.parametrize(("network", "thetas"), [("D", {"F", "C"}), ("M", {"M"}), ("G", {"G"})])
@pytest.mark.parametrize("backprop", [True, False])
def test_each_optimizer_of_the_main_step_moves_its_own_network_alone(
    tiny_config, tiny_video, network, thetas, backprop
):
    config = configs.replace(tiny_config, {"training.backprop_through_time": backprop})
    assert train_with_only(config, network, tiny_video) == thetas


def test_frozen_features_stay_where_pretraining_left_them(tiny_config, tiny_video):
    config = configs.replace(tiny_config, {"training.train_features": False})
    assert train_with_only(config, "D", tiny_video) == {"C"}


def test_pretraining_moves_features_guider_and_generator_by_the_reconstruction(
    tiny_config, tiny_video
):
    config = configs.replace(tiny_config, {LEARNING_RATES["D"]: 0.0})
    for phase in ("pretrain", "one_step"):
        state = make_state(config)
        before = snapshot(state)
        step(state, phase, tiny_video)
        assert moved(before, snapshot(state)) == {"F", "M", "G"}


@pytest.mark.parametrize(("network", "loss"), [("G", "L_recons"), ("D", "L_dis")])
def test_pretraining_lowers_the_loss_of_the_network_that_learns(
    tiny_config, tiny_video, network, loss
):
    rates = {path: 3e-3 if name == network else 0.0 for name, path in LEARNING_RATES.items()}
    config = configs.replace(tiny_config, rates)
    state = make_state(config)
    pretrain = tf.function(
        state.procedure.steps(state.model, state.optimizers)["pretrain"], autograph=False
    )
    reports = [pretrain(tf.constant(tiny_video)) for _ in range(20)]
    assert reports[-1][loss] < reports[0][loss]


def test_the_guiders_gradient_depends_on_real_clips_alone(tiny_config, tiny_video):
    """Whatever G generates, M's update is the same."""
    config = configs.replace(tiny_config, MAIN_LOOP | {LEARNING_RATES["D"]: 0.0})
    updates = []
    for scale in (1.0, 5.0):
        state = make_state(config)
        for variable in state.model.networks["G"]:
            variable.assign(variable * scale)
        step(state, "main", tiny_video)
        updates.append(snapshot(state)["M"])
    for one, other in zip(*updates, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_guiders_gradient_is_that_of_equation_2(tiny_config, tiny_video):
    """f comes from F as D's step left it, and the target does not move with M."""
    config = configs.replace(tiny_config, {LEARNING_RATES["D"]: 0.0, "training.clip_norm": 0.0})
    state = make_state(config)
    model = state.model
    f = model.leak(model.clips(tf.constant(tiny_video)))
    with tf.GradientTape() as tape:
        guide_state = model.guider.initial_state(2, 8, 8)
        loss = 0.0
        for t in range(6):
            (m, _), guide_state = model.guider(f[:, t], guide_state)
            loss += tf.reduce_mean((m - (f[:, t + 1] - f[:, t])) ** 2) / 6
    expected = tf.linalg.global_norm(tape.gradient(loss, model.networks["M"]))
    report = step(state, "main", tiny_video)
    np.testing.assert_allclose(report["L_M_L"], loss, rtol=1e-5)
    changes = np.diff(f.numpy(), axis=1)
    np.testing.assert_allclose(report["L_M_L/zeros"], np.mean(changes**2), rtol=1e-5)
    np.testing.assert_allclose(report["gradient_norm/M"], expected, rtol=1e-4)


def test_the_generators_gradient_is_that_of_equation_3_with_its_inputs_stopped(
    tiny_config, tiny_video
):
    """With gamma alone to count, G's gradient goes through F into the newest frame alone."""
    config = configs.replace(
        tiny_config,
        {
            **MAIN_LOOP,
            LEARNING_RATES["D"]: 0.0,
            LEARNING_RATES["M"]: 0.0,
            "training.clip_norm": 0.0,
            "training.backprop_through_time": False,
            "losses.gamma": 1e6,
        },
    )
    state = make_state(config)
    model = state.model
    video = tf.constant(tiny_video)
    frames = model.rollout(video[:, :4], 3).frames.numpy()
    f = model.leak(model.clips(frames)).numpy()
    m = model.guider.guide(tf.constant(f))[0].motion.numpy()
    with tf.GradientTape() as tape:
        loss = 0.0
        for t in range(6):
            newest = model.generator(frames[:, t], m[:, t])
            oldest = [frames[:, max(t - 1, 0)], frames[:, t]]
            following = model.discriminator.features(tf.concat([*oldest, newest], axis=-1))
            loss += tf.reduce_mean((following - f[:, t] - m[:, t]) ** 2) / 6
    expected = tf.linalg.global_norm(tape.gradient(loss, model.networks["G"]))
    report = step(state, "main", tiny_video)
    np.testing.assert_allclose(report["L_M_T"], loss, rtol=1e-4)
    np.testing.assert_allclose(report["gradient_norm/G"], 1e6 * expected, rtol=1e-3)


def test_the_fake_clips_end_with_the_predictions(tiny_config, tiny_video):
    model = make_state(tiny_config).model
    frames, predictions = tiny_video[:, :-1], 1.0 - tiny_video[:, 1:]
    clips = model.next_clips(tf.constant(frames), tf.constant(predictions)).numpy()
    assert clips.shape == (2, 6, 32, 32, 3)
    np.testing.assert_array_equal(clips[..., 2:], predictions)
    np.testing.assert_array_equal(clips[:, 1:, ..., 0:1], frames[:, :-1])
    np.testing.assert_array_equal(clips[..., 1:2], frames)


@pytest.mark.slow
def test_a_step_is_the_same_eagerly_and_compiled(tiny_config, tiny_video):
    values = {"data.num_frames": 4, "data.num_inputs": 2, "model.clip_length": 2}
    config = configs.replace(tiny_config, values)
    video = tf.constant(tiny_video[:, :4])
    graph = functools.partial(tf.function, autograph=False)
    compiled = functools.partial(graph, jit_compile=True)
    results = []
    for wrap_pretrain, wrap_main in ((lambda x: x, lambda x: x), (graph, compiled)):
        state = make_state(config)
        steps = state.procedure.steps(state.model, state.optimizers)
        pretrain, main = wrap_pretrain(steps["pretrain"]), wrap_main(steps["main"])
        results.append((pretrain(video), main(video)))
    for expected, report in zip(*results, strict=True):
        for name, value in expected.items():
            np.testing.assert_allclose(report[name], value, rtol=2e-3, atol=1e-6, err_msg=name)


def test_reported_losses_are_those_of_the_equations(tiny_config, tiny_video):
    config = configs.replace(tiny_config, {"losses.gamma": 0.25, "losses.gdl_weight": 0.5})
    state = make_state(config)
    rollout = state.model.rollout(tf.constant(tiny_video[:, :4]), 3)
    expected = losses.reconstruction_loss(
        "bce", tiny_video[:, 1:], rollout.predictions, np.ones(6, "float32"), 0.5
    )
    report = step(state, "main", tiny_video)
    np.testing.assert_allclose(report["L_recons"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        report["L_gen"], report["L_recons"] + 0.25 * report["L_M_T"], rtol=1e-5
    )


JOINT = {"training.main_loop": "joint", "training.clip_norm": 0.0}


@pytest.mark.parametrize("guider", ["beside", "mapped", "split", "transport"])
@pytest.mark.parametrize("apart", [True, False])
def test_equation_2_and_the_reconstruction_train_what_is_apart_for_themselves(
    tiny_config, tiny_video, guider, apart
):
    values = JOINT | {"model.guider": guider, "model.guider_widths": (4,)}
    model = make_state(configs.replace(tiny_config, values | {"model.guider_apart": apart})).model
    video = tf.constant(tiny_video)
    with tf.GradientTape(persistent=True) as tape:
        f = model.leak(model.clips(video[:, :4]))
        motions = model.guide(f)[0].motion
        predictions = model.rollout(video[:, :4], 2).predictions
    reached = {}
    for name, result in {"Eq. 2": motions, "reconstruction": predictions}.items():
        gradients = {n: tape.gradient(result, theta) for n, theta in model.networks.items()}
        reached[name] = {n for n, g in gradients.items() if any(x is not None for x in g)}
    if apart:
        assert reached == {"Eq. 2": {"M"}, "reconstruction": {"F", "R", "G"}}
    else:
        assert reached == {"Eq. 2": {"F", "M"}, "reconstruction": {"F", "M", "G"}}


@pytest.mark.parametrize("phase", ["one_step", "pretrain", "main"])
def test_where_m_is_apart_every_network_learns_from_the_first_step(tiny_config, tiny_video, phase):
    values = JOINT | {"model.guider": "split", "training.train_encoder": True}
    config = configs.replace(tiny_config, values)
    state = make_state(config)
    before = snapshot(state)
    step(state, phase, tiny_video)
    assert moved(before, snapshot(state)) == {"F", "C", "R", "M", "G"}


@pytest.mark.parametrize("guider", ["split", "transport"])
def test_the_split_guiders_gradient_is_that_of_equation_2_on_what_it_reads(
    tiny_config, tiny_video, guider
):
    values = JOINT | {
        "model.guider": guider,
        "model.guider_widths": (4,),
        "losses.first_counted": 3,
    }
    config = configs.replace(tiny_config, values)
    state = make_state(config)
    model, num_real = state.model, 4
    f = model.leak(model.clips(tf.constant(tiny_video)))
    with tf.GradientTape() as tape:
        memory, total = model.guider.initial_state(2, 8, 8), 0.0
        for t in range(num_real):
            (m, _), memory = model.guider(f[:, t], memory)
            if t > 0:  # m_1 leads to x_2, which does not count
                total += tf.reduce_mean((m - (f[:, t + 1] - f[:, t])) ** 2) / (num_real - 1)
    expected = tf.linalg.global_norm(tape.gradient(total, model.networks["M"]))
    report = step(state, "pretrain", tiny_video)
    np.testing.assert_allclose(report["L_M_L"], total, rtol=1e-5)
    np.testing.assert_allclose(report["gradient_norm/M"], expected, rtol=1e-4)


def test_the_joint_main_steps_equation_3_is_that_of_its_own_rollout(tiny_config, tiny_video):
    """f̂ and m̂ from single steps over the frames of the rollout."""
    config = configs.replace(tiny_config, JOINT | {"losses.gamma": 0.5, "losses.first_counted": 3})
    state = make_state(config)
    model = state.model
    rollout = model.rollout(tf.constant(tiny_video[:, :4]), 3)
    frames, predictions = rollout.frames.numpy(), rollout.predictions.numpy()
    f = model.leak(model.clips(frames)).numpy()
    m = model.guider.guide(tf.constant(f))[0].motion.numpy()
    errors = []
    for t in range(1, 6):
        clip = np.concatenate([frames[:, max(t - 1, 0)], frames[:, t], predictions[:, t]], axis=-1)
        errors.append(np.mean((model.discriminator.features(clip) - f[:, t] - m[:, t]) ** 2))
    report = step(state, "main", tiny_video)
    np.testing.assert_allclose(report["L_M_T"], np.mean(errors), rtol=1e-4)
    np.testing.assert_allclose(
        report["L_gen"], report["L_recons"] + 0.5 * report["L_M_T"], rtol=1e-5
    )


@pytest.mark.parametrize("main_loop", ["sequential", "joint"])
def test_one_predicted_frame_is_enough_for_the_main_loop(tiny_config, tiny_video, main_loop):
    values = {"data.num_frames": 5, "data.num_inputs": 4, "training.main_loop": main_loop}
    state = make_state(configs.replace(tiny_config, values))
    report = step(state, "main", tiny_video[:, :5])
    assert all(np.isfinite(value) for value in report.values())


def test_what_does_not_count_changes_no_loss(tiny_config, tiny_video):
    """With first_counted = 3 and clips of two predictions or more, D sees no static clip, and the
    reconstruction is that of frames 3 to 7.
    """
    values = JOINT | {"losses.first_counted": 3, "losses.fewest_predicted": 2}
    config = configs.replace(tiny_config, values)
    state = make_state(config)
    model = state.model
    rollout = model.rollout(tf.constant(tiny_video[:, :4]), 3)
    expected = losses.reconstruction_loss(
        "bce", tiny_video[:, 2:], rollout.predictions[:, 1:], np.ones(5, "float32")
    )
    # Clips that end at t = 6, 7 hold two predictions or more; real ones from t = 5 on.
    fake = (
        model.next_clips(rollout.frames, rollout.predictions)[:, 4:].numpy().reshape(-1, 32, 32, 3)
    )
    real = model.clips(tf.constant(tiny_video))[:, 4:].numpy().reshape(-1, 32, 32, 3)
    loss_d = losses.discriminator_loss(model.discriminator(real), model.discriminator(fake))
    report = step(state, "pretrain", tiny_video)
    np.testing.assert_allclose(report["L_recons"], expected, rtol=1e-5)
    np.testing.assert_allclose(report["L_dis"], loss_d, rtol=1e-5)
    assert "L_dis" not in step(state, "one_step", tiny_video)  # no clip of two predictions


@pytest.mark.parametrize("main_loop", ["sequential", "joint"])
@pytest.mark.parametrize(
    ("updates", "thetas"),
    [("DMG", {"F", "C", "M", "G"}), ("DG", {"F", "C", "G"}), ("MG", {"M", "G"}), ("G", {"G"})],
)
def test_updates_tells_who_learns_by_a_loss_of_its_own(
    tiny_config, tiny_video, main_loop, updates, thetas
):
    values = {"training.main_loop": main_loop, "training.updates": updates}
    state = make_state(configs.validate(configs.replace(tiny_config, values)))
    before = snapshot(state)
    report = step(state, "main", tiny_video)
    assert moved(before, snapshot(state)) == thetas
    assert ("L_dis" in report, "L_M_L" in report) == ("D" in updates, "M" in updates)
    assert ("D" in state.optimizers) == ("D" in updates)


@pytest.mark.parametrize(("train", "thetas"), [(True, {"F", "G"}), (False, {"G"})])
def test_the_joint_main_loop_may_go_on_moving_the_features(tiny_config, tiny_video, train, thetas):
    values = JOINT | {"training.updates": "G", "training.train_encoder": train}
    state = make_state(configs.replace(tiny_config, values))
    before = snapshot(state)
    step(state, "main", tiny_video)
    assert moved(before, snapshot(state)) == thetas


def test_frozen_features_stay_in_the_joint_main_loop_too(tiny_config, tiny_video):
    config = configs.replace(tiny_config, JOINT | {"training.train_features": False})
    assert train_with_only(config, "D", tiny_video) == {"C"}


def test_the_joint_main_steps_gradient_is_that_of_equation_4(tiny_config, tiny_video):
    """In the open loop: L_recons through the chain, and Eq. 3's at each prediction through it."""
    config = configs.replace(tiny_config, JOINT | {"losses.gamma": 0.5})
    state = make_state(config)
    model, video = state.model, tf.constant(tiny_video)
    first = model.rollout(video[:, :4], 3)
    f = model.leak(model.clips(first.frames))
    with tf.GradientTape() as tape:
        rollout = model.rollout(video[:, :4], 3)
        earlier = model.clips(first.frames)[..., 1:]  # fixed: the newest frame alone is G's
        following = model.leak(tf.concat([earlier, rollout.predictions], axis=-1))
        teacher = tf.reduce_mean((following - tf.stop_gradient(f) - first.motions) ** 2)
        ones = tf.ones(6)
        loss = losses.reconstruction_loss("bce", video[:, 1:], rollout.predictions, ones)
        loss += 0.5 * teacher
    expected = tf.linalg.global_norm(tape.gradient(loss, model.networks["G"]))
    report = step(state, "main", tiny_video)
    np.testing.assert_allclose(report["gradient_norm/G"], expected, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("guider", ["recurrent", "transport"])
def test_the_joint_main_step_is_the_same_with_rolled_loops(tiny_config, tiny_video, guider):
    values = JOINT | {"model.guider": guider, "training.train_encoder": True}
    reports = []
    for rolled in (False, True):
        config = configs.replace(tiny_config, values | {"training.rolled": rolled})
        state = make_state(config)
        steps = state.procedure.steps(state.model, state.optimizers)
        main = tf.function(steps["main"], autograph=False) if rolled else steps["main"]
        reports.append(main(tf.constant(tiny_video)))
    for name, value in reports[0].items():
        np.testing.assert_allclose(reports[1][name], value, rtol=2e-3, atol=1e-6, err_msg=name)
