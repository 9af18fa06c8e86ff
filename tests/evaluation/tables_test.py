"""Tables: alignment, figures, the paper's rows, and gaps."""

import itertools

import pytest

from lmvp_tf.datasets.moving_mnist import MovingMNIST
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.evaluation import tables

_METRICS = {
    "bce": 0.07123,
    "bce_per_frame": 291.77,
    "mse": 0.0025,
    "mse_per_frame": 102.34,
    "mae_per_frame": 200.41,
    "psnr": 16.508,
    "psnr_of_mean_mse": 16.0,
    "ssim_tf": 0.6213,
    "ssim_skimage": 0.6826,
    "ssim_openstl": 0.7019,
}


def _rows(table):
    """{first cell: {column: cell}} of a text table, whose columns are two spaces apart."""
    lines = table.split("\n\n")[0].splitlines()
    cut = [0]
    for dashes in lines[1].split("  "):
        cut.append(cut[-1] + len(dashes) + 2)
    cells = [[line[a:b].strip() for a, b in itertools.pairwise(cut)] for line in lines]
    return {row[0]: dict(zip(cells[0][1:], row[1:], strict=True)) for row in cells[2:]}


def test_moving_mnist_columns_and_values():
    rows = _rows(tables.comparison_table("moving_mnist", {"lmvp": _METRICS}))
    assert rows["lmvp"] == {
        "BCE/px": "0.0712",
        "BCE/frame": "291.8",
        "MSE/frame": "102.3",
        "MAE/frame": "200.4",
        "PSNR": "16.51",
        "SSIM tf": "0.621",
        "SSIM skimage": "0.683",
        "SSIM openstl": "0.702",
        "SSIM paper": "-",
    }


def test_the_rows_of_table_1_stand_below_and_are_marked():
    rows = _rows(tables.comparison_table("moving_mnist", {"lmvp": _METRICS}))
    assert list(rows) == ["lmvp", "ConvLSTM (cited)", "FPM (cited)", "DFN (cited)", "LMVP (cited)"]
    paper = rows["LMVP (cited)"]
    assert (paper["BCE/px"], paper["SSIM paper"], paper["PSNR"]) == ("0.0613", "0.87", "19.6")
    assert paper["SSIM tf"] == paper["MSE/frame"] == "-"
    assert rows["FPM (cited)"]["PSNR"] == "-"


@pytest.mark.parametrize(
    ("dataset", "key"), [("moving_mnist", "bce_per_frame"), ("highway", "ratio")]
)
def test_figures_derived_from_the_papers_agree_with_them(dataset, key):
    for figures in dataset_class(dataset).cited.values():
        if key == "ratio":
            assert figures[key] == pytest.approx(figures["mse"] / 0.01034, abs=5e-4)
        else:
            assert figures[key] == pytest.approx(figures["bce"] * 4096, abs=0.05)


def test_highway_gives_the_ratio_to_the_last_frame_and_no_bce():
    systems = {"lmvp": {**_METRICS, "bce": None, "ratio": 0.25}}
    rows = _rows(tables.comparison_table("highway", systems))
    assert "BCE/px" not in rows["lmvp"]
    assert rows["lmvp"]["MSE/px"] == "0.00250"
    assert rows["lmvp"]["/last frame"] == "0.250"
    assert rows["DFN (cited)"]["MSE/px"] == "0.00308"


def test_what_a_row_lacks_is_a_dash():
    systems = {"lmvp": _METRICS, "zeros": {"mse": 0.04, "bce": None}}
    mnist = _rows(tables.comparison_table("moving_mnist", systems))
    assert set(mnist["zeros"].values()) == {"-"}


def test_text_columns_are_aligned():
    table = tables.text_table(
        ["system", "a", "bbbb"], [["x", "1.5", "2"], ["longer name", "-", "10"]]
    )
    assert table.splitlines() == [
        "system         a  bbbb",
        "-----------  ---  ----",
        "x            1.5     2",
        "longer name    -    10",
    ]


def test_notes_name_the_protocols_and_what_the_paper_leaves_open():
    text = " ".join(tables.notes("moving_mnist"))
    for words in ("11x11 Gaussian window", "7x7 uniform", "does not define", "the paper's Table 1"):
        assert words in text


def test_text_fits_a_wide_terminal():
    table = tables.comparison_table("moving_mnist", {"lmvp": _METRICS})
    assert max(map(len, table.splitlines())) <= 120


def test_psnr_rows_take_every_second_step_of_two_sequences():
    sequences = [[float(step) for step in range(1, 11)], [20.0 + step for step in range(1, 7)]]
    ours, paper = tables.psnr_rows({"lmvp": sequences}, MovingMNIST.cited_psnr)
    assert [" ".join(row) for row in ours] == [
        "lmvp 2.00 4.00 6.00 8.00 10.00 22.00 24.00 26.00 - -"
    ]
    assert " ".join(paper[1]) == (
        "LMVP (cited) 25.25 22.99 22.01 20.28 20.44 21.73 21.29 21.05 20.85 20.45"
    )
