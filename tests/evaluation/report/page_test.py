"""The page of a report, from hand-made figures."""

import pytest

from lmvp_tf.datasets.highway import Highway
from lmvp_tf.datasets.moving_mnist import MovingMNIST
from lmvp_tf.evaluation.report import page as report_page
from lmvp_tf.evaluation.report.markup import Picture, Table

_KEYS = "bce bce_per_frame mse mse_per_frame psnr ssim_tf ssim_skimage ssim_openstl ratio".split()


def _estimates(mean, half=0.5):
    return {key: {"mean": mean, "low": mean - half, "high": mean + half} for key in _KEYS}


def _run(label, mean, **changes):
    return {
        "label": label,
        "workdir": f"runs/{label}",
        "model": "lmvp",
        "preset": "small",
        "parameters": {"F": 1000, "total": 270890},
        "step": 2251,
        "sequences_seen": 9004,
        "train_seconds": 3480.0,
        "train_cpu_seconds": 6600.0,
        "below_budget": False,
        "changes": {},
        "metrics": _estimates(mean),
        "per_step": {"psnr": [20.0]},
        "example_psnr": [[float(step) for step in range(1, 11)], [20.5] * 10],
        "validation": [{"step": 1, "seconds": 2.0, "sequences": 4, "psnr": 10.0}],
        **changes,
    }


@pytest.fixture(name="document")
def _document():
    return {
        "command": "python run_eval.py --workdirs=runs/a --report=report",
        "dataset": "moving_mnist",
        "data": "digits of a test",
        "num_inputs": 10,
        "num_predicted": 10,
        "num_sequences": 10000,
        "data_hash": "0123456789abcdef",
        "protocol": {"prediction": "open loop", "mean": "over frames", "psnr": "in dB"},
        "intervals": {"level": 0.95, "resamples": 2000, "seed": 0, "block": 1},
        "examples": [0, 1],
        "budget": {"counted_in": "train_cpu_seconds", "longest": 6300.0},
        "runs": [_run("LMVP small", 1.5), _run("DFN small", 2.5, model="dfn")],
        "floors": {"zeros": {"metrics": _estimates(3.5), "per_step": {"psnr": [12.0]}}},
        "clips": {},
        "cited": MovingMNIST.cited,
        "differences": {
            "reference": "LMVP small",
            "runs": {"DFN small": _estimates(-1.0)},
        },
    }


def _section(document, title):
    (section,) = [s for s in report_page.page(document).sections if s.title.startswith(title)]
    return section


def _rows(document, title):
    """{first cell: {column: cell}} of a section's table."""
    (table,) = [part for part in _section(document, title).parts if isinstance(part, Table)]
    return {
        row[0]: dict(zip(table.header[1:], row[1:], strict=True))
        for group in table.groups
        for row in group
    }


def _notes(document, title):
    return " ".join(_section(document, title).parts[0].notes)


def test_table_1_has_our_rows_the_floors_and_the_papers(document):
    rows = _rows(document, "Results beside the paper's Table 1")
    assert list(rows) == [
        *("LMVP small", "DFN small", "zeros"),
        *("ConvLSTM (cited)", "FPM (cited)", "DFN (cited)", "LMVP (cited)"),
    ]
    assert rows["LMVP small"] == {
        "BCE/px": "1.5000\n[1.0000, 2.0000]",
        "BCE/frame": "1.5\n[1.0, 2.0]",
        "MSE/frame": "1.5\n[1.0, 2.0]",
        "MAE/frame": "-",
        "PSNR": "1.50\n[1.00, 2.00]",
        "SSIM\ntf": "1.500\n[1.000, 2.000]",
        "SSIM\nskimage": "1.500\n[1.000, 2.000]",
        "SSIM\nopenstl": "1.500\n[1.000, 2.000]",
        "SSIM\npaper": "-",
        "parameters": "270,890",
        "sequences\nseen": "9,004",
        "training\ntime": "58 min",
        "CPU\ntime": "1 h 50 min",
    }
    assert rows["LMVP (cited)"]["BCE/px"] == "0.0613"
    assert rows["zeros"]["MSE/frame"].startswith("3.5\n")


def test_a_row_below_the_budget_is_marked_and_the_mark_explained(document):
    assert "*" not in _notes(document, "Results")
    document["runs"][1]["below_budget"] = True
    assert list(_rows(document, "Results"))[:2] == ["LMVP small", "DFN small *"]
    assert "* trained for less than 90% of the longest training CPU time here (1 h 45" in _notes(
        document, "Results"
    )


def test_what_a_run_was_not_measured_by_is_a_dash(document):
    document["runs"][0]["metrics"]["bce"] = None
    assert _rows(document, "Results")["LMVP small"]["BCE/px"] == "-"


def test_differences_have_signs(document):
    rows = _rows(document, "Paired differences")
    assert rows["DFN small"]["PSNR"] == "-1.00\n[-1.50, -0.50]"
    document["differences"]["runs"]["DFN small"] = {"psnr": {"mean": 2, "low": -1, "high": 5}}
    rows = _rows(document, "Paired differences")
    assert rows["DFN small"] == {"PSNR": "+2.00\n[-1.00, +5.00]"}


def test_which_side_of_0_is_better_follows_from_the_metrics(document):
    notes = _notes(document, "Paired differences")
    below, above = notes.split(" below 0, ")
    assert "MSE/frame" in below
    assert "PSNR" not in below
    assert above.startswith("PSNR and SSIM tf")


def test_without_differences_there_is_no_section_of_them(document):
    document["differences"] = None
    titles = [section.title for section in report_page.page(document).sections]
    assert "Paired differences" not in titles


def test_table_3_takes_every_second_step_beside_the_papers(document):
    rows = _rows(document, "PSNR of the two")
    assert list(rows["LMVP small"].values()) == [
        *("2.00", "4.00", "6.00", "8.00", "10.00"),
        *["20.50"] * 5,
    ]
    assert list(rows["DFN (cited)"].values())[4:6] == ["18.46", "18.70"]


def test_highway_has_table_2_and_its_clips_and_no_table_3(document):
    document |= {"dataset": "highway", "cited": Highway.cited}
    document["intervals"]["block"] = 6
    document["clips"] = {
        clip: {"num_sequences": count, "systems": {"LMVP small": dict.fromkeys(_KEYS, 0.5)}}
        for clip, count in {"drive": 254, "other": 1217}.items()
    }
    rows = _rows(document, "Results beside the paper's Table 2")
    assert rows["LMVP small"]["/last\nframe"] == "1.500\n[1.000, 2.000]"
    assert rows["Last Frame (cited)"]["MSE/px"] == "0.01034"
    assert "resamples of stretches of 6" in _notes(document, "Results")
    clips = _rows(document, "Recording by recording")
    assert list(clips) == ["LMVP small\ndrive, 254 windows", "LMVP small\nother, 1,217 windows"]
    assert clips["LMVP small\ndrive, 254 windows"]["MSE/px"] == "0.50000"
    assert not any("Table 3" in s.title for s in report_page.page(document).sections)


def test_the_pictures_are_those_of_the_report(document):
    sections = report_page.page(document).sections
    files = [p.file for section in sections for p in section.parts if isinstance(p, Picture)]
    assert files == ["examples.png", "film.gif", "per_step.png", "validation.png"]


def test_runs_without_a_log_are_named_and_without_any_there_is_no_picture(document):
    document["runs"][1]["validation"] = []
    assert "Without a log: DFN small." in _section(document, "While training").parts[0].caption
    document["runs"][0]["validation"] = []
    assert "While training" not in [s.title for s in report_page.page(document).sections]


def test_each_run_says_where_it_is_and_what_is_other_about_it(document):
    document["runs"][1]["changes"] = {"losses.gamma": 0.0}
    lines, data, command = _section(document, "The runs").parts
    assert data == "Test data: digits of a test"
    assert command == "This report: python run_eval.py --workdirs=runs/a --report=report"
    assert lines == [
        "LMVP small: runs/LMVP small, model lmvp, preset small, step 2,251",
        "DFN small: runs/DFN small, model dfn, preset small, step 2,251; "
        "here with losses.gamma=0.0",
    ]


def test_the_text_table_has_the_means(document):
    rows = [line.split() for line in report_page.text_table(document).splitlines()]
    assert rows[2][:4] == ["LMVP", "small", "1.5000", "1.5"]
    assert rows[4][:2] == ["zeros", "3.5000"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(56.4, "56 s"), (3480, "58 min"), (5990, "1 h 40 min"), (11_100, "3 h 05")],
)
def test_times_read_well(document, seconds, text):
    document["runs"][0]["train_seconds"] = seconds
    assert _rows(document, "Results")["LMVP small"]["training\ntime"].startswith(text)
