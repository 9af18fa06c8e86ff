"""Measures how fast the program is on this machine.

    python -m benchmarks                     everything, within 15 minutes on two quiet cores
    python -m benchmarks --quick             small sizes, within 2 minutes
    python -m benchmarks --only=step_small,start_small

Writes results.json and results.md. See benchmarks/README.md for what the rows mean.
"""

import pathlib
import time

from absl import flags

from benchmarks import report
from benchmarks.processes import ProcessFailed, values_of
from benchmarks.subjects import ENVIRONMENT, NOT_QUICK, SUBJECTS, measure
from lmvp_tf.commands import cli
from lmvp_tf.errors import UserError

_QUICK = flags.DEFINE_bool(
    "quick", False, "Small sizes and few repetitions; leaves out what is slow at any size."
)
_ONLY = flags.DEFINE_list("only", [], "Names of rows: these and no others.")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for results.json and results.md; by default benchmarks/ for all rows at full size, "
    "runs/benchmarks/ for less.",
)


def main(argv):
    del argv
    start = time.perf_counter()
    wanted = _wanted(_ONLY.value)
    rows = []
    for subject, names in wanted.items():
        for row in measure_subject(subject, names, _QUICK.value):
            rows.append(row)
            print(report.line(row), flush=True)
    partial = _QUICK.value or _ONLY.value
    output = pathlib.Path(_OUTPUT.value or ("runs/benchmarks" if partial else "benchmarks"))
    report.write(rows, output, time.perf_counter() - start, _QUICK.value)
    print(f"Written to {output}/results.json and {output}/results.md.")


def _wanted(only):
    """{subject: names of its rows}."""
    known = [name for names in SUBJECTS.values() for name in names]
    unknown = [name for name in only if name not in known]
    if unknown:
        raise UserError(f"--only: no row {unknown[0]!r}. There are: {', '.join(known)}")
    chosen = {
        subject: [name for name in names if not only or name in only]
        for subject, names in SUBJECTS.items()
    }
    return {subject: names for subject, names in chosen.items() if names}


def measure_subject(subject, names, quick):
    """Measures rows of a subject in a process of their own. Yields them as they are ready.

    A row that could not be measured has no value, and a reason.
    """
    left_out = [name for name in names if quick and name in NOT_QUICK]
    waiting = [name for name in names if name not in left_out]
    try:
        if waiting:
            for row in values_of(measure, subject, waiting, quick, **ENVIRONMENT.get(subject, {})):
                waiting.remove(row["name"])
                yield row
    except ProcessFailed as error:
        for name in waiting:
            yield report.not_measured(name, str(error))
    for name in left_out:
        yield report.not_measured(name, "left out by --quick")


if __name__ == "__main__":
    cli.run(main)
