"""What the commands share: the options that name the catalogue and its pictures, and bars and tables for people."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stj_catalog.catalog import Catalog
    from stj_core.config import Config
    from stj_core.labels import Category

CatalogOption = Annotated[
    str | None,
    typer.Option("--catalog", help="SQLite file or SQLAlchemy URL.  [STJ_CATALOG, catalog.sqlite]", show_default=False),
]
ListedOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE|-",
        help="Also the pictures of a list, or of a CSV's column sha256, file or url.",
        show_default=False,
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="Also all pictures of a status, reason, label, source, crawl, group, tag or text. May be repeated.",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    str | None,
    typer.Option("--images", help="Folder or fsspec URL of the image store.  [STJ_IMAGES, images]", show_default=False),
]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@contextlib.contextmanager
def opened(
    catalog: str | None, images: str | None = None, cluster: str | None = None
) -> Iterator[tuple[Catalog, Config]]:
    """The catalogue and the settings that the options, the environment and the defaults give.

    Args:
        catalog: as the option says.
        images: as the option says.
        cluster: as the option says.

    Raises:
        CatalogError: it cannot be used, or what went wrong went wrong because it is damaged.
    """
    from stj_catalog.catalog import open_catalog
    from stj_core.config import read_config
    from stj_core.errors import StjError

    config = read_config(catalog=catalog, images=images, cluster=cluster)
    found = open_catalog(config.catalog_url)
    try:
        yield found, config
    except (StjError, OSError):
        raise
    except Exception:
        # Rows of a damaged file may break anything that reads them.
        found.check()
        raise
    finally:
        found.close()


def confirm(what: str, *, yes: bool) -> None:
    """Ask whether something that is large or final is meant.

    Args:
        what: a sentence that says what would be done.
        yes: it was said already that it is.

    Raises:
        UsageError: there is nobody to ask, or the answer is no.
    """
    from stj_core.errors import UsageError

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what} Nothing was changed: give --yes if that is meant.")
    if not typer.confirm(f"{what} Go on?", err=True):
        raise UsageError("Nothing was changed.")


def label_of(word: str, categories: Sequence[Category]) -> int:
    """The class that a person means by its number, its slug or its name.

    Raises:
        UsageError: it is none.
    """
    from stj_core.class_folders import class_of
    from stj_core.errors import UsageError

    found = class_of(word, {one.label: (one.slug, one.name) for one in categories})
    if found is None:
        known = ", ".join(f"{one.label} = {one.name}" for one in categories)
        raise UsageError(f"There is no class {word}: labels.toml knows {known}.")
    return found


def class_reader(config: Config) -> Callable[[str], int]:
    """Reads a class of a configuration's labels by its number, its slug or its name."""
    from stj_core.labels import load_labels

    return lambda word: label_of(word, load_labels(config.labels))


def picture_word(image: str) -> str:
    """A file's name without folders and ending; anything else as it is."""
    if "://" in image:
        return image
    return image.rsplit("/", 1)[-1].split(".", 1)[0].lower()


def meant_pictures(
    catalog: Catalog, config: Config, words: list[str], listed: str | None, where: list[str]
) -> list[int]:
    """The rows of all pictures that are meant, each once: by their names, by a list's, and by what they have in common.

    Raises:
        UsageError: none is, or a name means none or several.
    """
    from stj_core.errors import UsageError
    from stj_core.spreadsheet import read_text
    from stj_dataset.picking import filtered_ids, listed_words, named_pictures, read_filter

    named = list(words)
    if listed is not None:
        named += listed_words(read_text(listed), listed)
    ids = [one.id for one in named_pictures(catalog, [picture_word(word) for word in named])]
    if where:
        ids += filtered_ids(catalog, read_filter(where, class_reader(config)))
    if not ids:
        what = "No picture is so" if where else "No picture was named"
        raise UsageError(f"{what}: give a sha256, a file's name or an address, --from a list, or --where.")
    return list(dict.fromkeys(ids))
