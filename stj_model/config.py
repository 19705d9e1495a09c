"""What a training is told: recipes, and everything that can be changed about them, in one frozen object."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from stj_core.errors import UsageError
from stj_model.preprocess import Preprocessing, Resample

Recipe = Literal["default", "thorough", "paper"]
Balance = Literal["none", "class", "source", "shop"]
Pooling = Literal["mean", "centre"]
LARGEST = 2048
LARGEST_BATCH = 1024
"""Pixels of a side beyond which a run's config cannot be right: no network here is fed so many."""

PAPER_ASSUMPTIONS = (
    "RMSprop's learning rate is 1e-4: the report's line is cut after “1e”.",
    "The best checkpoint and the early stopping both watch val_loss.",
)


@dataclass(frozen=True)
class TrainConfig:
    """A resolved training: the same config, dataset and weights give the same numbers.

    Attributes:
        recipe: `default` is ours, `thorough` the same head shown more views, `paper` the student's notebook.
        weights: imagenet, random, or a file.
        architecture: what the file's weights are of, where no `.json` beside it says so.
        epochs: passes over the training pictures, at most.
        patience: epochs without a better val_loss after which `paper` stops.
        batch_size: pictures per step (`paper`), or that the frozen network is asked at once (`default`, whose head looks at
            all of them): more suit a GPU, and take more memory.
        learning_rate: of RMSprop (`paper`).
        l2: strength of the head's penalty, l2/2·‖W‖² beside the mean cross-entropy (`default`).
        views: ways in which the head is shown each training picture, by the names of `stj_model.augment` (`default`).
        pooling: what the head is given of the last map: its `mean`, or that beside the mean of its `centre`, where the garment
            is, both under a square root (`default`).
        balance: pictures count so that classes weigh the same (`class`), and within a class a shop only with the root of
            its number (`source`), or every shop the same (`shop`).
        abstain: share of right answers among those given, on pictures of unseen shops, that is kept at whatever price; None
            aims at 0.98 and answers 0.95 at least (`default`).
        folds: of the predictions by heads that saw nothing of a group, or of a shop.
        seed: of everything random.
        preprocessing: size and filter of the decoded picture.
        assumptions: what the recipe's source did not say, in sentences for the report.
    """

    recipe: Recipe = "default"
    weights: str = "imagenet"
    architecture: str | None = None
    epochs: int = 100
    patience: int = 20
    batch_size: int = 8
    learning_rate: float = 1e-4
    l2: float = 3e-5
    views: tuple[str, ...] = ("plain", "mirror", "closer")
    pooling: Pooling = "centre"
    balance: Balance = "shop"
    abstain: float | None = None
    folds: int = 5
    seed: int = 42
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    assumptions: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """The config as JSON."""
        lists = {"assumptions": list(self.assumptions), "views": list(self.views)}
        return {**asdict(self), **lists, "preprocessing": self.preprocessing.describe()}

    def digest(self, *also: str) -> str:
        """A short name for exactly this training, with whatever else decides it (the dataset, the weights)."""
        text = json.dumps([self.describe(), *also], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


RECIPES: dict[Recipe, TrainConfig] = {
    "default": TrainConfig(),
    "thorough": TrainConfig(recipe="thorough", views=("plain", "mirror", "closer", "padded")),
    "paper": TrainConfig(
        recipe="paper",
        epochs=25,
        batch_size=4,
        views=("plain",),
        balance="none",
        preprocessing=Preprocessing(256, "nearest"),
        assumptions=PAPER_ASSUMPTIONS,
    ),
}


def resolve(recipe: str, **changes: object) -> TrainConfig:
    """The recipe with what was asked for instead; a change that is None counts as not given.

    Raises:
        UsageError: there is no such recipe, or a value cannot be right.
    """
    if recipe not in RECIPES:
        raise UsageError(f"There is no recipe {recipe!r}: it is {' or '.join(RECIPES)}.")
    given = {name: value for name, value in changes.items() if value is not None}
    config = replace(RECIPES[recipe], **given)  # type: ignore[arg-type]  # checked right below
    _check(config)
    return config


def from_document(document: dict[str, Any]) -> TrainConfig:
    """The config that a run's `config.json` holds (unknown entries are of a newer STJ and left alone)."""
    known = {item.name for item in fields(TrainConfig)}
    values = {name: value for name, value in document.items() if name in known}
    about = values.get("preprocessing", {})
    values["preprocessing"] = Preprocessing(size=about["size"], resample=about["resample"])
    values["assumptions"] = tuple(values.get("assumptions", ()))
    values["views"] = tuple(values.get("views", ("plain",)))
    config = TrainConfig(**values)
    _check_types(config)
    _check(config)
    return config


def _check_types(config: TrainConfig) -> None:
    """Make sure that what was read from a file is of the kinds that a recipe has.

    Raises:
        TypeError: a value is of another kind.
    """
    usual = asdict(TrainConfig())
    for name, value in asdict(config).items():
        kind: Any = (int, float) if isinstance(usual[name], float) else type(usual[name])
        kind = {"architecture": str, "abstain": (int, float)}.get(name, kind)
        missing = value is None and name in {"architecture", "abstain"}
        if not missing and (isinstance(value, bool) or not isinstance(value, kind)):
            raise TypeError(f"{name} is {value!r}")
    if type(config.preprocessing.size) is not int or config.preprocessing.resample not in get_args(Resample):
        raise TypeError(f"preprocessing is {config.preprocessing}")
    if config.preprocessing.size > LARGEST:
        raise ValueError(f"its size is {config.preprocessing.size} pixels")


def check_batch_size(size: int) -> None:
    """Make sure that so many pictures can be asked about at once.

    Every batch is padded to its size, so that one of a million would ask for the memory of a million pictures.

    Raises:
        UsageError: they cannot.
    """
    if not 1 <= size <= LARGEST_BATCH:
        raise UsageError(f"--batch-size cannot be {size}: it is 1 to {LARGEST_BATCH:,}.")


def _check(config: TrainConfig) -> None:
    check_batch_size(config.batch_size)
    for name in ("epochs", "patience"):
        if getattr(config, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} cannot be {getattr(config, name)}: it is 1 or more.")
    if config.folds < 2:
        raise UsageError(f"--folds cannot be {config.folds}: it is 2 or more.")
    if not 0 <= config.seed < 2**32:
        raise UsageError(f"--seed cannot be {config.seed}: it is 0 to {2**32 - 1}.")
    if config.balance not in get_args(Balance):
        raise UsageError(f"--balance cannot be {config.balance!r}: it is {', '.join(get_args(Balance))}.")
    if config.abstain is not None and not 0 <= config.abstain < 1:
        raise UsageError(
            f"--abstain cannot be {config.abstain}: it is the wanted share of right answers, 0 to below 1."
        )
    if not all(0 < value < math.inf for value in (config.l2, config.learning_rate)):  # NaN is no number of this kind
        raise UsageError("--l2 and --learning-rate are above 0.")
    if config.preprocessing.size < 64:
        raise UsageError(f"--size cannot be {config.preprocessing.size}: a backbone needs 64 pixels or more.")
