"""Amazon's addresses: fold the sizes of a picture into one, and build the few URLs that STJ needs.

An image address is ``https://m.media-amazon.com/images/I/<id>.<modifiers>.jpg``; the modifiers (``_AC_UL320_``,
``_SX679_``) only ask the image server for a size or a crop of the same picture. Composites made for print on demand carry
their layers in the address (``…|…_CLa|…``): there the modifiers *are* the picture and stay as they are.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from stj_core.remembered import remembered

ORIGIN = "https://www.amazon.in"
IMAGE_SIZE = "_SL640_"

_IMAGE_PATH = re.compile(
    r"(?P<folder>(?:/[^/]+)*/images/[A-Z]/)(?P<id>[^/.]+)(?:\.(?P<modifiers>[^/]*))?\.(?P<ext>[A-Za-z0-9]{2,5})"
)
_EXPERIMENT = re.compile(r"/images/W/[^/]+/images/(?=[A-Z]/)")
_COMPOSITE = re.compile(r"\||_CLa|%7C", re.IGNORECASE)
_ASIN = re.compile(r"/(?:dp|gp/product|gp/aw/d|exec/obidos/ASIN)/([A-Z0-9]{10})(?:[/?&#]|$)")
_SIZE = re.compile(r"_[A-Za-z0-9,_-]+_")


@remembered
def fold_image_url(url: str) -> str:
    """The picture's identity: its address without size modifiers, query and fragment; host and scheme in lower case.

    Idempotent. The segment that names a server experiment (``/images/W/MEDIAX_1-T2/images/I/…``) goes too, and an escaped
    plus sign in the id becomes a plain one. Composites and addresses that are not of the image server's form keep
    everything but the fragment; what is no address at all stays as it is.
    """
    folded = _fold_once(url.strip())
    # Each turn takes something away: a second experiment, a second pair of slashes.
    for _ in range(len(folded)):
        folded, before = _fold_once(folded), folded
        if folded == before:
            break
    return folded


def _fold_once(url: str) -> str:
    try:
        # Without its fragment first: white space before that would be the end of the next address.
        parts = urlsplit(url.partition("#")[0].strip())
    except ValueError:
        return url
    if parts.scheme not in {"http", "https", ""}:
        return url
    host, path = parts.netloc.lower(), _EXPERIMENT.sub("/images/", parts.path)
    match = _IMAGE_PATH.fullmatch(path)
    if match is None or _COMPOSITE.search(path):
        return urlunsplit((parts.scheme, host, path, parts.query, ""))
    picture = match["id"].replace("%2B", "+").replace("%2b", "+")
    return urlunsplit((parts.scheme, host, f"{match['folder']}{picture}.{match['ext']}", "", ""))


def sized_image_url(url: str, size: str) -> str:
    """The address that asks for the picture in one size.

    Args:
        url: any address of the picture.
        size: a modifier such as ``_SL640_`` (longest side 640 pixels), or ``""`` for the original.
    """
    if size and not _SIZE.fullmatch(size):
        raise ValueError(f"An image size looks like _SL640_, got {size!r}")
    folded = fold_image_url(url)
    try:
        parts = urlsplit(folded)
    except ValueError:
        return folded
    match = _IMAGE_PATH.fullmatch(parts.path) if parts.scheme in {"http", "https", ""} else None
    if not size or match is None or match["modifiers"] is not None or _COMPOSITE.search(parts.path):
        return folded
    return urlunsplit(parts._replace(path=f"{match['folder']}{match['id']}.{size}.{match['ext']}"))


def asin_of(url: str) -> str | None:
    """The ASIN in a product address, also inside a sponsored redirect (``/sspa/click?…&url=%2Fdp%2F…``), or None."""
    for candidate in (url, unquote(url)):
        match = _ASIN.search(candidate)
        if match:
            return match[1]
    return None


product_number = asin_of


def product_url(origin: str, number: str) -> str:
    """The short address of a product's page, from its ASIN."""
    return urljoin(origin, f"/dp/{number}")


def listing_path(node: str) -> str:
    """Path and query of a browse node's first listing page."""
    return f"/s?rh=n%3A{node}&fs=true"
