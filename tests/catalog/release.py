"""Write a release's catalogue, with rows in it, for later releases to migrate: `python -m tests.catalog.release`."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from stj_catalog.catalog import open_catalog
from stj_catalog.migrations import HEAD
from stj_core import __version__
from tests.catalog.crawling import Card, Walk, print_of


def main() -> None:
    """Fill a catalogue with one row of every kind, and dump it as SQL."""
    target = Path(__file__).parent / "released" / f"{__version__}-{HEAD}.sql"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalog.sqlite"
        catalog = open_catalog(str(file), create=True)
        walk = Walk(catalog)
        walk.page([Card("a", print_of(1), asin="B0A"), Card("a2", print_of(1, near=2, size=(60, 80)), asin="B0B")])
        walk.page([Card("b", print_of(2), asin="B0A"), Card("s", print_of(3), reason="sponsored")])
        walk.page([Card("x", None, failure="http_error"), Card(None, None, reason="no_image")])
        catalog.close()
        with closing(sqlite3.connect(file)) as connection:
            target.write_text("\n".join(connection.iterdump()) + "\n", encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
