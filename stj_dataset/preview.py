"""`preview.html`: one page to look at, with a contact sheet for each class and split and histograms of sizes.

Everything is inside the page; the thumbnails are data URLs, so that no folder reader takes one for a picture of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stj_core.vocabulary import Withheld, sentence_of
from stj_dataset.balance import Balance
from stj_dataset.html import Thumbnail, render, safe_link
from stj_dataset.leaks import LeakReport, read_files
from stj_dataset.manifest import MANIFEST, PREVIEW, iter_manifest
from stj_dataset.settings import ExportSettings
from stj_images.decode import thumbnail

_EACH = 12
_SIDES = (160, 240, 320, 480, 640, 960, 1280)
_SHAPES = (0.7, 0.9, 1.1, 1.3, 1.5, 1.8)


@dataclass
class _Section:
    split: str
    label: int | None
    name: str
    total: int = 0
    rows: list[dict[str, str]] = field(default_factory=list)
    pictures: list[Thumbnail] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.split}-{'none' if self.label is None else self.label}"


@dataclass
class _Sizes:
    """How many pictures of a class fall between the marks."""

    sides: list[int] = field(default_factory=lambda: [0] * (len(_SIDES) + 1))
    shapes: list[int] = field(default_factory=lambda: [0] * (len(_SHAPES) + 1))

    def add(self, width: int, height: int) -> None:
        self.sides[sum(min(width, height) >= mark for mark in _SIDES)] += 1
        self.shapes[sum(height / width >= mark for mark in _SHAPES)] += 1


def write_preview(
    root: Path,
    settings: ExportSettings,
    balance: Balance,
    proof: LeakReport,
    nearest: tuple[str, str] | None,
    pool: ThreadPoolExecutor,
) -> None:
    """Write the page into the dataset's folder."""
    sections = {
        (str(cell.split), str(cell.label)): _Section(cell.split, cell.label, balance.classes[cell.label])
        for cell in balance.cells
    } | {(str(split), ""): _Section(split, None, "none of the classes") for split in balance.others}
    sizes = {str(label): _Sizes() for label in balance.classes}
    pair_rows: dict[str, dict[str, str]] = {}
    for row in iter_manifest(root / MANIFEST):
        section = sections[row["split"], row["label"]]
        section.total += 1
        if len(section.rows) < _EACH:
            section.rows.append(row)
        if row["label"]:
            sizes[row["label"]].add(int(row["width"]), int(row["height"]))
        if nearest and row["file"] in nearest:
            pair_rows[row["file"]] = row
    for section in sections.values():
        section.pictures = _thumbnails(root, section.rows, pool)
    page = render(
        "preview.html",
        title=" · ".join(balance.classes.values()),
        settings=settings,
        balance=balance,
        proof=proof,
        remarks=list(balance.remarks()),
        withheld=[(sentence_of(Withheld, word), n) for word, n in balance.withheld.items()],
        pair=_thumbnails(root, [pair_rows[file] for file in nearest], pool, split=True) if nearest else [],
        charts=_charts(balance, sizes),
        sections=list(sections.values()),
    )
    (root / PREVIEW).write_text(page, encoding="utf-8", newline="\n")


def _thumbnails(
    root: Path, rows: Sequence[dict[str, str]], pool: ThreadPoolExecutor, *, split: bool = False
) -> list[Thumbnail]:
    pictures = pool.map(thumbnail, read_files(root, [row["file"] for row in rows]))
    return [
        Thumbnail(
            picture=one,
            caption=f"{row['split']} · {row['source']}" if split else row["source"],
            hint=f"{row['title']} ({row['width']}×{row['height']}, {row['file']})",
            link=row["file"] if ".tar/" not in row["file"] else safe_link(row["product_url"]),
        )
        for row, one in zip(rows, pictures, strict=True)
    ]


def _charts(balance: Balance, sizes: dict[str, _Sizes]) -> list[dict[str, Any]]:
    sides = ("0", *(f"{low}" for low in _SIDES[:-1]), f"{_SIDES[-1]}+")
    shapes = ("wide", *(f"{low:g}" for low in _SHAPES[:-1]), f"{_SHAPES[-1]:g}+")
    return [
        *(
            _chart(balance.classes[int(label)], "shorter side, pixels", sides, one.sides)
            for label, one in sizes.items()
        ),
        *(_chart(balance.classes[int(label)], "height ÷ width", shapes, one.shapes) for label, one in sizes.items()),
    ]


def _chart(name: str, what: str, ticks: Iterable[str], counts: Sequence[int]) -> dict[str, Any]:
    # The tallest bar leaves room for the number above it.
    most = max(counts, default=0) or 1
    bars = [{"tick": tick, "n": n, "height": 82 * n / most} for tick, n in zip(ticks, counts, strict=True)]
    return {"name": name, "what": what, "bars": bars}
