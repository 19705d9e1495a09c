"""The corner shop's addresses: `/shelf/<node>`, `/item/<number>`, `/pic/<name>.jpg?w=<pixels>`."""

from __future__ import annotations

import re

ORIGIN = "http://corner.invalid"
IMAGE_SIZE = "w640"
_ITEM = re.compile(r"/item/(\d+)")


def listing_path(node: str) -> str:
    """A shelf."""
    return f"/shelf/{node}"


def product_url(origin: str, number: str) -> str:
    """An item."""
    return f"{origin}/item/{number}"


def product_number(url: str) -> str | None:
    """The item's number."""
    found = _ITEM.search(url)
    return found[1] if found else None


def fold_image_url(url: str) -> str:
    """Without the width."""
    return url.partition("?")[0]


def sized_image_url(url: str, size: str) -> str:
    """With a width."""
    if size and not re.fullmatch(r"w\d+", size):
        raise ValueError(size)
    return f"{fold_image_url(url)}?w={size[1:]}" if size else fold_image_url(url)
