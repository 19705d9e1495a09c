"""STJ: from a shop's listing pages to a dataset and a model one can trust.

For a notebook or a script; the same road as the commands, on the same files::

    import stj

    catalogue = stj.open_catalogue()
    catalogue.import_folder("pictures")          # pictures/0_saree, pictures/1_trousers, pictures/2_jeans
    dataset = catalogue.export("dataset")
    dataset.show_samples()
    run = stj.train(dataset)
    run.plot_confusion()
    run.predict("new.jpg")

What goes wrong is a `stj.StjError` with a sentence that says what to do. Nothing heavy is imported before it is used; figures and
training need `pip install 'stj[notebook]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stj_core import __version__
from stj_core.errors import StjError

if TYPE_CHECKING:
    from stj.catalogue import Catalogue, open_catalogue
    from stj.dataset import Dataset, open_dataset
    from stj.run import Answers, TrainedRun, open_run, train

_HOMES = {
    "Answers": "stj.run",
    "Catalogue": "stj.catalogue",
    "Dataset": "stj.dataset",
    "TrainedRun": "stj.run",
    "open_catalogue": "stj.catalogue",
    "open_dataset": "stj.dataset",
    "open_run": "stj.run",
    "train": "stj.run",
}
__all__ = [
    "Answers",
    "Catalogue",
    "Dataset",
    "StjError",
    "TrainedRun",
    "__version__",
    "open_catalogue",
    "open_dataset",
    "open_run",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the names above
    """Import a part of the Python API when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What a notebook offers after `stj.`, before anything of it is imported."""
    return sorted(__all__)
