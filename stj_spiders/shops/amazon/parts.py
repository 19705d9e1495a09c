"""The parts of a card that anything can be read from, found in one walk over it.

A walk costs a card of any layout about as much as two XPath queries; a page of five megabytes may hold a hundred
thousand tiles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lxml.etree import _Element as Element

_AD_CLASSES = ("AdHolder", "puis-sponsored-label", "s-sponsored-", "s-label-popover-sponsored", "sponsored-label")


@dataclass(slots=True)
class Parts:
    """Elements of one card, each list in the page's order.

    Attributes:
        headings: every `<h2>`.
        links: every `<a>` with an address.
        pictures: those that the layout calls the product's.
        loose: others that look like one.
        swatches: small ones that show a product's colours.
        prices: asked and crossed out alike.
        stars: the ratings' words.
        small_print: grey and black spans.
        rows: the title block's own rows, each with the number of headings before it.
        marked: whether a class name says that this is an advertisement.
    """

    headings: list[Element] = field(default_factory=list)
    links: list[Element] = field(default_factory=list)
    pictures: list[Element] = field(default_factory=list)
    loose: list[Element] = field(default_factory=list)
    swatches: set[Element] = field(default_factory=set)
    prices: list[Element] = field(default_factory=list)
    stars: list[Element] = field(default_factory=list)
    small_print: list[Element] = field(default_factory=list)
    rows: list[tuple[Element, int]] = field(default_factory=list)
    marked: bool = False

    @property
    def bare(self) -> bool:
        """Whether there is nothing that a field could be read from."""
        return not (
            self.headings
            or self.links
            or self.pictures
            or self.loose
            or self.prices
            or self.stars
            or self.small_print
            or self.rows
        )


def find_parts(tile: Element, others: Collection[Element] = ()) -> Parts:
    """Walk over a card once and sort its elements; what is inside another card is that one's."""
    parts = Parts()
    for element in _own_elements(tile, others):
        tag, classes = element.tag, element.get("class") or ""
        if tag == "h2":
            parts.headings.append(element)
        elif tag == "a":
            parts.links.append(element)
        elif tag == "img":
            _sort_picture(element, classes, parts)
        if classes:
            _sort_by_class(element, classes, parts)
        component = element.get("data-component-type")
        if component == "s-product-image" or "s-product-image-container" in classes:
            # The first container's are the card's; later ones repeat it or belong to a widget inside.
            parts.pictures = parts.pictures or [one for one in _own_elements(element, others) if one.tag == "img"]
        elif component == "sp-sponsored-result":
            parts.marked = True
    return parts


def _own_elements(tile: Element, others: Collection[Element]) -> Iterator[Element]:
    """The elements of a tile, in the page's order, without those of the tiles inside it."""
    if not others:
        yield from tile.iter()
        return
    waiting = [tile]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(child for child in reversed(element) if child not in others)


def _sort_picture(image: Element, classes: str, parts: Parts) -> None:
    if "s-access-image" in classes:
        parts.pictures.append(image)
    elif "s-image" in classes or image.get("data-image-latency") == "s-product-image":
        parts.loose.append(image)


def _sort_by_class(element: Element, classes: str, parts: Parts) -> None:
    if "a-price" in classes or "s-price" in classes:
        parts.prices.append(element)
    elif "a-icon-alt" in classes:
        parts.stars.append(element)
    elif "a-color-" in classes and element.tag == "span":
        parts.small_print.append(element)
    elif "a-color-secondary" in classes and element.tag == "div" and _in_title_block(element):
        parts.rows.append((element, len(parts.headings)))
    elif "swatch" in classes:
        parts.swatches.update(element.iter("img"))
    # Most classes hold neither word, and this is asked of every element.
    if ("sponsored" in classes or "AdHolder" in classes) and any(mark in classes for mark in _AD_CLASSES):
        parts.marked = True


def _in_title_block(row: Element) -> bool:
    parent = row.getparent()
    return parent is not None and parent.get("data-cy") == "title-recipe"
