"""The database's own clock: what hosts whose clocks differ agree on."""

from __future__ import annotations

from sqlalchemy import Connection, Float, Text, cast, extract, func, literal
from sqlalchemy.sql.elements import ColumnElement


def clock(connection: Connection) -> ColumnElement[float]:
    """The database's clock, in seconds since 1970; it goes on within a transaction."""
    if connection.dialect.name == "sqlite":
        # A day's fraction in a double is good to 40 microseconds.
        return cast((func.julianday("now") - literal(2440587.5)) * literal(86400.0), Float)
    return cast(extract("epoch", func.clock_timestamp()), Float(53))


def moment(connection: Connection, seconds: float = 0.0) -> ColumnElement[str]:
    """The moment so many seconds ahead on the database's clock, as the catalogue writes it: `2026-05-01T10:00:00.123Z`."""
    if connection.dialect.name == "sqlite":
        return cast(func.strftime("%Y-%m-%dT%H:%M:%fZ", "now", f"{seconds:+.3f} seconds"), Text)
    ahead = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return cast(func.to_char(func.timezone("UTC", ahead), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), Text)
