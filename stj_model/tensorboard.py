"""The history of a run as TensorBoard reads it, one series for training and one for validation, as Keras names them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from stj_model.backend import tensorflow

SERIES = {"train": "", "validation": "val_"}


class HistoryEvents:
    """`train/` and `validation/`, each with an event file of `epoch_accuracy` and `epoch_loss` that grows while it is trained.

    `tf.summary.scalar` needs the package tensorboard; what it writes does not, and is written here as it does.
    """

    def __init__(self, folder: Path, history: Sequence[Mapping[str, float]] = ()) -> None:
        """Begin anew in a folder, with the lines of `history.csv` that there are already."""
        tf = tensorflow()
        shutil.rmtree(folder, ignore_errors=True)  # of an interrupted training, whose lines are in the history
        self._metadata = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR"
        )
        self._writers: dict[str, Any] = {
            prefix: tf.summary.create_file_writer(str(folder / name)) for name, prefix in SERIES.items()
        }
        for line in history:
            self.add(line)

    def add(self, line: Mapping[str, float]) -> None:
        """Write an epoch's line, for TensorBoard to read at once."""
        tf = tensorflow()
        for prefix, writer in self._writers.items():
            with writer.as_default():
                for figure in ("accuracy", "loss"):
                    value = tf.constant(line[prefix + figure], tf.float32)
                    tf.summary.write(f"epoch_{figure}", value, step=int(line["epoch"]), metadata=self._metadata)
            writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()


def write_events(history: Sequence[Mapping[str, float]], folder: Path) -> None:
    """Write the events of a history that is whole.

    Args:
        history: the lines of `history.csv`.
        folder: where to.
    """
    with HistoryEvents(folder, history):
        pass
