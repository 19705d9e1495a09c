"""Amazon's pages as data: what `stj_spiders.shops.shop.ShopPages` asks for."""

from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import judge, promises_script

__all__ = ["CONDITIONS", "PARSER", "judge", "parse_listing", "parse_product", "promises_script"]

# Goes up with every change after which the same page may be read differently.
PARSER = "amazon-3"
CONDITIONS = (
    "Amazon's conditions of use restrict automated collection, and its pictures belong to their makers and may show people. "
    "Get permission first, from the shop's legal department or with its official product API, or practise on your own machine: "
    "stj demo."
)
