"""Makes the shop's ordinary products: drawn ones, and ones that show a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stj_core.labels import Category
from stj_demo.drawing import KINDS, colour_name
from stj_demo.products import Maker, Product
from stj_demo.sources import Drawn, File, Resized
from stj_demo.titles import BRANDS, title_for

_EVERY_WITH_GALLERY = 6


class Supplier:
    """Makes ordinary products, drawn or from a folder."""

    def __init__(self, maker: Maker, seed: int, categories: Sequence[Category], cache: Path | None) -> None:
        self.maker = maker
        self.categories = tuple(categories)
        self.seed = seed
        self._cache = cache

    @staticmethod
    def kind(category: Category) -> str:
        """What is drawn for a category: its own garment, or a dress for those that nobody can draw yet."""
        return category.slug if category.slug in KINDS else KINDS[-1]

    def drawn(self, category: Category, index: int, title: str | None = None, name: str | None = None) -> Product:
        """The product that shows drawing number `index` of its category."""
        kind = self.kind(category)
        name = name or f"{category.slug} {index}"
        random = self.maker.random(f"title {name}")
        title = title or title_for(category, colour_name(kind, self.seed, index), random)
        views = 3 if index % _EVERY_WITH_GALLERY == 0 else 1
        pictures = [
            self.maker.picture(f"{name} {view}", Drawn(kind, self.seed, index, view, self._cache))
            for view in range(views)
        ]
        return self.maker.product(name, category.label, title, random.choice(BRANDS), pictures)

    def photographed(self, category: Category, index: int, path: Path, brand: str) -> Product:
        """The product that shows one file of the folder."""
        name = f"{category.slug} {path.name}"
        random = self.maker.random(f"title {name}")
        file = File(path)
        pictures = [self.maker.picture(name, file, file.extension)]
        if index % _EVERY_WITH_GALLERY == 0:
            pictures.append(self.maker.picture(f"{name} small", Resized(file, 0.8, 80)))
        return self.maker.product(
            name, category.label, title_for(category, "", random), brand or random.choice(BRANDS), pictures
        )
