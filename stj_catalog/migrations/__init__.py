"""Bring a catalogue from any released schema to the present one (Alembic), after a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from stj_core.errors import CatalogError, NewerSchemaError

HEAD = "0002"


def upgrade(engine: Engine, file: Path | None) -> None:
    """Make the tables, or migrate them; a catalogue of the present schema is only looked at.

    Args:
        engine: of the catalogue.
        file: the SQLite file to copy before a migration, or None.

    Raises:
        NewerSchemaError: a newer STJ made it.
        CatalogError: the database holds tables that are not a catalogue's.
    """
    with engine.connect() as connection:
        present = revision(connection)
    if present == HEAD:
        return
    if present is not None and file is not None:
        backup(file, file.with_name(f"{file.name}.before-{HEAD}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"))
    with engine.connect().execution_options(stj_write=True) as connection, connection.begin():
        _run(connection)


def revision(connection: Connection) -> str | None:
    """The schema's revision, or None for an empty database.

    Raises:
        NewerSchemaError: a revision that this STJ does not know.
        CatalogError: tables of something else.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise CatalogError(
            f"{connection.engine.url!r} is no STJ catalogue: it holds the tables {', '.join(sorted(tables)[:5])}. "
            "Set STJ_CATALOG to another one."
        )
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in _known():
        raise NewerSchemaError(
            f"The catalogue {connection.engine.url!r} has schema {found}, newer than this STJ's {HEAD}: "
            "upgrade STJ (pip install -U stj)."
        )
    return found


def backup(source: Path, target: Path) -> None:
    """Copy an SQLite file while others use it."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _known() -> set[str]:
    return {path.name.split("_")[0] for path in Path(__file__).with_name("versions").glob("[0-9]*_*.py")}


def _run(connection: Connection) -> None:
    import logging

    logging.getLogger("alembic").setLevel(logging.WARNING)  # before its import, which reports each plugin
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
