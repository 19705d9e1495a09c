"""Copy a catalogue into another database, row for row, and prove that both hold the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, text, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import metadata, secrets
from stj_core.errors import CatalogError

_ROWS = 2_000


@dataclass(frozen=True)
class TableProof:
    """What a table holds.

    Attributes:
        rows: how many.
        digest: of all rows, whatever their order: the sum of each row's sha256 over its values as JSON, in hex.
    """

    rows: int
    digest: str


def copy_catalog(
    source: Catalog, target: Catalog, tick: Callable[[int], None] = lambda _: None
) -> dict[str, TableProof]:
    """Copy every row into an empty catalogue; returns what each table holds, which was read back from both.

    The source is read in one state, whatever is written to it meanwhile; the target has all of it, or nothing.

    Args:
        source: where the rows are; of the present schema.
        target: where they go; of the present schema.
        tick: told how many rows were written since the last call.

    Raises:
        CatalogError: the target holds rows already, or does not hold afterwards what the source does.
    """
    with source.read() as old, target.write(exclusive=True) as new:
        _see_that_it_is_empty(target, new)
        new.execute(delete(secrets))  # every new catalogue has keys of its own, which nothing was made with yet
        for table in metadata.sorted_tables:
            _copy_table(old, new, table, tick)
        if not target.is_sqlite:
            _count_on(new)
        proofs = {table.name: _prove(old, table) for table in metadata.sorted_tables}
        other = {table.name: _prove(new, table) for table in metadata.sorted_tables}
        wrong = [name for name, proof in proofs.items() if other[name] != proof]
        if wrong:
            raise CatalogError(
                f"The copy in {target.engine.url!r} differs from {source.engine.url!r} in {', '.join(wrong)}: nothing of it was "
                "kept. Run stj-dataset verify on the catalogue that was copied."
            )
    return proofs


def rows_in(catalog: Catalog) -> int:
    """How many rows all tables hold."""
    with catalog.read() as connection:
        return sum(_count(connection, table) for table in metadata.sorted_tables)


def _see_that_it_is_empty(target: Catalog, connection: Connection) -> None:
    tables = [table for table in metadata.sorted_tables if table is not secrets]
    held = {table.name: n for table in tables if (n := _count(connection, table))}
    if held:
        said = ", ".join(f"{n:,} in {name}" for name, n in sorted(held.items()))
        raise CatalogError(
            f"The catalogue {target.engine.url!r} holds rows already ({said}): name one that is not there yet."
        )


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    # In order of the keys, so that equal catalogues make equal files.
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execution_options(yield_per=_ROWS).execute(query) as found:
        for row in found.mappings():
            yield dict(row)


def _copy_table(old: Connection, new: Connection, table: Table, tick: Callable[[int], None]) -> None:
    """Copy a table; a column that refers to the table itself is filled in once all its rows are there."""
    itself = [column.name for column in table.columns for key in column.foreign_keys if key.column.table is table]
    batch: list[dict[str, Any]] = []
    later: list[dict[str, Any]] = []
    for row in _rows(old, table):
        later += [{"row": row["id"], "name": name, "value": row[name]} for name in itself if row[name] is not None]
        batch.append(row | dict.fromkeys(itself))
        if len(batch) == _ROWS:
            _insert(new, table, batch, tick)
            batch = []
    _insert(new, table, batch, tick)
    for one in later:
        new.execute(update(table).where(table.c.id == one["row"]).values({one["name"]: one["value"]}))


def _insert(new: Connection, table: Table, rows: list[dict[str, Any]], tick: Callable[[int], None]) -> None:
    for some in chunks(rows):
        new.execute(table.insert(), list(some))
        tick(len(some))


def _count_on(connection: Connection) -> None:
    """Have PostgreSQL give new rows numbers above those that were copied; SQLite does so by itself."""
    for table in metadata.sorted_tables:
        keys = list(table.primary_key.columns)
        if len(keys) == 1 and keys[0].name == "id":
            highest = connection.execute(select(func.max(keys[0]))).scalar()
            if highest is not None:
                name = {"table": table.name, "highest": highest}
                connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :highest)"), name)


def _prove(connection: Connection, table: Table) -> TableProof:
    total, rows = 0, 0
    for row in _rows(connection, table):
        written = json.dumps(row, sort_keys=True, ensure_ascii=True, allow_nan=True).encode()
        total += int.from_bytes(hashlib.sha256(written).digest(), "big")
        rows += 1
    return TableProof(rows, f"{total % 2**256:064x}")
