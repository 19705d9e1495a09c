"""Spurious correlations: whether something beside the garment gives the class away.

A few numbers that say nothing of a garment (the file's type, the picture's size and shape, its border's colour) are asked for the
class by a small classifier, on pictures that were held out. Where they know it, a network may have learned them instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stj_core.console import Advance, Talk
from stj_core.errors import PictureError
from stj_images.decode import decode
from stj_images.decode import open_picture as open_header
from stj_model.data import Dataset, LabelledPicture
from stj_model.folds import NEVER, grouped_folds
from stj_model.head import Doubles, Ints, balance_weights, fit_head
from stj_model.preprocess import read_file

SIDE = 64
"""Pixels of the draft whose border is looked at."""
RIM = 0.08
"""The border: this share of each side."""
BINS = 6
SHAPE, SIZE, BACKGROUND, TYPE = "shape", "size", "background", "file type"
COLUMNS = {
    SHAPE: ("aspect",),
    SIZE: ("pixels", "bytes", "bytes per pixel"),
    BACKGROUND: ("brightness", "saturation", "evenness", "white"),
    TYPE: ("type",),
}
WARN_AT = 0.5
"""Share of the way from chance to certainty from which on numbers alone tell the classes apart too well."""
LEANS_AT = 0.5
"""Share of a class's pictures from which on its dataset leans on one source."""
ALONE_AT, FEW_SHOPS = 0.9, 5.0
"""Share of a class's pictures from shops that have no other class, and how many shops of equal size count as few."""
UNKNOWN = "unknown"
EPOCHS, PENALTY = 60, 1e-3


@dataclass(frozen=True)
class Shortcut:
    """How well one kind of number knows the class.

    Attributes:
        kind: `shape`, `size`, `background`, `file type`, or `all` of these together.
        accuracy: the mean of the classes' recalls on pictures that were held out.
        chance: what guessing has.
    """

    kind: str
    accuracy: float
    chance: float

    @property
    def warns(self) -> bool:
        """Whether that is too well."""
        return self.accuracy - self.chance > WARN_AT * (1 - self.chance)


def read_numbers(pictures: Sequence[LabelledPicture], advance: Advance = lambda _: None) -> Doubles:
    """The numbers of each picture that say nothing of a garment, (n, columns); those of an unreadable one are 0."""
    found = []
    for picture in pictures:
        found.append(_numbers(picture.path))
        advance(1)
    return np.array(found, dtype=np.float64)


def find_shortcuts(
    numbers: Doubles, classes: Ints, groups: Sequence[str], folds: int = 5, seed: int = 42
) -> list[Shortcut]:
    """Ask each kind of number for the class, held out by relatives.

    Args:
        numbers: (n, columns) of `read_numbers`.
        classes: (n,), 0 to k - 1.
        groups: (n,), relatives.
        folds: how many times something is held out.
        seed: of the folds.
    """
    places, start = {}, 0
    for kind, columns in COLUMNS.items():
        places[kind] = list(range(start, start + len(columns)))
        start += len(columns)
    places["all"] = list(range(start))
    parts = grouped_folds(classes, list(groups), folds, seed)
    count = int(classes.max()) + 1
    return [
        Shortcut(kind, _held_out_recall(_binned(numbers[:, columns]), classes, parts, count), 1 / count)
        for kind, columns in places.items()
    ]


def leaning(pictures: Sequence[LabelledPicture], names: dict[int, str]) -> list[str]:
    """A sentence for each class that leans on one source."""
    found = []
    for label, name in names.items():
        sources = [picture.source for picture in pictures if picture.label == label and picture.source]
        if not sources:
            continue
        listed, counts = np.unique(sources, return_counts=True)
        place = int(counts.argmax())
        if len(sources) >= BINS and counts[place] > LEANS_AT * len(sources):
            found.append(
                f"{counts[place]} of {len(sources)} pictures of {name} are from one source ({listed[place]}): what is its own "
                "may be taken for the garment; get pictures of more shops."
            )
    return found


def one_sided(pictures: Sequence[LabelledPicture], names: dict[int, str]) -> list[str]:
    """A sentence where classes come from few shops each, and from other ones: the shop then is as good a sign as the garment.

    Many small shops of one class each are no such sign, since nothing is their own that all of them have. A class that leans on
    one source is told by `leaning`.
    """
    by_class = {
        label: Counter(one.source for one in pictures if one.label == label and one.source and one.source != UNKNOWN)
        for label in names
    }
    sellers = Counter(source for counts in by_class.values() for source in counts)
    found = []
    for label, counts in by_class.items():
        total = sum(counts.values())
        alone = sum(n for source, n in counts.items() if sellers[source] == 1)
        if total < BINS or alone < ALONE_AT * total or max(counts.values()) > LEANS_AT * total:
            continue
        if 1 / sum((n / total) ** 2 for n in counts.values()) < FEW_SHOPS:
            found.append(f"{names[label]} ({len(counts)})")
    if not found:
        return []
    line = (
        f"The source alone knows the class: few shops, which have next to nothing else, are all there is of {', '.join(found)}. "
        "What is theirs may be taken for the garment; get pictures of more shops, and of several classes from one."
    )
    return [line]


def look_for_shortcuts(dataset: Dataset, talk: Talk, seed: int) -> list[str]:
    """Look among a dataset's pictures for what gives their class away, and say what was found.

    Returns:
        A sentence for each warning: numbers that know the class, and classes that lean on one source.
    """
    pictures, place = list(dataset.pictures), {label: number for number, label in enumerate(dataset.labels)}
    with talk.bar("Looking for shortcuts", len(pictures)) as advance:
        numbers = read_numbers(pictures, advance)
        classes = np.array([place[picture.label] for picture in pictures], dtype=np.int64)
        found = find_shortcuts(numbers, classes, [picture.group for picture in pictures], seed=seed)
    names = dict(dataset.labels)
    lines = [*sentences(found), *leaning(pictures, names), *one_sided(pictures, names)]
    for line in lines:
        talk.say(f"Warning: {line}")
    return lines


def sentences(found: Sequence[Shortcut]) -> list[str]:
    """A sentence for a person for what warns, or none."""
    warning = [one for one in found if one.warns]
    if not warning:
        return []
    alone = [f"{one.kind} {one.accuracy:.0%}" for one in warning if one.kind != "all"]
    together = next((one for one in found if one.kind == "all"), None)
    parts = [f"alone {', '.join(alone)}"] if alone else []
    if together is not None:
        parts.append(f"together {together.accuracy:.0%}")
    line = (
        f"Shape, size, border and file type know the class of held-out pictures without the garment ({'; '.join(parts)}; "
        f"guessing has {found[0].chance:.0%}), which is a spurious correlation that a network may learn instead: believe "
        "shops held out, and get each class from several shops."
    )
    return [line]


def _numbers(path: Path) -> tuple[float, ...]:
    try:
        data = read_file(path)
        with open_header(data) as picture:
            width, height, kind = picture.width, picture.height, picture.format or ""
        pixels = np.asarray(decode(data, SIDE).resize((SIDE, SIDE)), dtype=np.float64) / 255
    except PictureError:
        return (0.0,) * sum(map(len, COLUMNS.values()))
    edge = max(1, round(RIM * SIDE))
    inner = np.zeros((SIDE, SIDE), dtype=bool)
    inner[edge:-edge, edge:-edge] = True
    rim = pixels[~inner]
    area = width * height
    return (
        np.log(width / height),
        np.log(area),
        np.log(len(data)),
        np.log(len(data) / area),
        float(rim.mean()),
        float((rim.max(axis=1) - rim.min(axis=1)).mean()),
        float(rim.std(axis=0).mean()),
        float((rim.min(axis=1) > 0.94).mean()),
        float(sum(map(ord, kind))),
    )


def _binned(numbers: Doubles) -> npt.NDArray[np.float32]:
    """Each column as indicators of its quantile bins, so that a linear classifier may bend: (n, columns · bins)."""
    parts = []
    for column in numbers.T:
        levels = np.unique(column)
        if len(levels) <= BINS:
            parts.append(column[:, None] == levels)
        else:
            edges = np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1])
            parts.append(np.searchsorted(edges, column)[:, None] == np.arange(BINS))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _held_out_recall(x: npt.NDArray[np.float32], classes: Ints, folds: Ints, count: int) -> float:
    guess = np.zeros(len(classes), dtype=np.int64)
    for fold in np.unique(folds[folds != NEVER]):
        out = folds == fold
        weight = balance_weights(classes[~out], [""] * int((~out).sum()), "class")
        head = fit_head(x[~out], classes[~out], count, weight=weight, l2=PENALTY, epochs=EPOCHS, standardise=False)
        guess[out] = head.logits(x[out]).argmax(axis=1)
    guess, truth = guess[folds != NEVER], classes[folds != NEVER]
    return float(np.mean([(guess[truth == one] == one).mean() for one in np.unique(truth)]))
