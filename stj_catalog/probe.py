"""Look at a catalogue without changing anything: it is neither made, nor migrated, nor written to."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, create_engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from stj_catalog.catalog import sqlite_file
from stj_catalog.damage import QUICK_CHECK, damage_among
from stj_catalog.migrations import HEAD, revision
from stj_catalog.schema import images
from stj_core.errors import CatalogError
from stj_core.vocabulary import Status


@dataclass(frozen=True)
class CatalogProbe:
    """What a catalogue is like.

    Attributes:
        revision: of its schema.
        is_current: whether that is this STJ's; an older one is migrated by the first command that opens it.
        pictures: how many pictures it knows.
        files: the first files of kept pictures that the image store should hold, by path.
    """

    revision: str
    is_current: bool
    pictures: int
    files: tuple[str, ...]


def probe_catalog(url: str, *, files: int = 200) -> CatalogProbe | None:
    """Look at a catalogue.

    Args:
        url: SQLAlchemy URL.
        files: how many files of the image store to name, at most.

    Returns:
        None where there is none yet.

    Raises:
        CatalogError: it is damaged, is something else, was made by a newer STJ, or cannot be reached.
    """
    try:
        address = make_url(url)
        place = sqlite_file(address)
        if place is not None and not place.exists():
            return None
        engine = create_engine(_read_only(place) if place is not None else address)
    except (ArgumentError, NoSuchModuleError) as error:
        raise CatalogError(f"STJ_CATALOG cannot be {url!r}: {error}.") from error
    wanted = select(images.c.path).where(images.c.status == Status.KEPT, images.c.path.is_not(None))
    try:
        with engine.connect() as connection:
            if place is not None and (found := damage_among(map(str, connection.execute(text(QUICK_CHECK)).scalars()))):
                raise CatalogError(f"The catalogue {place} is damaged ({found}): restore a backup of it.")
            schema = revision(connection)
            if schema is None:
                return None
            paths = connection.execute(wanted.order_by(images.c.path).limit(files)).scalars().all()
            pictures = connection.execute(select(func.count()).select_from(images)).scalar_one()
    except (DatabaseError, sqlite3.DatabaseError) as error:
        first = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise CatalogError(
            f"Cannot read the catalogue {place or address!r}: {first}. Restore a backup of it."
        ) from error
    finally:
        engine.dispose()
    return CatalogProbe(schema, schema == HEAD, pictures, tuple(paths))


def _read_only(place: Path) -> URL:
    return URL.create("sqlite", database=f"file:{place.resolve()}", query={"mode": "ro", "uri": "true"})
