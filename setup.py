"""What pyproject.toml cannot say: the published weights travel inside the wheel."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).parent
# As lmvp_tf/prediction/pretrained.py names them. What a Predictor reads, and where it is from.
WEIGHTS = {
    "moving_mnist": "moving_mnist/lmvp-paper",
    "highway": "highway/lmvp-small",
    "driving": "driving/lmvp-small",
}
FILES = ("config.json", "trained.json", "README.md", "*.weights.h5")


class BuildWithWeights(build_py):
    """Copies results/<run>/ to lmvp_tf/pretrained/<name>/; an editable install has results/."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for name, run in WEIGHTS.items():
            target = pathlib.Path(self.build_lib, "lmvp_tf", "pretrained", name)
            target.mkdir(parents=True, exist_ok=True)
            for pattern in FILES:
                for file in (ROOT / "results" / run).glob(pattern):
                    shutil.copyfile(file, target / file.name)


setup(cmdclass={"build_py": BuildWithWeights})
