"""Text from outside: what is kept of it, and how it is shown so that it does nothing but be read.

`clean` is for intake: the catalogue never holds a control character or a character that turns the writing direction round.
`inert` is for showing: whatever is left, from older catalogues, file names or manifests of others, becomes visible instead of
acting on a terminal. `markdown_inert` does the same for a README, and `cell_inert` for tables that people
download to open in a spreadsheet. Tables for machines (manifest.csv and its like) keep text as it is.
"""

from __future__ import annotations

import json
import re

# What is dropped at intake: control characters (white space becomes a space), marks that turn the direction of writing round,
# characters that nobody sees (soft hyphens, zero-width spaces, tags, annotations, the byte order mark), halves of surrogate
# pairs, which no encoding can write, and code points that never are characters. Joiners (U+200C, U+200D) stay: Indic scripts
# and emoji need them.
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = f"{_DIRECTION}\xad\u180e\u200b\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_NO_CHARACTER = "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_DROPPED = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f{_UNSEEN}{_NO_CHARACTER}]")
# What acts on a terminal, or hides what a line says; line feeds and tabs do not.
_ACTIVE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_UNSEEN}{_NO_CHARACTER}]")
_SPACES = re.compile(r"\s+")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def clean(text: str, most: int) -> str:
    """The text as it is kept: on one line, without what cannot be stored or would not be seen.

    Args:
        text: from a page, a header or a foreign file.
        most: characters that are kept; nothing is gained from reading a long text to its end.
    """
    return shortened(single_spaced(text[: 4 * most]), most)


def single_spaced(text: str) -> str:
    """The text on one line with single spaces, without what cannot be stored or would not be seen."""
    # Nearly all of a page's texts are like that: in printable text the only white space is the plain one.
    if text.isprintable() and "  " not in text:
        return text.strip()
    return _SPACES.sub(" ", visible(_SPACES.sub(" ", text))).strip()


def visible(text: str) -> str:
    """The text without what cannot be stored or would not be seen; white space stays as it is."""
    return text if text.isprintable() else _DROPPED.sub("", text)


def shown_in_html(value: object) -> object:
    """What a page shows of a value: text without what acts or would not be seen; markup and everything else as it is."""
    return visible(value) if type(value) is str else value


def inert(text: str) -> str:
    r"""The text with every character that acts on a terminal as its escape (``\x1b``); line feeds and tabs stay."""
    return _ACTIVE.sub(_escape, text)


def one_line(text: str) -> str:
    """As `inert`, on one line."""
    return inert(_SPACES.sub(" ", text))


def markdown_inert(text: str) -> str:
    """The text for a Markdown file: one line that shows as it is, neither link, picture, table, heading nor HTML."""
    escaped = _MARKDOWN.sub(r"\\\1", one_line(text))
    return "".join(_HTML.get(char, char) for char in escaped)


def cell_inert(text: str) -> str:
    """The text for a table that people open in a spreadsheet: what would be a formula there begins with an apostrophe."""
    shown = one_line(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def json_inert(document: str) -> str:
    r"""A JSON document in which characters that act on a terminal are escaped (``\u009b``); its value is the same."""
    # json's own escapes: two for a character beyond U+FFFF.
    return _ACTIVE.sub(lambda found: json.dumps(found[0])[1:-1], document)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
