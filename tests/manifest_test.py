"""A folder says which files belong to it, and what is in them."""

import json

import pytest

from lmvp_tf import manifest
from lmvp_tf.errors import UserError


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a").write_text("1")
    (tmp_path / "in" / "b").write_text("2")
    manifest.write(tmp_path)
    return tmp_path


def test_what_was_written_passes(folder):
    assert manifest.check(folder, ["a", "in/b"])
    assert manifest.listed(folder) == {"a", "in/b", "sha256.json"}
    assert manifest.files(folder) == {"a", "in/b"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "a").write_text("3"), "a is damaged .* is not the one in sha256"),
        (lambda folder: (folder / "c").write_text("3"), "c is damaged .* is not the one in sha256"),
        (lambda folder: (folder / "a").unlink(), "a is missing"),
        (lambda folder: (folder / "sha256.json").write_text("{"), "sha256.json is damaged"),
        (lambda folder: (folder / "sha256.json").write_text("{}"), "required field `sha256`"),
        (
            lambda folder: (folder / "sha256.json").write_text('{"sha256": {"a": "x"}}'),
            "regex",
        ),
    ],
)
def test_what_is_another_file_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=f"{message}.*: write it again"):
        manifest.check(folder, manifest.files(folder) | {"a"}, "write it again")


def test_without_a_manifest_nothing_is_checked(folder):
    (folder / "sha256.json").unlink()
    assert not manifest.check(folder, ["a", "none"])
    assert manifest.listed(folder) == set()


def test_names_in_a_manifest_lead_nowhere(folder):
    hashes = {"../x": "0" * 64}
    (folder / "sha256.json").write_text(json.dumps({"sha256": hashes}))
    with pytest.raises(UserError, match="a is damaged"):
        manifest.check(folder, ["a"])
