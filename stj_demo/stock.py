"""Fill the shop: with the pictures of a folder, or with garments of its own."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from stj_core.errors import UsageError
from stj_core.labels import Category
from stj_demo.planting import plant
from stj_demo.products import Maker, Stock
from stj_demo.supplier import Supplier

DRAWN_PER_CLASS = 260
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_FOLDER = re.compile(r"(\d+)(?:_.*)?")


def fill(
    categories: Sequence[Category],
    *,
    images: Path | None = None,
    seed: int = 42,
    per_class: int | None = None,
    cache: Path | None = None,
    planting: bool = True,
) -> Stock:
    """Fill the shop.

    Args:
        categories: the listings.
        images: a folder of `0_…/ 1_…/ 2_…/` to sell; a category without pictures there gets drawings.
        seed: decides every drawing, title, number and the order in the listings.
        per_class: products per listing before planting; None is all of a folder's, or 260 drawings.
        cache: a folder that keeps the drawings for the next time.
        planting: plant the cases of `Case`.

    Raises:
        UsageError: the folder is missing or holds no picture.
    """
    maker = Maker(seed)
    supplier = Supplier(maker, seed, categories, cache)
    files = _files_by_label(images) if images else {}
    brands = _brands(images) if images else {}
    stock = Stock()
    for category in categories:
        products = [
            supplier.photographed(category, index, path, brands.get(f"{path.parent.name}/{path.name}", ""))
            for index, path in enumerate(_some(files.get(category.label, []), per_class, maker.random(category.slug)))
        ]
        count = DRAWN_PER_CLASS if per_class is None else per_class
        stock.listings[category.label] = products or [supplier.drawn(category, index) for index in range(count)]
        stock.ads[category.label] = []
    if planting:
        plant(stock, supplier)
    for label, products in stock.listings.items():
        maker.random(f"order {label}").shuffle(products)
    return stock


def _some(files: list[Path], count: int | None, random: Random) -> list[Path]:
    """All files, or `count` of them from everywhere in the folder."""
    return files if count is None or count >= len(files) else sorted(random.sample(files, count))


def _files_by_label(images: Path) -> dict[int, list[Path]]:
    """The folder's pictures by the number that its sub-folders' names begin with, in order of their names."""
    if not images.is_dir():
        raise UsageError(f"There is no folder {images}: give one with 0_…/ 1_…/ 2_…/ of pictures, or none at all.")
    files: dict[int, list[Path]] = {}
    for folder in sorted(path for path in images.iterdir() if path.is_dir()):
        match = _FOLDER.fullmatch(folder.name)
        if match:
            found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
            files.setdefault(int(match[1]), []).extend(found)
    if not any(files.values()):
        raise UsageError(
            f"The folder {images} has no pictures: give one with 0_…/ 1_…/ 2_…/ of jpg, png or webp files."
        )
    return files


def _brands(images: Path) -> dict[str, str]:
    """The source of each file as SOURCES.csv names it, by `folder/file`."""
    sources = images / "SOURCES.csv"
    if not sources.is_file():
        return {}
    with sources.open(encoding="utf-8", newline="") as lines:
        return {
            row["file"]: row["repository"] for row in csv.DictReader(lines) if row.get("file") and row.get("repository")
        }
