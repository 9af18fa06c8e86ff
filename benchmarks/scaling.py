"""How the throughput of training grows with the number of GPUs: a model, from what was measured.

    python -m benchmarks.scaling

writes the tables of docs/scaling.md anew. A step takes as long as the slowest of its parts allows:

    step = fixed + batch per GPU x each + all-reduce
    all-reduce = updates x latency x 2 log2(GPUs) + bytes x 2 (GPUs - 1) / GPUs / bandwidth

No part overlaps another: TensorFlow's reductions wait for the gradients of their loss, and each
loss of Algorithm 1 for the one before. Latency and bandwidth are of a link of the cluster.
"""

import argparse
import dataclasses
import math
import pathlib
import re

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "scaling.md"
GPUS = (1, 8, 64, 512)


@dataclasses.dataclass(frozen=True)
class Step:
    """A training step, as it was measured on one device.

    Attributes:
      fixed: seconds that no smaller batch would save.
      each: seconds a sequence.
      gradients: bytes that the replicas sum.
      messages: how many sums, one after the other.
      sequence: bytes of a sequence on its way to the device.
      drawn: seconds that two cores take to make a sequence.
    """

    fixed: float
    each: float
    gradients: float
    messages: int
    sequence: float
    drawn: float


@dataclasses.dataclass(frozen=True)
class Link:
    """What connects the devices: seconds of latency, bytes per second of each device."""

    latency: float
    bandwidth: float


# Preset paper's main loop, batch 16, on one H200: 30.3 ms, the GPU busy for 86% of it
# (docs/decisions.md). D, M and G have 1,950,226 weights; beside their three sums there are the
# report's, two of its yardsticks, and the agreement to go on.
PAPER = Step(
    fixed=0.14 * 30.3e-3,
    each=0.86 * 30.3e-3 / 16,
    gradients=4 * 1_950_226,
    messages=7,
    sequence=4 * 20 * 64 * 64,
    drawn=29.3e-6,
)
INSIDE = Link(latency=5e-6, bandwidth=300e9)  # NVLink, of the 450e9 that its sheet says
FAST = Link(latency=15e-6, bandwidth=40e9)  # 400 Gbit/s for each GPU
SLOW = Link(latency=50e-6, bandwidth=1.25e9 / 8)  # 10 Gbit/s for a machine of eight


def all_reduce(step, link, devices):
    """Seconds."""
    if devices == 1:
        return 0.0
    waiting = step.messages * link.latency * 2 * math.log2(devices)
    return waiting + step.gradients * 2 * (devices - 1) / devices / link.bandwidth


def step_seconds(step, link, devices, batch):
    """Seconds of a step with `batch` sequences on each device."""
    return step.fixed + batch * step.each + all_reduce(step, link, devices)


def table(step, batch_of):
    """Rows for each number of GPUs; `batch_of` gives the batch of each GPU."""
    lines = [
        "| GPUs | batch of each | step | of it all-reduce | sequences a second | efficiency | "
        "with 10 Gbit/s | input | cores for it |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for devices in GPUS:
        batch = batch_of(devices)
        link = INSIDE if devices <= 8 else FAST
        seconds = step_seconds(step, link, devices, batch)
        rate = devices * batch / seconds
        alone = batch_of(1) / step_seconds(step, link, 1, batch_of(1))
        slow = devices * batch / step_seconds(step, SLOW, devices, batch)
        lines.append(
            f"| {devices} | {batch} | {1e3 * seconds:.1f} ms | "
            f"{1e3 * all_reduce(step, link, devices):.2f} ms | {rate:,.0f} | "
            f"{100 * rate / devices / alone:.0f}% | {100 * slow / devices / alone:.0f}% | "
            f"{rate * step.sequence / 1e9:.2f} GB/s | {math.ceil(2 * rate * step.drawn)} |"
        )
    return "\n".join(lines)


def tables():
    """The part of the page that this program writes."""
    return (
        "A batch of 16 for each GPU:\n\n"
        f"{table(PAPER, lambda devices: 16)}\n\n"
        "One batch of 512 for all, but no more than 16 a GPU at the start (1 GPU: 16):\n\n"
        f"{table(PAPER, lambda devices: min(16, max(1, 512 // devices)))}"
    )


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- scaling: begin -->", "<!-- scaling: end -->"
    written = re.sub(f"(?s){begin}.*{end}", lambda _: f"{begin}\n{tables()}\n{end}", text)
    PAGE.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
