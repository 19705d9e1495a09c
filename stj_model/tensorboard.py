"""The history of a run as TensorBoard reads it, one series for training and one for validation, as Keras names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stj_model.backend import tensorflow

SERIES = {"train": "", "validation": "val_"}


def write_events(history: Sequence[Mapping[str, float]], folder: Path) -> None:
    """Write `train/` and `validation/`, each with an event file of `epoch_accuracy` and `epoch_loss`.

    `tf.summary.scalar` needs the package tensorboard; what it writes does not, and is written here as it does.

    Args:
        history: the lines of `history.csv`.
        folder: where to.
    """
    tf = tensorflow()
    scalar = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
    for name, prefix in SERIES.items():
        writer = tf.summary.create_file_writer(str(folder / name))
        with writer.as_default():
            for line in history:
                for figure in ("accuracy", "loss"):
                    value = tf.constant(line[prefix + figure], tf.float32)
                    tf.summary.write(f"epoch_{figure}", value, step=int(line["epoch"]), metadata=scalar)
        writer.close()
