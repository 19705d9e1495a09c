"""The `-a NAME=VALUE` arguments of a crawl, checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stj_core.config import Config, read_config
from stj_core.errors import UsageError
from stj_core.labels import Category, find_category, load_categories
from stj_core.shops.shop import DEFAULT_SHOP, SHOPS, spider_of_any

_NAMES = ("category", "origin", "pages", "limit", "fresh", "details", "dry_run")
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Arguments:
    """What a crawl is asked to do.

    Attributes:
        category: whose listing is read.
        pages: listing pages at most.
        limit: distinct kept pictures after which the crawl is finished.
        fresh: begin anew whatever is unfinished.
        details: fetch the products' own pages too, with every picture of their galleries.
        dry_run: only say what would be fetched.
    """

    category: Category
    pages: int = 20
    limit: int = 300
    fresh: bool = False
    details: bool = False
    dry_run: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The arguments as the catalogue keeps them."""
        return {
            "category": self.category.slug,
            **{name: value for name, value in asdict(self).items() if name != "category"},
        }


def read_arguments(given: Mapping[str, str], *, slug: str | None, shop: str = DEFAULT_SHOP) -> tuple[Arguments, Config]:
    """Read the arguments, and the shared settings with them.

    Args:
        given: name to value, as typed.
        slug: the spider's own category; None when `-a category=` must say it.
        shop: the spider's shop; only its categories can be asked for.

    Raises:
        UsageError: an unknown name, or a value that cannot be right.
    """
    # scrapyd adds its own, such as _job.
    unknown = sorted(name for name in set(given) - set(_NAMES) if not name.startswith("_"))
    if unknown:
        raise UsageError(f"There is no argument {', '.join(unknown)}: a crawl takes {', '.join(_NAMES)}.")
    config = read_config(origin=given.get("origin"))
    if "origin" not in config.model_fields_set:
        config = config.model_copy(update={"origin": SHOPS[shop].ORIGIN})
    known = load_categories(config.labels)
    categories = tuple(one for one in known if one.shop == shop)
    if slug is not None and given.get("category") not in {None, slug}:
        raise UsageError(
            f"This spider crawls {slug}, not {given['category']}: use {spider_of_any(shop)} -a category={given['category']}."
        )
    wanted = slug or given.get("category")
    if not wanted:
        listed = ", ".join(category.slug for category in categories if category.node)
        raise UsageError(f"{spider_of_any(shop)} needs -a category=NAME, one of {listed}.")
    elsewhere = next((one for one in known if one.slug == wanted and one.shop != shop), None)
    if elsewhere is not None:
        raise UsageError(f"{wanted} is a category of the shop {elsewhere.shop}: use {spider_of_any(elsewhere.shop)}.")
    category = find_category(wanted, [one for one in categories if one.node or one.slug == wanted])
    _ = category.listing_path  # says it where there is none
    return (
        Arguments(
            category=category,
            pages=_count(given, "pages", 20),
            limit=_count(given, "limit", 300),
            fresh=_flag(given, "fresh"),
            details=_flag(given, "details"),
            dry_run=_flag(given, "dry_run"),
        ),
        config,
    )


def _count(given: Mapping[str, str], name: str, default: int) -> int:
    text = str(given.get(name, default))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"-a {name}= takes a whole number of 1 or more, got {text!r}.")
    return int(text)


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = str(given.get(name, "0")).lower()
    if text not in _YES_NO:
        raise UsageError(f"-a {name}= takes 1 or 0, got {given[name]!r}.")
    return _YES_NO[text]
