"""What every way of exporting is: a trained run in, files for other programs or people out."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What a user may ask of an export. An Exporter names in `reads` which of it means something.

    Attributes:
      horizon: S, frames that the model predicts at a time; None for as many as in training.
      variants: names of what an Exporter can write; None for all.
      num_sequences: measure on the first so many test sequences.
      note: where and how it was trained, a sentence.
      data: {path of a config field: value} that differs from the training run's, for data that
        have moved since.
    """

    horizon: int | None = None
    variants: tuple[str, ...] | None = None
    num_sequences: int = 64
    note: str = ""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Exporter(abc.ABC):
    """A form in which a trained run leaves the project.

    A new one is a file with a subclass, and a line in `lmvp_tf.export.registry`.

    Class attributes:
      reads: the names of the ExportOptions that it reads. Others are refused when they are given.
    """

    reads: ClassVar[frozenset[str]] = frozenset()

    @abc.abstractmethod
    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        """Writes a run to `output`, whole or not at all, and prints what was written.

        Args:
          workdir: that run_train.py wrote, or a folder with published weights.
          output: a folder, made when it is missing.
          options: ExportOptions.

        Raises:
          UserError: no such run, or one that cannot be exported in this form.
          RunError: the files cannot be written, or do not do what the model does.
        """
