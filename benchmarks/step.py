"""The training step beside its convolutions alone, and beside the step of DFN."""

from benchmarks.common import Row, side_by_side
from benchmarks.steps import convolutions, runner, step_and_video, training_step
from lmvp_tf import configs
from lmvp_tf.presets import named


def step_small(quick):
    """Preset small_paper_recipe, one pre-training step with one-step predictions."""
    return _step_row("step_small", _small(quick), "one_step", 3 if quick else 10)


def step_small_main(quick):
    """Preset small_paper_recipe, one step of the main loop."""
    return _step_row("step_small_main", _small(quick), "main", 3 if quick else 10)


def step_paper(quick):
    """Preset paper, one pre-training step with one-step predictions."""
    paper = named.get("moving_mnist", "paper")
    return _step_row("step_paper", paper, "one_step", 1 if quick else 3)


def _small(quick, model="lmvp"):
    config = named.get("moving_mnist", "small_paper_recipe", model)
    return configs.replace(config, {"data.num_frames": 8, "data.num_inputs": 4} if quick else {})


def _step_row(name, config, phase, repetitions):
    step, video = step_and_video(config, phase)
    unrolled = configs.replace(config, {"training.rolled": False})
    found = convolutions(*step_and_video(unrolled, phase))
    functions = {operation: runner(operation) for operation in found}
    functions["step"] = lambda: {key: float(value) for key, value in step(video).items()}
    seconds = side_by_side(functions, repetitions)
    floor = sum(count * seconds[operation] for operation, count in found.items())
    return Row(name, seconds["step"], "s", floor=floor)


def rolled_step_small(quick):
    """The step of step_small, rolled as it is by default, beside the same unrolled."""
    return _option_row("rolled_step_small", "training.rolled", "loops over time unrolled", quick)


def recomputed_step_small(quick):
    """The step of step_small with filters computed anew in the backward pass, beside it without."""
    return _option_row(
        "recomputed_step_small", "training.recompute", "without recomputation", quick
    )


def _option_row(name, option, baseline, quick):
    steps = {
        chosen: training_step(configs.replace(_small(quick), {option: chosen}), "one_step")
        for chosen in (True, False)
    }
    seconds = side_by_side(steps, 3 if quick else 10)
    return Row(name, seconds[True], "s", baseline, seconds[False] / seconds[True])


def iteration_over_dfn(quick):
    """An iteration of LMVP's main loop (D, M and G) beside a step of DFN, whose G is as wide."""
    lmvp, dfn = _small(quick), _small(quick, "dfn")
    # Preset small has no such layer.
    same = {"model.projection_width": dfn.model.projection_width}
    steps = {
        "lmvp": training_step(configs.replace(lmvp, same), "main"),
        "dfn": training_step(dfn, "open_loop"),
    }
    seconds = side_by_side(steps, 3 if quick else 10)
    ratio = seconds["lmvp"] / seconds["dfn"]
    return Row("iteration_over_dfn", ratio, "steps of dfn", "the step of dfn", 1 / ratio)
