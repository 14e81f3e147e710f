"""Runs every notebook from the top in a fresh kernel, on the package of this checkout."""

import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
MOST_SECONDS = 180  # of wall time, on two cores that have nothing else to do
# What TensorFlow, Jupyter or a library of theirs would clutter an output with.
NOISE = ("Warning", "port.cc", "oneDNN", "Traceback")


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom_in_three_minutes_and_draws(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra albert-tf[notebooks]")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra albert-tf[notebooks]")
    notebook = nbformat.read(path, as_version=4)
    # tests/conftest.py puts the checkout first on the path of every process that is started.
    where = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(
        notebook, timeout=MOST_SECONDS, kernel_name="python3", resources=where
    )
    started = time.monotonic()
    client.execute()
    seconds = time.monotonic() - started
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert not [word for word in NOISE if word in printed], printed
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert seconds < MOST_SECONDS
