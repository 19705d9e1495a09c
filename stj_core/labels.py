"""The categories that STJ knows: data, not code (`labels.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stj_core.class_folders import folded, spellings
from stj_core.errors import UsageError
from stj_core.shops.shop import DEFAULT_SHOP, SHOPS, spider_of_any

DEFAULT_LABELS = Path(__file__).with_name("labels.toml")
CLASS, NONE = "class", "none"
NO_LABEL = -1
"""Stands for the label of the category of none of the classes, which has none."""
RESERVED = ("none", "unsure")
"""What predictions answer where they name no class: no class may be called so."""
MOST_LABEL = 9_999
_LONGEST_SLUG, _LONGEST_NAME = 40, 100
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Category:
    """One class of garment, or what is none of them, and the listing that shows it.

    Attributes:
        label: number of the class; NO_LABEL for the category of none of the classes.
        node: the shop's own name of the listing; empty where it is never crawled.
        spider: the name that crawls it; `<shop>_category` unless it has its own.
        shop: a name of `stj_core.shops.shop.SHOPS`.
        role: CLASS, or NONE for pictures of none of the classes.
    """

    label: int
    slug: str
    name: str
    node: str = ""
    spider: str = spider_of_any(DEFAULT_SHOP)
    shop: str = DEFAULT_SHOP
    fits: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    role: str = CLASS

    @property
    def listing_path(self) -> str:
        """The listing's path and query on any host with the shop's markup.

        Raises:
            UsageError: it has none.
        """
        if not self.node:
            raise UsageError(
                f"The category {self.slug} has no listing to crawl: give it a node in labels.toml, or import pictures of it."
            )
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


def load_categories(path: Path | None = None) -> tuple[Category, ...]:
    """Read the categories of `labels_path`: the classes, ordered by label, then the one of none of them, if there is one.

    Raises:
        UsageError: the file is missing, is not TOML, or a block lacks a field or cannot be told from another one.
    """
    source = labels_path(path)
    try:
        blocks = tomllib.loads(source.read_text(encoding="utf-8-sig")).get("category", [])
    except OSError as error:
        raise UsageError(
            f"Cannot read the labels file {source}: {error.strerror}. Set STJ_LABELS to a labels.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The labels file {source} is not valid TOML: {error}.") from error
    if not isinstance(blocks, list):
        raise UsageError(
            f"The labels file {source} has a category that is no [[category]] block: {str(blocks)[:40]!r}."
        )
    categories = tuple(sorted((_category(block, source) for block in blocks), key=_order))
    if not any(one.role == CLASS for one in categories):
        raise UsageError(f"The labels file {source} has no [[category]] block: add one.")
    _check_apart(categories, source)
    return categories


def load_labels(path: Path | None = None) -> tuple[Category, ...]:
    """Read the classes of `labels_path`, ordered by label: every category but the one of none of the classes.

    Raises:
        UsageError: as in `load_categories`.
    """
    return tuple(one for one in load_categories(path) if one.role == CLASS)


def _check_apart(categories: Sequence[Category], source: Path) -> None:
    """Refuse categories that a folder's name, a command or an answer could not tell apart."""
    if sum(one.role == NONE for one in categories) > 1:
        raise UsageError(f'The labels file {source} has two categories with role = "none": keep one.')
    for field in ("label", "slug"):
        values = [getattr(category, field) for category in categories]
        if len(set(values)) < len(values):
            raise UsageError(f"The labels file {source} gives the same {field} to two categories: {values}.")
    owners: dict[str, Category] = {}
    for category in categories:
        for name in sorted({folded(category.slug), folded(category.name)}):
            for spelled in sorted(spellings(name)):  # a class's folder may be called in the plural
                owner = owners.setdefault(spelled, category)
                if owner is not category:
                    raise UsageError(
                        f"The labels file {source} calls two categories alike: {owner.slug} ({owner.name}) and "
                        f"{category.slug} ({category.name}) both mean a folder {spelled}. Give them other names."
                    )


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
    if not isinstance(block, dict):
        raise UsageError(f"The labels file {source} has a category that is no [[category]] block: {block!r}.")
    role = block.get("role", CLASS)
    if role not in (CLASS, NONE):
        raise UsageError(f'A category in {source} has the role {role!r}: it is "{CLASS}" or "{NONE}".')
    fields = {"label": int, "slug": str, "name": str} if role == CLASS else {"slug": str, "name": str}
    for name, kind in fields.items():
        if not isinstance(block.get(name), kind) or isinstance(block.get(name), bool):
            raise UsageError(f"A category in {source} needs {name} = a {kind.__name__}, got {block.get(name)!r}.")
    if role == NONE and "label" in block:
        raise UsageError(f'A category in {source} with role = "{NONE}" has no label, and was given {block["label"]!r}.')
    unknown = set(block) - set(fields) - {"node", "role", "spider", "shop", "fits", "contradicts"}
    if unknown:
        raise UsageError(f"A category in {source} has unknown fields: {', '.join(sorted(unknown))}.")
    label = block.get("label", NO_LABEL)
    if (role == CLASS and label < 0) or not _SLUG.fullmatch(block["slug"]):
        raise UsageError(
            f"A category in {source} needs a label of 0 or more and a slug of a-z, 0-9 and -, "
            f"got {label} and {block['slug']!r}."
        )
    _check_size(block, label, source)
    _check_words(block["slug"], block["name"], label, source)
    _check_kinds(block, source)
    node = block.get("node", "")
    shop = block.get("shop", DEFAULT_SHOP)
    if not isinstance(shop, str) or shop not in SHOPS:
        raise UsageError(f"A category in {source} is of the shop {shop!r}: STJ knows {', '.join(sorted(SHOPS))}.")
    return Category(
        label=label,
        slug=block["slug"],
        name=block["name"],
        node=node.strip().strip("-"),
        spider=block.get("spider", spider_of_any(shop)),
        shop=shop,
        fits=tuple(block.get("fits", ())),
        contradicts=tuple(block.get("contradicts", ())),
        role=role,
    )


def _order(category: Category) -> tuple[bool, int]:
    return category.role == NONE, category.label


def _check_kinds(block: dict[str, Any], source: Path) -> None:
    """Refuse optional fields of another kind than they are read as; a text would be taken for a list of its letters."""
    for name in ("fits", "contradicts"):
        words = block.get(name, [])
        if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
            raise UsageError(f'A category in {source} needs {name} = a list of words such as ["saree"], got {words!r}.')
    for name in ("node", "spider"):
        if not isinstance(block.get(name, ""), str):
            raise UsageError(f"A category in {source} needs {name} = a str, got {block[name]!r}.")


def _check_size(block: dict[str, Any], label: int, source: Path) -> None:
    """Refuse numbers and names that no folder and no column could hold."""
    if label > MOST_LABEL:
        raise UsageError(f"A category in {source} has the label {label}: {MOST_LABEL:,} is the largest.")
    for name, longest in (("slug", _LONGEST_SLUG), ("name", _LONGEST_NAME)):
        if len(block[name]) > longest:
            raise UsageError(
                f"A category in {source} has a {name} of {len(block[name]):,} characters: {longest} are the most."
            )


def _check_words(slug: str, name: str, label: int, source: Path) -> None:
    """Refuse names that no person or program could use."""
    # Joiners belong to how some scripts are written.
    if not folded(name) or not name.replace("\u200c", "").replace("\u200d", "").isprintable():
        raise UsageError(f"The category {slug} in {source} needs a name that can be read, got {name!r}.")
    for word in (slug, name):
        if "".join(filter(str.isalnum, folded(word))) in RESERVED:
            raise UsageError(
                f"The category {slug} in {source} cannot be called {word!r}: predictions answer {' and '.join(RESERVED)} "
                "for what they do not know. Give it another name."
            )
        if folded(word).isdigit() and folded(word) != str(label):
            raise UsageError(
                f"The category {slug} in {source} cannot be called {word!r}: a folder of that name is the class with "
                "that label. Give it another name."
            )
