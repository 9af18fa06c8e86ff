"""What a training run leaves to look at: log.csv and TensorBoard's summaries."""

import csv
import io
import json

import numpy as np
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.files import write_text

COLUMNS = (
    "step seconds cpu_seconds sequences phase L_dis L_M_L L_M_L/zeros L_M_T L_recons L_gen "
    "D_accuracy/real D_accuracy/fake "
    "gradient_norm/D gradient_norm/F gradient_norm/M gradient_norm/G "
    "update_norm/D update_norm/F update_norm/M update_norm/G "
    "learning_rate/D learning_rate/M learning_rate/G sequences_per_second data_wait_fraction "
    "validation/bce validation/mse_per_frame validation/psnr validation/ssim_tf"
).split()

# TensorBoard shows the losses under the paper's equations.
_EQUATIONS = {
    "L_dis": "losses/L_dis (Eq. 1)",
    "L_M_L": "losses/L_M^L (Eq. 2)",
    "L_M_L/zeros": "losses/L_M^L of m_t = 0 (what Eq. 2 has to beat)",
    "L_M_T": "losses/L_M^T (Eq. 3)",
    "L_gen": "losses/L_gen (Eq. 4)",
    "L_recons": "losses/L_recons (in Eq. 4)",
}


class RunLog:
    """Appends rows to log.csv and the same scalars, and pictures, to TensorBoard's event files.

    Args:
      workdir: a pathlib.Path.
      config: the Config, shown as text.
      first_step: rows of log.csv after it are dropped: a resumed run makes them again.
    """

    def __init__(self, workdir, config, first_step):
        self.path = workdir / "log.csv"
        _write_rows(self.path, [row for row in _read_rows(self.path) if _step(row) <= first_step])
        self.writer = tf.summary.create_file_writer(str(workdir))
        with self.writer.as_default(step=first_step):
            text = json.dumps(configs.to_dict(config), indent=2)
            tf.summary.text("config", f"```\n{text}\n```")

    def scalars(self, step, values):
        """Logs a row: floats by the names of `COLUMNS`, those that are missing stay empty."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writerow({"step": step, **{name: _short(v) for name, v in values.items()}})
        with self.writer.as_default(step=step):
            for name, value in values.items():
                if not isinstance(value, str):
                    tf.summary.scalar(_EQUATIONS.get(name, name), value)
        self.writer.flush()

    def images(self, step, images):
        """Shows pictures, each [H, W, 3] in [0, 1], by name."""
        with self.writer.as_default(step=step):
            for name, image in images.items():
                tf.summary.image(name, np.asarray(image)[None])
        self.writer.flush()

    def close(self):
        """Writes what is left."""
        self.writer.close()


def merge_log(path, other, last_step):
    """Appends another run's rows to log.csv, from where it ends up to `last_step`."""
    rows = _read_rows(path)
    first = _step(rows[-1]) if rows else -1
    _write_rows(path, rows + [r for r in _read_rows(other) if first < _step(r) <= last_step])


def _read_rows(path):
    """The whole lines of a log.csv; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _write_rows(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _step(row):
    return int(row["step"])


def strip(rows):
    """Joins videos, each [S, H, W, 1 or 3] in [0, 1], to one picture [., ., 3], a row each."""
    length = max(len(row) for row in rows)
    lines = []
    for row in rows:
        row = np.broadcast_to(row, (*row.shape[:3], 3))
        blank = np.ones((length - len(row), *row.shape[1:]), row.dtype)
        frames = np.concatenate([blank, row])  # aligned at the right: the same moment, one column
        frames = np.pad(frames, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=0.5)
        lines.append(np.concatenate(list(frames), axis=1))
    return np.clip(np.concatenate(lines, axis=0), 0.0, 1.0)


def flow_picture(flow, frames, radius):
    """Colours where the filters point: the hue is the direction, the saturation the distance.

    Args:
      flow: centres of mass, (dy, dx) in pixels, [S, H, W, 2].
      frames: what the filters are applied to, [S, H, W, C]; dark where a filter has nothing to
        fetch.
      radius: r = (k - 1) / 2, the farthest that a filter can reach.

    Returns:
      [S, H, W, 3] in [0, 1].
    """
    angle = np.arctan2(flow[..., 0], flow[..., 1]) / (2 * np.pi) % 1.0
    distance = np.clip(np.linalg.norm(flow, axis=-1) / radius, 0.0, 1.0)
    size = 2 * radius + 1
    reach = tf.nn.max_pool2d(np.max(frames, axis=-1, keepdims=True), size, 1, "SAME")[..., 0]
    return tf.image.hsv_to_rgb(tf.stack([angle, distance, reach], axis=-1)).numpy()


def _short(value):
    return value if isinstance(value, str | int) else f"{value:.6g}"
