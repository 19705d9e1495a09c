"""Fill the shop: with the pictures of a folder, or with garments of its own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from random import Random

from stj_core.class_folders import SOURCES, PassedOver, find_class_folders, find_pictures, name_below, summed_up
from stj_core.cli import say
from stj_core.errors import UsageError
from stj_core.labels import Category
from stj_core.picture_types import PICTURE_TYPES, SERVED
from stj_demo.planting import plant
from stj_demo.products import Maker, Stock
from stj_demo.supplier import Supplier

DRAWN_PER_CLASS = 260
_SUFFIXES = frozenset(suffix for one in PICTURE_TYPES if one.served for suffix in one.suffixes)


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
        images: a folder with a folder for each class, to sell; a category without pictures there gets drawings.
        seed: decides every drawing, title, number and the order in the listings.
        per_class: products per listing before planting; None is all of a folder's, or 260 drawings.
        cache: a folder that keeps the drawings for the next time.
        planting: plant the cases of `Case`.

    Raises:
        UsageError: the folder is missing, holds a folder that is no class, or holds no picture.
    """
    maker = Maker(seed)
    supplier = Supplier(maker, seed, categories, cache)
    files = _files_by_label(images, categories) if images else {}
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


def _files_by_label(images: Path, categories: Sequence[Category]) -> dict[int, list[Path]]:
    """The folder's pictures by label, in order of their names; what the shop cannot sell is said."""
    names = {one.label: (one.slug, one.name) for one in categories}
    found = find_class_folders(images, names, what="of pictures to sell")
    passed_over = [*found.passed_over, *(PassedOver(one.name, "of none of the classes") for one in found.none)]
    files: dict[int, list[Path]] = {}
    for label, folder in found.classes:
        inside = find_pictures(folder, images)
        passed_over += inside.passed_over
        sold = [path for path in inside.files if path.suffix.lower() in _SUFFIXES]
        others = sorted({*inside.files} - {*sold})
        passed_over += [PassedOver(name_below(images, path), "of a type that shops do not serve") for path in others]
        files.setdefault(label, []).extend(sold)
    for sentence in summed_up(passed_over):
        say(sentence)
    if not any(files.values()):
        raise UsageError(f"The class folders in {images} hold no picture that a shop serves: {', '.join(SERVED)}.")
    return files


def _brands(images: Path) -> dict[str, str]:
    """The source of each file as SOURCES.csv names it, by `folder/file`."""
    sources = images / SOURCES
    if not sources.is_file():
        return {}
    with sources.open(encoding="utf-8", newline="") as lines:
        return {
            row["file"]: row["repository"] for row in csv.DictReader(lines) if row.get("file") and row.get("repository")
        }
