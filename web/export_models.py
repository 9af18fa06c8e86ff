"""Exports the models of models.json for the page: python web/export_models.py FOLDER."""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main(output: str) -> None:
    """Writes FOLDER/models/NAME for every model."""
    for name, model in json.loads((HERE / "models.json").read_text()).items():
        subprocess.run(
            [
                *(sys.executable, HERE.parent / "run_export.py", "--format=web"),
                f"--workdir={HERE.parent / model['workdir']}",
                f"--output={pathlib.Path(output).resolve() / 'models' / name}",
            ],
            check=True,
        )


if __name__ == "__main__":
    main(sys.argv[1])
