"""The shops whose addresses STJ can read and build, by name.

Another shop is one more module beside `amazon.py` with these functions, a module or package of the same name under
`stj_spiders/shops/` for its pages (the protocol `ShopPages` there), and a line in `SHOPS`.
"""

from __future__ import annotations

from typing import Protocol

from stj_core.shops import amazon


class ShopAddresses(Protocol):
    """What a module must know of a shop's addresses; all functions are pure."""

    @property
    def ORIGIN(self) -> str:  # noqa: N802 - a module's constant
        """Scheme and host of the shop itself, where nobody names another."""

    @property
    def IMAGE_SIZE(self) -> str:  # noqa: N802 - a module's constant
        """The size of pictures that is asked for unless somebody says otherwise, as `sized_image_url` takes it."""

    def listing_path(self, node: str) -> str:
        """Path and query of a category's first listing page; `node` is the shop's own name of the category."""

    def product_url(self, origin: str, number: str) -> str:
        """The short address of a product's page."""

    def product_number(self, url: str) -> str | None:
        """The shop's number of the product that an address leads to, or None."""

    def fold_image_url(self, url: str) -> str:
        """A picture's identity: its address without what only asks for a size. Idempotent."""

    def sized_image_url(self, url: str, size: str) -> str:
        """The address that asks for a picture in one size; `""` asks for the original.

        Raises:
            ValueError: the shop knows no such size.
        """


SHOPS: dict[str, ShopAddresses] = {"amazon": amazon}
DEFAULT_SHOP = "amazon"


def spider_of_any(shop: str) -> str:
    """The name of the spider that crawls any category of a shop, told which by `-a category=`."""
    return f"{shop}_category"


def picture_keys(url: str) -> set[str]:
    """Every identity that a pasted picture address may have in the catalogue: as each shop folds it."""
    return {shop.fold_image_url(url) for shop in SHOPS.values()}


def product_number(url: str) -> str | None:
    """The product's number in a pasted address of any shop, or None."""
    return next(filter(None, (shop.product_number(url) for shop in SHOPS.values())), None)
