"""Five kills, and a fault that is put there on purpose is seen."""

import dataclasses
import pathlib
import random
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

import faults  # noqa: E402
import faults_kills  # noqa: E402


@pytest.mark.slow
def test_after_five_kills_the_same_commands_end_as_if_nothing_had_been():
    command = [sys.executable, "tools/faults.py", "--kills=5", "--only=train,build"]
    done = subprocess.run(command, cwd=TOOLS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "| train | 2 | 1 |" in done.stdout
    assert "| build | 1 | 1 |" in done.stdout


def test_half_of_the_kills_are_spread_over_the_operations():
    found = list(faults.kills(20, 100, 5.0, random.Random(0)))
    assert sum(kill.moment > 0 for kill in found) == 10
    assert all(0 < kill.moment <= 5 for kill in found if not kill.operation)
    operations = [kill.operation for kill in found if kill.operation]
    assert operations == sorted(operations)
    assert max(operations) > 85
    assert min(operations) < 15
    assert found == list(faults.kills(20, 100, 5.0, random.Random(0)))


@pytest.fixture
def _programs(monkeypatch, tmp_path):
    """A program that writes two files one after the other, and once more does only what is left."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(faults_kills, "PACKAGE", "toys")
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys" / "toy.py").write_text(
        "import pathlib, sys\n"
        "def run():\n"
        "    place = pathlib.Path(sys.argv[1])\n"
        "    for name in ('a', 'b'):\n"
        "        if not (place / name).exists():\n"
        "            (place / name).write_text(name)\n"
    )


@pytest.mark.usefixtures("_programs")
def test_what_is_of_two_pieces_or_differs_or_stays_is_told(tmp_path):
    toy = faults.Subject("toy", 1, "toy", ["{place}"], faults._nothing, faults._of_files)
    old, new = {}, {"a": "", "b": ""}
    place = tmp_path / "place"

    def fault(subject, operation):
        place.mkdir()
        faults_found = faults.fault_of(
            subject, tmp_path, place, faults.Kill(operation=operation), old, whole
        )
        for path in place.iterdir():
            path.unlink()
        place.rmdir()
        return faults_found

    place.mkdir()
    assert faults.run(toy, tmp_path, place) == 2
    whole = faults.apart(lambda: toy.digest(place))
    assert whole.keys() == new.keys()
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    assert fault(toy, 1) == ""
    assert fault(toy, 2) == "what lies there after the kill is of two pieces"
    resuming = dataclasses.replace(toy, resumes=True)
    assert fault(resuming, 2) == ""
    whole = whole | {"c": "other"}
    assert fault(resuming, 2) == "1 of 3 differ, the first is c"
    with pytest.raises(LookupError):
        place.mkdir()
        faults.fault_of(toy, tmp_path, place, faults.Kill(operation=3), old, whole)
