"""The notebook runs from its first cell to its last, and what is committed has outputs."""

import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = pathlib.Path(__file__).resolve().parents[1] / "notebooks" / "quickstart.ipynb"


def outputs(notebook):
    return [sorted(o.get("data", o)) for cell in notebook.cells for o in cell.get("outputs", ())]


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    committed = outputs(notebook)
    for cell in notebook.cells:
        cell.source = cell.source.replace("SECONDS = 60", "SECONDS = 3")
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = [kinds for kinds in outputs(notebook) if "image/png" in kinds]
    assert len(pictures) == 5
    assert [kinds for kinds in committed if "image/png" in kinds] == pictures
    assert NOTEBOOK.stat().st_size < 2**20
