"""The shops whose pages STJ can read: for each name in `stj_core.shops.shop.SHOPS` the module of that name beside this one."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from stj_core.shops.shop import SHOPS
from stj_spiders.shops.pages import Kind, Listing, Product, Verdict


@runtime_checkable
class ShopPages(Protocol):
    """What a module must know of a shop's pages.

    All functions are pure: text in, frozen values out; no network, no clock, no catalogue. Any text whatever gives an
    answer, in time linear in its size.
    """

    @property
    def PARSER(self) -> str:  # noqa: N802 - a module's constant
        """Name and version of the parser: figures of two crawls are compared only if it read both."""

    @property
    def CONDITIONS(self) -> str:  # noqa: N802 - a module's constant
        """What the shop says about automated collection, told before it is asked for anything."""

    def parse_listing(self, text: str, url: str, status: int = 200) -> Listing:
        """Read a listing page; `status` is asked only where the content says nothing."""

    def parse_product(self, text: str, url: str, status: int = 200) -> Product:
        """Read a product's own page."""

    def judge(self, text: str, url: str = "", status: int = 200, kind: Kind = "listing") -> Verdict:
        """What kind of answer the shop gave."""

    def promises_script(self, text: str) -> bool:
        """Whether an `empty` listing would get its cards from a script."""


PAGES = {name: cast("ShopPages", import_module(f"{__package__}.{name}")) for name in SHOPS}
