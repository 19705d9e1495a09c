"""Plant the cases that a crawl has to notice, and write down where."""

from __future__ import annotations

from stj_core.labels import Category
from stj_demo.pictures import Picture
from stj_demo.products import Case, Planted, Product, Stock
from stj_demo.sources import CutOff, Drawn, File, Placeholder, Resized, Source, Text
from stj_demo.supplier import Supplier
from stj_demo.titles import BRANDS, contradicting_title, neutral_title, title_for

# Drawings from this number on belong to planted products, so that no ordinary product loses its picture to one.
_FIRST_SPARE = 100_000
_SPARES_PER_CASE = 1_000
_PLACEHOLDER = Picture("no-img-sm", "gif", Placeholder(), fixed=True, folder="/images/G/31/x-site/icons/")
_HTML = (
    "<!DOCTYPE html>\n<html><head><title>Not here</title></head><body><p>The picture is on its way.</p></body></html>\n"
)
# Copies of small pictures would be rejected for their size before anybody could call them copies.
_SMALLEST_TO_COPY = 300


def plant(stock: Stock, supplier: Supplier) -> None:
    """Plant a handful of every case in `stock`."""
    planter = Planter(stock, supplier)
    for category in supplier.categories:
        planter.copies(category)
        planter.sponsored(category)
        planter.broken(category)
        planter.mislabelled(category)
    planter.two_categories()


class Planter:
    """Adds planted products to a stock."""

    def __init__(self, stock: Stock, supplier: Supplier) -> None:
        self._stock = stock
        self._supplier = supplier
        self._maker = supplier.maker
        self._ordinary = {label: list(products) for label, products in stock.listings.items()}

    def copies(self, category: Category, count: int = 4) -> None:
        """Pictures that are sold twice under two ids: the same bytes, and smaller or coarser ones."""
        originals = self._originals(category, 2 * count)
        for index, original in enumerate(originals[:count]):
            assert original.picture is not None
            copy = self._copy(category, f"exact {index}", original, original.picture.source, original.picture.extension)
            self._note(Case.EXACT_COPY, (category.label,), copy, original)
        for index, original in enumerate(originals[count:]):
            assert original.picture is not None
            scale, quality = ((0.6, 80), (0.75, 60), (0.9, 45), (1.0, 35))[index % 4]
            source = Resized(original.picture.source, scale, quality)
            self._note(
                Case.RESIZED_COPY,
                (category.label,),
                self._copy(category, f"resized {index}", original, source),
                original,
            )

    def sponsored(self, category: Category) -> None:
        """Advertisements for other categories: three that are nowhere else, two that their own listing shows too."""
        others = [other for other in self._supplier.categories if other.label != category.label]
        if not others:
            return
        for index in range(3):
            other = others[index % len(others)]
            product = self._supplier.drawn(
                other, self._spare(0, category, index), name=f"ad in {category.slug} {index}"
            )
            self._stock.ads[category.label].append(product)
            self._note(Case.SPONSORED, (category.label,), product)
        for index in range(2):
            other = others[index % len(others)]
            product = self._maker.random(f"ad in {category.slug} {index}").choice(self._ordinary[other.label])
            self._stock.ads[category.label].append(product)
            self._note(Case.SPONSORED_ELSEWHERE_ORGANIC, (category.label, other.label), product)

    def broken(self, category: Category, count: int = 2) -> None:
        """Cards without a picture, and pictures that are none."""
        for index in range(count):
            drawn = Drawn(self._supplier.kind(category), self._supplier.seed, self._spare(1, category, index))
            header = "text/html; charset=utf-8" if index % 2 else "image/jpeg"
            name = f"{category.slug} {index}"
            self._add(Case.NO_PICTURE, category, index)
            self._add(Case.TRUNCATED, category, index, self._maker.picture(f"cut {name}", CutOff(drawn), fixed=True))
            text = Text(f"{_HTML}<!-- {name} -->\n")
            self._add(Case.HTML, category, index, self._maker.picture(f"html {name}", text, fixed=True, header=header))
            self._add(Case.TINY, category, index, self._maker.picture(f"tiny {name}", Resized(drawn, 0.08, 80)))
        self._add(Case.PLACEHOLDER, category, 0, _PLACEHOLDER)

    def mislabelled(self, category: Category, count: int = 3) -> None:
        """Cards in the listing whose titles say that they belong elsewhere."""
        for index in range(count):
            random = self._maker.random(f"mismatch {category.slug} {index}")
            title = contradicting_title(category, self._supplier.categories, "", random)
            if title is None:
                return
            spare = self._spare(2, category, index)
            product = self._supplier.drawn(category, spare, title, f"mismatch {category.slug} {index}")
            self._list(category, product)
            self._note(Case.TITLE_MISMATCH, (category.label,), product)

    def two_categories(self, count: int = 3) -> None:
        """Products that two listings show as their own."""
        categories = self._supplier.categories
        if len(categories) < 2:
            return
        for index in range(count):
            one, other = categories[index % len(categories)], categories[(index + 1) % len(categories)]
            title = neutral_title(self._maker.random(f"both {index}"))
            product = self._supplier.drawn(one, self._spare(3, one, index), title, f"both {index}")
            self._list(one, product)
            self._list(other, product)
            self._note(Case.TWO_CATEGORIES, (one.label, other.label), product)

    def _copy(
        self, category: Category, name: str, original: Product, source: Source, extension: str = "jpg"
    ) -> Product:
        name = f"{category.slug} {name}"
        product = self._maker.product(
            name, category.label, original.title, original.brand, (self._maker.picture(name, source, extension),)
        )
        self._list(category, product)
        return product

    def _add(self, case: Case, category: Category, index: int, *pictures: Picture) -> None:
        name = f"{case} {category.slug} {index}"
        random = self._maker.random(f"title {name}")
        product = self._maker.product(
            name, category.label, title_for(category, "", random), random.choice(BRANDS), pictures
        )
        self._list(category, product)
        self._note(case, (category.label,), product)

    def _originals(self, category: Category, count: int) -> list[Product]:
        """Some ordinary products whose pictures are large enough to be copied, the same ones every time."""
        products = self._ordinary[category.label]
        shuffled = self._maker.random(f"originals {category.slug}").sample(products, len(products))
        large = [product for product in shuffled if product.picture and _is_large(product.picture.source)]
        return large[:count]

    def _spare(self, case: int, category: Category, index: int) -> int:
        return _FIRST_SPARE + case * _SPARES_PER_CASE + category.label * 20 + index

    def _list(self, category: Category, product: Product) -> None:
        self._stock.listings[category.label].append(product)

    def _note(self, case: Case, labels: tuple[int, ...], *products: Product) -> None:
        pictures = tuple(product.picture.path() for product in products if product.picture)
        self._stock.planted.append(Planted(case, labels, tuple(product.asin for product in products), pictures))


def _is_large(source: Source) -> bool:
    """Whether a smaller copy would still be a picture; drawings always are large."""
    return not isinstance(source, File) or min(source.size) >= _SMALLEST_TO_COPY
