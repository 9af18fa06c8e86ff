"""What systems are called in tables and figures."""

LABELS = {
    "truth": "ground truth",
    "lmvp": "LMVP",
    "dfn": "DFN",
    "conv_lstm": "ConvLSTM",
    "fpm": "FPM",
    "simvp": "SimVP",
    "predrnn": "PredRNN",
    "mcnet": "MCnet",
    "flow": "optical flow",
    "last_frame": "last frame",
    "zeros": "zeros",
    "mean_image": "mean image",
}


def label(system: str) -> str:
    """The label of a system's name; the name itself where it has none."""
    return LABELS.get(system, system)
