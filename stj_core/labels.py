"""The categories that STJ knows: data, not code (`labels.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stj_core.errors import UsageError
from stj_core.shops.shop import DEFAULT_SHOP, SHOPS

DEFAULT_LABELS = Path(__file__).with_name("labels.toml")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Category:
    """One class of garment and the listing that shows it.

    Attributes:
        node: the shop's own name of the listing.
        spider: the name that crawls it; `<shop>_category` unless it has its own.
        shop: a name of `stj_core.shops.shop.SHOPS`.
    """

    label: int
    slug: str
    name: str
    node: str
    spider: str = "amazon_category"
    shop: str = DEFAULT_SHOP
    fits: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()

    @property
    def listing_path(self) -> str:
        """The listing's path and query on any host with the shop's markup."""
        return SHOPS[self.shop].listing_path(self.node)

    @cached_property
    def _words(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return _any_word(self.fits), _any_word(self.contradicts)

    def contradiction(self, title: str) -> str | None:
        """The first word of `title` that says it is another kind of thing, or None.

        Fitting phrases are taken out first, so that "saree with blouse" never trips over a word inside them; a title
        that names both ("denim trousers") still contradicts: a person decides.
        """
        fits, contradicts = self._words
        found = contradicts.search(title)
        if found is None:
            return None
        for fit in fits.finditer(title):
            if fit.start() <= found.start() and found.end() <= fit.end():
                found = contradicts.search(title, fit.end())
                if found is None:
                    return None
        return found.group(0).lower()


def _any_word(words: Sequence[str]) -> re.Pattern[str]:
    """Match any of `words` as whole words; the longest first, so that a phrase beats its parts."""
    if not words:
        return re.compile(r"(?!)")
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, ordered)) + r")(?![\w-])", re.IGNORECASE)


def labels_path(path: Path | None = None) -> Path:
    """The file that the categories are read from: `path`, else `labels.toml` of this folder, else the one that STJ ships."""
    here = Path("labels.toml")
    return path or (here if here.is_file() else DEFAULT_LABELS)


def load_labels(path: Path | None = None) -> tuple[Category, ...]:
    """Read the categories of `labels_path`, ordered by label.

    Raises:
        UsageError: the file is missing, is not TOML, or a block lacks a field or repeats a label or slug.
    """
    source = labels_path(path)
    try:
        blocks = tomllib.loads(source.read_text(encoding="utf-8")).get("category", [])
    except OSError as error:
        raise UsageError(
            f"Cannot read the labels file {source}: {error.strerror}. Set STJ_LABELS to a labels.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The labels file {source} is not valid TOML: {error}.") from error
    categories = tuple(sorted((_category(block, source) for block in blocks), key=lambda category: category.label))
    if not categories:
        raise UsageError(f"The labels file {source} has no [[category]] block: add one.")
    for field in ("label", "slug"):
        values = [getattr(category, field) for category in categories]
        if len(set(values)) < len(values):
            raise UsageError(f"The labels file {source} gives the same {field} to two categories: {values}.")
    return categories


def find_category(slug: str, categories: Sequence[Category]) -> Category:
    """The category called `slug`.

    Raises:
        UsageError: there is none.
    """
    for category in categories:
        if category.slug == slug:
            return category
    known = ", ".join(category.slug for category in categories)
    raise UsageError(f"There is no category {slug!r}: labels.toml knows {known}.")


def _category(block: object, source: Path) -> Category:
    fields = {"label": int, "slug": str, "name": str, "node": str}
    if not isinstance(block, dict):
        raise UsageError(f"The labels file {source} has a category that is no [[category]] block: {block!r}.")
    for name, kind in fields.items():
        if not isinstance(block.get(name), kind) or isinstance(block.get(name), bool):
            raise UsageError(f"A category in {source} needs {name} = a {kind.__name__}, got {block.get(name)!r}.")
    unknown = set(block) - set(fields) - {"spider", "shop", "fits", "contradicts"}
    if unknown:
        raise UsageError(f"A category in {source} has unknown fields: {', '.join(sorted(unknown))}.")
    if block["label"] < 0 or not _SLUG.fullmatch(block["slug"]):
        raise UsageError(
            f"A category in {source} needs a label of 0 or more and a slug of a-z, 0-9 and -, "
            f"got {block['label']} and {block['slug']!r}."
        )
    shop = block.get("shop", DEFAULT_SHOP)
    if not isinstance(shop, str) or shop not in SHOPS:
        raise UsageError(f"A category in {source} is of the shop {shop!r}: STJ knows {', '.join(sorted(SHOPS))}.")
    return Category(
        label=block["label"],
        slug=block["slug"],
        name=block["name"],
        node=block["node"],
        spider=block.get("spider", f"{shop}_category"),
        shop=shop,
        fits=tuple(block.get("fits", ())),
        contradicts=tuple(block.get("contradicts", ())),
    )
