"""The programs of an installed package.

    lmvp-train --help          or       python -m lmvp_tf train --help

and likewise eval, export, predict and build. In a checkout they are run_train.py, run_eval.py,
run_export.py, run_predict.py and data/build_videos.py. `python -m lmvp_tf data_service` makes
batches for --data_service of lmvp-train.
"""

from __future__ import annotations

import functools
import importlib
import sys

# Names of modules: TensorFlow takes seconds.
PROGRAMS = {
    "train": "lmvp_tf.commands.train",
    "eval": "lmvp_tf.commands.eval",
    "export": "lmvp_tf.commands.export",
    "predict": "lmvp_tf.commands.predict",
    "build": "lmvp_tf.commands.build_dataset",
    "data_service": "lmvp_tf.commands.data_service",
}


def run(name: str) -> None:
    """Runs a program: a key of PROGRAMS."""
    program = importlib.import_module(PROGRAMS[name])
    program.run()


train, evaluate, export, predict, build, data_service = (
    functools.partial(run, name) for name in PROGRAMS
)


def main() -> None:
    """Runs the program that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS:
        print(__doc__, file=sys.stderr)
        sys.exit(2 if name not in ("--help", "-h") else 0)
    sys.argv = [f"lmvp-{name}", *sys.argv[2:]]
    run(name)


if __name__ == "__main__":
    main()
