"""Logs are read as they are, cut short too."""

from lmvp_tf.evaluation.training_log import validation_points

_VALIDATED = """step,seconds,sequences,phase,L_gen,validation/bce,validation/psnr
1,0.5,4,pretrain,400,,
2,1.0,8,pretrain,390,0.35,16.5
3,1.5,12,main,370,0.25,17.5
4,2.0,16,main,3"""


def test_validation_points_are_the_rows_with_validation_figures(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(_VALIDATED)
    assert validation_points(log) == [
        {"step": 2, "seconds": 1.0, "sequences": 8, "bce": 0.35, "psnr": 16.5},
        {"step": 3, "seconds": 1.5, "sequences": 12, "bce": 0.25, "psnr": 17.5},
    ]
    assert validation_points(tmp_path / "none.csv") == []
    log.write_text(
        "step,seconds,cpu_seconds,sequences,validation/bce\n2,1.0,1.8,8,0.35\n3,2,,9,1\n"
    )
    assert validation_points(log) == [
        {"step": 2, "seconds": 1.0, "cpu_seconds": 1.8, "sequences": 8, "bce": 0.35},
        {"step": 3, "seconds": 2.0, "sequences": 9, "bce": 1.0},
    ]
