"""Open the catalogue: one database, SQLite or PostgreSQL, brought to the present schema first."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from stj_catalog.away import is_away, is_conflict
from stj_catalog.damage import QUICK_CHECK, REMEDY, damage_among, first_line, is_damage, quick_check, remedy_for
from stj_catalog.locked import BUSY_SECONDS, execute_patiently, is_locked
from stj_catalog.migrations import upgrade
from stj_core.errors import AwayError, CatalogError, ConflictError, NoCatalogError, StjError
from stj_images.store import open_store

T = TypeVar("T")

# Any number of our own: writers that must not interleave take PostgreSQL's advisory lock with it.
_WRITER_LOCK = 0x53544A


class Catalog:
    """A catalogue that is open; `read` and `write` give transactions."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine whose database has the present schema."""
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether the catalogue is an SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the catalogue, whatever others write meanwhile."""
        with self._said(), self.engine.connect() as opened:
            connection = opened if self.is_sqlite else opened.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, *, exclusive: bool = False) -> Iterator[Connection]:
        """A transaction that changes the catalogue.

        Args:
            exclusive: no other exclusive writer meanwhile, in whatever process (SQLite has one writer anyway).
        """
        with self._said(), self.engine.connect().execution_options(stj_write=True) as connection, connection.begin():
            if exclusive and not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @property
    def place(self) -> Path | None:
        """Its SQLite file, or None."""
        return sqlite_file(self.engine.url)

    def check(self) -> None:
        """Look at the whole SQLite file for damage; takes about a second for a gigabyte.

        Raises:
            CatalogError: it is damaged.
        """
        found = quick_check(self.place) if self.place else None
        if found is not None:
            raise CatalogError(f"The catalogue {self.engine.url!r} is damaged ({found}). {REMEDY}")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except (StjError, OSError):
            raise
        except DBAPIError as error:
            if (said := self._in_words(error)) is not None:
                raise said from error
            self.check()
            raise
        except Exception as error:
            # Rows of a damaged file are anything: whatever they broke, the file is what is wrong.
            if is_damage(error):
                raise CatalogError(
                    f"The catalogue {self.engine.url!r} is damaged ({first_line(error)}). {REMEDY}"
                ) from error
            self.check()
            raise

    def _in_words(self, error: DBAPIError) -> CatalogError | None:
        """What a database's error means for people; None for one that nobody expected."""
        sentence = f"The catalogue {self.engine.url!r} cannot be used: {first_line(error)}"
        if is_damage(error):
            kind = "cannot be used:" if isinstance(error, OperationalError) else "is damaged"
            what = first_line(error) if isinstance(error, OperationalError) else f"({first_line(error)})"
            return CatalogError(f"The catalogue {self.engine.url!r} {kind} {what}. {REMEDY}")
        if is_conflict(error):
            return ConflictError(f"{sentence}. Another program wrote the same rows: give the command again.")
        if is_away(error):
            return AwayError(f"{sentence}{remedy_for(error)}")
        return CatalogError(f"{sentence}{remedy_for(error)}") if isinstance(error, OperationalError) else None


def open_catalog(
    url: str, *, create: bool = False, images: str | None = None, copy: bool = True, check: bool = True
) -> Catalog:
    """Look at a whole catalogue for damage, open it, and bring it to the present schema, after a backup.

    Args:
        url: path of an SQLite file, or SQLAlchemy URL.
        create: make it when it is not there.
        copy: make a backup before a migration.
        check: look at every page of an SQLite file first, so that nothing is answered, or written, from what is left of one;
            takes a few seconds for a gigabyte.
        images: the image store that goes with it. An empty file beside pictures is a catalogue that was lost, and is not
            filled anew.

    Raises:
        NoCatalogError: it is not there.
        CatalogError: it is no catalogue, or cannot be reached.
        NewerSchemaError: a newer STJ made it.
    """
    address = _address(url)
    place = sqlite_file(address)
    if place is not None:
        _check_there(place, create=create, images=images)
    try:
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(address)
        try:
            if check and place is not None:
                _check_whole(engine)
            upgrade(engine, place, copy=copy)
        except BaseException:
            engine.dispose()  # its connections would stay open until they are collected
            raise
    except (OperationalError, DatabaseError, sqlite3.DatabaseError) as error:
        raise CatalogError(f"Cannot open the catalogue {address!r}: {first_line(error)}{remedy_for(error)}") from error
    except (NoSuchModuleError, ImportError) as error:
        raise CatalogError(
            f"Cannot open the catalogue {address!r}: {error}. PostgreSQL needs pip install 'stj[postgres]'."
        ) from error
    except OSError as error:
        raise CatalogError(f"Cannot make the catalogue {place}: {error.strerror}.") from error
    except (SQLAlchemyError, LookupError, TypeError, ValueError) as error:
        if place is not None and (found := quick_check(place)):
            raise CatalogError(f"The catalogue {address!r} is damaged ({found}). {REMEDY}") from error
        raise
    return Catalog(engine)


def _check_whole(engine: Engine) -> None:
    """Refuse a file of which any page is damaged, before anything is read from it."""
    with engine.connect() as connection:
        found = damage_among(map(str, connection.exec_driver_sql(QUICK_CHECK).scalars()))
    if found is not None:
        raise CatalogError(f"The catalogue {engine.url!r} is damaged ({found}). {REMEDY}")


def _check_there(place: Path, *, create: bool, images: str | None) -> None:
    """Refuse a catalogue that is not there, or that lost everything it held."""
    try:
        found: os.stat_result | None = place.stat()
    except OSError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise CatalogError(f"The catalogue {place} is {what}, and should be an SQLite file: set STJ_CATALOG to one.")
    size = found.st_size if found is not None else None
    if size is None and not create:
        kept = f" {REMEDY}" if next(place.parent.glob(f"{place.name}.before-*"), None) else ""
        raise NoCatalogError(
            f"There is no catalogue at {place}: crawl first (scrapy crawl amazon_sarees), or set STJ_CATALOG.{kept}"
        )
    # A process that makes a catalogue, or died while it did, leaves a file of no bytes for a moment: no pictures lie beside it.
    if size == 0 and (not create or (images is not None and not open_store(images).is_empty())):
        beside = "" if images is None else f", and pictures lie in {images}"
        raise CatalogError(f"The catalogue {place} is empty (0 bytes){beside}. {REMEDY}")


def file_of(url: str) -> Path | None:
    """The SQLite file that a path or an SQLAlchemy URL means, or None for another database.

    Raises:
        CatalogError: it is neither.
    """
    return sqlite_file(_address(url))


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL, or None for another database or one in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> None:
    """Insert rows, leaving those alone whose `keys` are there already."""
    if not rows:
        return
    dialect = _dialect(connection)
    connection.execute(dialect.insert(table).on_conflict_do_nothing(index_elements=list(keys)), list(rows))


def upsert(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], keys: Sequence[str], changes: dict[str, Any]
) -> None:
    """Insert rows; where `keys` are there already, make `changes` (column to expression of the `excluded` row's name)."""
    if not rows:
        return
    dialect = _dialect(connection)
    statement = dialect.insert(table)
    wanted = {column: change(statement.excluded, table) for column, change in changes.items()}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=wanted), list(rows))


def chunks(items: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Slices of `items`, small enough for a database's limit on parameters."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _dialect(connection: Connection) -> Any:  # noqa: ANN401 - a module with the dialect's own `insert`
    """The database's own dialect; only one of them is ever imported, because each costs a tenth of a second."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite
    from sqlalchemy.dialects import postgresql

    return postgresql


def _address(url: str) -> URL:
    try:
        return make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError as error:
        raise CatalogError(f"STJ_CATALOG is neither a path nor a database URL: {url!r}.") from error


def _engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args=_patience(url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _patience(url: URL) -> dict[str, Any]:
    """How soon a line to PostgreSQL counts as broken: a host that was cut off would be waited for without end."""
    if url.get_backend_name() != "postgresql":
        return {}
    given = {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    return {name: value for name, value in given.items() if name not in url.query}


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling begins late and never immediately: `_begin_sqlite` does it.
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch a new file over; SQLite may refuse at once, whatever the time-out, while another process does so too."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            execute_patiently(connection, "PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer half-way fails at once with "database is locked": writers say so at the start.
    if not connection.get_execution_options().get("stj_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    try:
        execute_patiently(driver, "BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        # As SQLAlchemy says it of its own statements: whoever catches it looks for that type.
        raise DBAPIError.instance("BEGIN IMMEDIATE", None, error, sqlite3.Error, dialect=connection.dialect) from error
