"""One tolerant parse of a page, in time linear in its size, and the few questions asked of every element.

libxml2 is quick and forgiving but for two things: an element with tens of thousands of attributes costs it quadratic
time (40,000 attributes: 13 s), and a NUL ends the page. Both are dealt with before it sees the text. At 256 nested
elements it gives up, and what follows is lost; a shop page has some forty. Such a page is flattened and read again, and
where that was not enough the tree says that it is not the whole page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from lxml import etree
from lxml.etree import _Element as Element

from stj_core.text import single_spaced

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
_TAGS = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<raw>script|style|textarea|title)\b.*?(?:</(?P=raw)|\Z)"
    rf"|</(?P<end>[a-z][^\s/>]*+)[^>]*+>?"
    rf"|<(?P<start>[a-z][^\s/>]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)[\s/]*+>?",
    re.IGNORECASE | re.DOTALL,
)
# Deeper than any page is meant to be, and well below the depth at which libxml2 gives up.
_DEEP = 150
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
# Their end tags are often left out, so that an open one says nothing about the depth.
_OPEN_ENDED = frozenset(["dd", "dt", "li", "option", "optgroup", "p", "tbody", "td", "tfoot", "th", "thead", "tr"])


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
# Lines and blocks part words, which no space in the text does.
_PIECES = cast(
    "Callable[[Element], list[Element | str]]",
    etree.XPath(".//text()[not(parent::script or parent::style)] | .//br | .//div | .//p | .//li", smart_strings=False),
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed page.

    Attributes:
        root: its outermost element.
        cut: whether the parser gave up before the page's end, or tags had to go that may have meant something.
        ends: whether the page has an end tag of its own, which no script, comment or attribute holds, and no tag is open there.
    """

    root: Element
    cut: bool = False
    ends: bool = False


def read_tree(text: str) -> Element:
    """Parse a page or a fragment of one; whatever cannot be read is an empty page."""
    return parse_html(text).root


def parse_html(text: str) -> Tree:
    """Parse a page or a fragment of one, and say whether all of it was read.

    Comments are left out: what a page hides in them (the next page's cards, in 2019) is not on it.
    """
    text, ends = _without_attribute_soup(text.replace("\0", "\ufffd"))
    root, gave_up = _parse(text)
    if not gave_up:
        return Tree(root, ends=ends)
    flat, lost = _flattened(text)
    root, gave_up = _parse(flat)
    return Tree(root, cut=gave_up or lost, ends=ends)


_PAGE = re.compile(r"<(?:!doctype|/?html|head|/?body)[\s>]", re.IGNORECASE)
_BEGINNING = re.compile(r"<(?:!doctype|html|head|body)[\s>]", re.IGNORECASE)
_END = re.compile(r"</html\s*>", re.IGNORECASE)
# A tag that is still open where the page's last end tags begin: what stood there was lost.
_OPEN_TAG = re.compile(r"<[a-z][^<>]*(?:</[a-z][^<>]*>\s*)*\Z", re.IGNORECASE)
_BEFORE_END = 2_000
_TAIL = 4_000


def is_page(text: str) -> bool:
    """Whether a text is a page, with a head and a body, or what is left of one, and no fragment of one."""
    return _PAGE.search(text) is not None


def is_whole(tree: Tree, text: str) -> bool:
    """Whether a page came from its beginning to its end, and was read; of a fragment nobody can tell: it counts as whole."""
    if tree.cut or not text.strip():
        return False
    return not is_page(text) or (tree.ends and _BEGINNING.search(text) is not None)


def _parse(text: str) -> tuple[Element, bool]:
    """The tree, and whether libxml2 gave up before the text's end."""
    # huge_tree stays off: it allows depths at which libxml2 takes 2 s per MB of unmatched end tags.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, recover=True)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):
        root = None
    errors = parser.error_log
    gave_up = bool(errors) and errors.last_error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT
    return (etree.Element("html") if root is None else root), gave_up


def _flattened(text: str) -> tuple[str, bool]:
    """`text` without the tags that are nested too deep, and whether any of those had attributes.

    Tags without attributes go first: they only wrap. End tags that close nothing go, too.
    """
    kept: list[str] = []
    place = 0
    lost = False
    stack: list[tuple[str, bool]] = []
    open_tags: Counter[str] = Counter()
    depth = 0
    for tag in _TAGS.finditer(text):
        if tag["end"]:
            name = tag["end"].lower()
            drop = not open_tags[name]
            while not drop:
                opened, stays = stack.pop()
                open_tags[opened] -= 1
                depth -= stays
                if opened == name:
                    drop = not stays
                    break
        elif tag["start"]:
            name = tag["start"].lower()
            if name in _VOID or name in _OPEN_ENDED:
                continue
            bare = not tag["attributes"].strip(" \t\r\n/")
            drop = depth >= (_DEEP if bare else _DEEP + 50)
            lost |= drop and not bare
            stack.append((name, not drop))
            open_tags[name] += 1
            depth += not drop
        else:
            continue
        if drop:
            kept.append(text[place : tag.start()])
            place = tag.end()
    return "".join([*kept, text[place:]]), lost


def _without_attribute_soup(text: str) -> tuple[str, bool]:
    """`text` with the attributes of each tag cut after the first thousand, and whether the page has an end tag of its own."""
    kept: list[str] = []
    end = 0
    ends = _end_tags(text)
    own, raw, raw_before = -1, 0, 0
    for tag in _MARKUP.finditer(text):
        if ends and ends[0] < tag.end():
            before = [place for place in ends if place < tag.start()]
            own, raw_before = (before[-1], raw) if before else (own, raw_before)
            ends = [place for place in ends if place >= tag.end()]
        if tag.lastgroup != "attributes":
            raw = tag.end()
            continue
        start, stop = tag.span("attributes")
        if stop - start < _LONG_TAG:
            continue
        for number, attribute in enumerate(_ONE_ATTRIBUTE.finditer(text, start, stop)):
            if number == _MOST_ATTRIBUTES:
                kept.append(text[end : attribute.start()])
                end = stop
                break
    own, raw_before = (ends[-1], raw) if ends else (own, raw_before)
    # Scripts compare with "<", which opens no tag.
    whole = own >= 0 and _OPEN_TAG.search(text[max(raw_before, own - _BEFORE_END) : own]) is None
    return ("".join([*kept, text[end:]]) if kept else text), whole


def _end_tags(text: str) -> list[int]:
    """Where a page may end; looked for at its end first, where it nearly always is."""
    found = [match.start() for match in _END.finditer(text, max(0, len(text) - _TAIL))]
    return found or [match.start() for match in _END.finditer(text)]


def clean(text: str | None) -> str | None:
    """`text` with single spaces and nothing that acts on a terminal or turns the writing round; None if nothing is left."""
    return single_spaced(text or "") or None


def text_of(element: Element) -> str | None:
    """What a reader sees of an element: no scripts, single spaces, None if nothing."""
    return clean("".join(_TEXTS(element)))


def title_of(element: Element) -> str | None:
    """As `text_of`, for a text of several lines or blocks: those part words, too."""
    return clean("".join(piece if isinstance(piece, str) else " " for piece in _PIECES(element)))


def classes_of(element: Element) -> list[str]:
    """The class names of an element."""
    return (element.get("class") or "").split()


def by_id(root: Element, *names: str) -> list[Element]:
    """The elements with these ids, id by id (pages repeat ids)."""
    return [one for name in names for one in cast("list[Element]", _WITH_ID(root, name=name))]
