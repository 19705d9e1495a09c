"""Which pictures a person means: named one by one, in a list or a CSV file, or by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

from stj_catalog.catalog import Catalog
from stj_catalog.gallery import Filter, gallery_page
from stj_catalog.lookup import FoundPicture, find_picture
from stj_core.errors import UsageError
from stj_core.spreadsheet import delimiter_of, read_table
from stj_core.vocabulary import Status

NAMED_BY = ("sha256", "file", "image", "url", "image_url")
"""The columns of a CSV file that may name a picture; the first that is there does."""
_BATCH = 500
_WHOLE = frozenset({"label", "crawl", "group"})


def named_pictures(catalog: Catalog, words: Sequence[str]) -> list[FoundPicture]:
    """The pictures that some words name, each once.

    Raises:
        UsageError: a word names none, or more than one: nothing is to be done then.
    """
    found: dict[int, FoundPicture] = {}
    for word in words:
        picture = find_picture(catalog, word)
        found.setdefault(picture.id, picture)
    return list(found.values())


def listed_words(text: str, place: str) -> list[str]:
    """The names in a list, one on each line, or in a CSV file with a column sha256, file, image, url or image_url.

    Raises:
        UsageError: it names none.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = [cell.strip(' "').casefold() for cell in lines[0].split(delimiter_of(lines[0]))] if lines else []
    named = next((name for name in NAMED_BY if name in first), None)
    words = [row[named] for _, row in read_table(text, place).rows if row[named]] if named else lines
    if not words:
        raise UsageError(
            f"{place} names no picture: give one on each line, or a CSV with a column {', '.join(NAMED_BY)}."
        )
    return words


def read_filter(terms: Sequence[str], label_of: Callable[[str], int] | None = None) -> Filter:
    """The pictures that terms such as `status=quarantined`, `label=saree` or `undecided` ask for together.

    Args:
        terms: what was typed.
        label_of: gives the number of a class that is called by its slug or its name.

    Raises:
        UsageError: a term is none.
    """
    known = [one.name for one in fields(Filter)]
    wanted: dict[str, str | int | bool] = {}
    for term in terms:
        name, equals, value = term.partition("=")
        if name == "undecided" and not equals:
            wanted[name] = True
        elif name not in known or name == "undecided" or not value:
            raise UsageError(
                f"--where {term} says nothing: it is undecided, or one of {', '.join(known[:-1])} = a value."
            )
        elif name == "label" and label_of is not None and not value.isdigit():
            wanted[name] = _class_of(term, value, label_of)
        elif name in _WHOLE and not value.isdigit():
            raise UsageError(f"--where {term}: {name} is a whole number, got {value!r}.")
        else:
            wanted[name] = int(value) if name in _WHOLE else value
    return Filter(**wanted)  # type: ignore[arg-type]  # each value was read by its field's name


def _class_of(term: str, word: str, label_of: Callable[[str], int]) -> int:
    try:
        return label_of(word)
    except UsageError as error:
        raise UsageError(f"--where {term}: {error}") from error


def filtered_ids(catalog: Catalog, wanted: Filter) -> Iterator[int]:
    """The rows of all pictures that a filter asks for and that can be decided about, newest first."""
    after: int | None = None
    while True:
        page = gallery_page(catalog, wanted, limit=_BATCH, after=after)
        yield from (tile.id for tile in page.tiles if tile.sha256 and tile.status != Status.FORGOTTEN)
        if page.after is None:
            return
        after = page.after
