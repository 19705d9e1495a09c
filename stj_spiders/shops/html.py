"""One tolerant parse of a page, in time linear in its size, and the few questions asked of every element.

libxml2 is quick and forgiving but for two things: an element with tens of thousands of attributes costs it quadratic
time (40,000 attributes: 13 s), and a NUL ends the page. Both are dealt with before it sees the text. It stops at 256
nested elements by itself; a shop page has some forty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from lxml import etree
from lxml.etree import _Element as Element

_MOST_ATTRIBUTES = 1_000
# Fewer characters than this cannot hold more attributes than that.
_LONG_TAG = 2 * _MOST_ATTRIBUTES
_ATTRIBUTE = r"""[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"?|'[^']*+'?|[^\s>"'][^\s>]*+)?)?+"""
# Every alternative ends at the end of the text at the latest, so that no search ever starts over: linear time.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<raw>script|style|textarea|title)\b.*?(?:</(?P=raw)|\Z)"
    rf"|<[a-z][^\s/>]*+(?P<attributes>(?:{_ATTRIBUTE})*+)",
    re.IGNORECASE | re.DOTALL,
)
_ONE_ATTRIBUTE = re.compile(_ATTRIBUTE)
_SPACES = re.compile(r"\s+")


def elements(path: str) -> Callable[[Element], list[Element]]:
    """A compiled XPath that finds elements, in the page's order."""
    return cast("Callable[[Element], list[Element]]", etree.XPath(path))


def strings(path: str) -> Callable[[Element], list[str]]:
    """A compiled XPath that finds attributes or texts, in the page's order."""
    return cast("Callable[[Element], list[str]]", etree.XPath(path, smart_strings=False))


def condition(path: str) -> Callable[[Element], bool]:
    """A compiled XPath that is true when it finds anything."""
    return cast("Callable[[Element], bool]", etree.XPath(f"boolean({path})"))


_WITH_ID = etree.XPath("//*[@id=$name]")
_TEXTS = strings(".//text()[not(parent::script or parent::style)]")


def read_tree(text: str) -> Element:
    """Parse a page or a fragment of one; whatever cannot be read is an empty page.

    Comments are left out: what a page hides in them (the next page's cards, in 2019) is not on it.
    """
    data = _without_attribute_soup(text.replace("\0", "\ufffd")).encode("utf-8", "replace")
    # huge_tree stays off: it allows depths at which libxml2 takes 1.4 s per MB of unmatched end tags.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError):
        root = None
    return etree.Element("html") if root is None else root


def _without_attribute_soup(text: str) -> str:
    """`text` with the attributes of each tag cut after the first thousand."""
    kept: list[str] = []
    end = 0
    for tag in _MARKUP.finditer(text):
        start, stop = tag.span("attributes")
        if stop - start < _LONG_TAG:
            continue
        for number, attribute in enumerate(_ONE_ATTRIBUTE.finditer(text, start, stop)):
            if number == _MOST_ATTRIBUTES:
                kept.append(text[end : attribute.start()])
                end = stop
                break
    return "".join([*kept, text[end:]]) if kept else text


def clean(text: str | None) -> str | None:
    """`text` with single spaces, or None if nothing is left."""
    return _SPACES.sub(" ", text or "").strip() or None


def text_of(element: Element) -> str | None:
    """What a reader sees of an element: no scripts, single spaces, None if nothing."""
    return clean("".join(_TEXTS(element)))


def classes_of(element: Element) -> list[str]:
    """The class names of an element."""
    return (element.get("class") or "").split()


def by_id(root: Element, *names: str) -> list[Element]:
    """The elements with these ids, id by id (pages repeat ids)."""
    return [one for name in names for one in cast("list[Element]", _WITH_ID(root, name=name))]
