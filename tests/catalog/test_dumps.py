"""A catalogue in PostgreSQL is dumped before what changes much of it, or it is said that it was not."""

from __future__ import annotations

import subprocess

import pytest
from sqlalchemy.engine import make_url

from stj_catalog.backup import backup_before, make_backup
from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.dumps import KEPT, dump_before
from stj_core.errors import CatalogError


@pytest.fixture
def server(postgres_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = open_catalog(postgres_url)
    yield found
    found.close()


def listed(dump):
    """The tables whose rows are in a dump, as pg_restore reads it."""
    lines = subprocess.run(
        ["pg_restore", "--list", dump], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {words[6] for line in lines if len(words := line.split()) > 6 and words[3:5] == ["TABLE", "DATA"]}


def test_a_dump_holds_every_table_and_is_rotated_by_kind(server: Catalog, tmp_path):
    made = [backup_before(server, "dedupe") for _ in range(KEPT + 2)]
    other = backup_before(server, "repair")
    assert {"images", "sightings", "reviews", "alembic_version"} <= listed(made[-1])
    assert sorted((tmp_path / "backups").iterdir()) == sorted(tmp_path / one for one in [*made[-KEPT:], other])


def test_a_backup_that_is_asked_for_is_a_dump_too(server: Catalog, tmp_path):
    assert "images" in listed(make_backup(server, tmp_path / "elsewhere"))


def test_a_migration_is_preceded_by_a_dump(postgres_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = open_catalog(postgres_url)
    with found.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    found.close()
    with pytest.raises(CatalogError):
        open_catalog(
            postgres_url
        ).close()  # its tables are those of a newer schema: the migration fails, the dump is there
    assert [one.name.split(".")[1].rsplit("-", 1)[0] for one in (tmp_path / "backups").iterdir()] == [
        "before-migration"
    ]


def test_without_pg_dump_it_is_said_and_the_work_goes_on(server: Catalog, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backup_before(server, "repair") is None
    assert capsys.readouterr().err == (
        f"No backup was made before the repair. Cannot back up {server.engine.url!r}: there is no pg_dump on this machine. "
        "Install PostgreSQL's client programs, or dump it where the database runs.\n"
    )


def test_a_server_that_is_not_there_is_one_sentence_and_no_file(tmp_path, capsys):
    url = make_url(f"postgresql+psycopg://stj:secret@/nothing?host={tmp_path}")
    assert dump_before(url, "dedupe", tmp_path / "backups") is None
    said = capsys.readouterr().err
    assert said.startswith("No backup was made before the dedupe. Cannot back up postgresql+psycopg://stj:***@/nothing")
    assert "secret" not in said
    assert list((tmp_path / "backups").iterdir()) == []
