"""Bring a catalogue from any released schema to the present one (Alembic), after a backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from stj_catalog.damage import REMEDY
from stj_catalog.dumps import dump_before
from stj_catalog.schema import metadata
from stj_core.clock import compact_now
from stj_core.errors import CatalogError, NewerSchemaError
from stj_core.files import atomic_path

REVISIONS = tuple(sorted(path.name.split("_")[0] for path in Path(__file__).with_name("versions").glob("[0-9]*_*.py")))
"""The schemas that this STJ can read, oldest first: one for each file of `versions/`."""
HEAD = REVISIONS[-1]
# Any number of our own, and another than the writers': who makes or migrates a catalogue takes this lock of PostgreSQL's.
_MAKING_LOCK = 0x53544B


def upgrade(engine: Engine, file: Path | None, *, copy: bool = True) -> None:
    """Make the tables, or migrate them; a catalogue of the present schema is only looked at.

    Args:
        engine: of the catalogue.
        file: its SQLite file, or None.
        copy: make a backup before a migration: a copy beside the file, or a dump of another database.

    Raises:
        NewerSchemaError: a newer STJ made it.
        CatalogError: the database holds tables that are not a catalogue's.
    """
    with engine.connect() as connection:
        present = revision(connection)
    if present == HEAD:
        return
    if present is not None and copy and file is None and engine.dialect.name == "postgresql":
        dump_before(engine.url, "migration")
    if present is not None and copy and file is not None:
        with atomic_path(file.with_name(f"{file.name}.before-{HEAD}-{compact_now()}")) as part:
            backup(file, part)
    with (
        engine.connect().execution_options(stj_write=True) as connection,
        _without_foreign_keys(connection),
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            # SQLite has one writer anyway. Whoever comes second finds everything made.
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MAKING_LOCK})
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
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None:
        raise CatalogError(f"The catalogue {connection.engine.url!r} is damaged (it names no schema). {REMEDY}")
    if found == HEAD and (lost := sorted(metadata.tables.keys() - set(tables))):
        raise CatalogError(
            f"The catalogue {connection.engine.url!r} is damaged (it has no table {', '.join(lost)}). {REMEDY}"
        )
    if found == HEAD and (missing := _missing_columns(connection)):
        raise CatalogError(
            f"The catalogue {connection.engine.url!r} is damaged (it has no column {', '.join(missing)}). {REMEDY}"
        )
    if found not in REVISIONS:
        raise NewerSchemaError(
            f"The catalogue {connection.engine.url!r} has schema {found}, newer than this STJ's {HEAD}: "
            "upgrade STJ (pip install -U stj)."
        )
    return found


def _missing_columns(connection: Connection) -> list[str]:
    """The columns that some other program took from an SQLite catalogue, as `table.column`."""
    if connection.dialect.name != "sqlite":
        return []
    query = "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    there = {(table, column) for table, column in connection.exec_driver_sql(query)}
    wanted = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}
    return sorted(f"{table}.{column}" for table, column in wanted - there)


@contextmanager
def replace_views() -> Iterator[None]:
    """Take the views away while a migration changes the tables below them, and make them again afterwards.

    SQLite refuses to rename a table that a view names, and changes a constraint only by making the table anew.
    """
    from alembic import op

    found = inspect(op.get_bind()).get_view_names()
    definitions = {name: _view_text(op.get_bind(), name) for name in found}
    for name in found:
        op.execute(f"DROP VIEW {name}")
    yield
    for definition in definitions.values():
        op.execute(definition)


def _view_text(connection: Connection, name: str) -> str:
    """The statement that makes a view as it is now."""
    found = inspect(connection).get_view_definition(name) or ""
    return found if found.lstrip().upper().startswith("CREATE") else f"CREATE VIEW {name} AS {found}"


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let SQLite make a table anew that others refer to; every reference is checked before the migration counts.

    Raises:
        CatalogError: a row refers to one that is not there.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    # The driver's own connection: a statement of SQLAlchemy's would begin a transaction, in which the pragma does nothing.
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def backup(source: Path, target: Path) -> None:
    """Copy an SQLite file while others use it."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


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
    if connection.dialect.name == "sqlite":
        lost = connection.execute(text("PRAGMA foreign_key_check")).all()
        if lost:
            raise CatalogError(
                f"The catalogue {connection.engine.url!r} cannot be migrated: {len(lost)} rows, such as row {lost[0][1]} of "
                f"{lost[0][0]}, refer to rows that are not there. Restore a backup of it."
            )
