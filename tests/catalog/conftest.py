"""The catalogue's tests run over SQLite, and over PostgreSQL where its programs are found."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from stj_catalog.catalog import Catalog, open_catalog

_NUMBER = count()


@dataclass
class Cluster:
    """A throwaway PostgreSQL cluster that can be stopped and started again."""

    command: list[object]
    account: dict[str, object]
    url: str
    server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.server = subprocess.Popen(self.command, **self.account)
        _wait_for(self.url % "postgres", self.server)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)
            self.server = None


@pytest.fixture(scope="session")
def postgres(postgres_cluster: Cluster) -> str:
    """The URL of a throwaway PostgreSQL cluster, without its database."""
    return postgres_cluster.url


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A throwaway PostgreSQL cluster; skips where there are no programs for one."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not on this machine")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'stj[postgres]'")
    folder = Path(tempfile.mkdtemp(prefix="stj-pg-"))
    user = _owner(folder)
    account = {} if user == getpass.getuser() else {"user": user, "extra_groups": []}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **account}
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "stj", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
        check=True,
        **quiet,
    )
    fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=32MB")
    options = [part for one in (*fast, f"unix_socket_directories={folder}") for part in ("-c", one)]
    url = f"postgresql+psycopg://stj@/%s?host={folder}"
    cluster = Cluster([programs / "postgres", "-D", data, *options], quiet, url)
    try:
        cluster.start()
        with _admin(url) as connection:
            connection.execute(text("CREATE DATABASE blank"))
        open_catalog(url % "blank", create=True).close()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def no_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a catalogue that nobody made yet; `indirect`: sqlite or postgresql."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.sqlite"
        return
    url = str(request.getfixturevalue("postgres"))
    name = f"nothing_{next(_NUMBER)}"
    with _admin(url) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url % name
    with _admin(url) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL of an empty catalogue on PostgreSQL."""
    name = f"catalog_{next(_NUMBER)}"
    with _admin(postgres) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE blank"))
    yield postgres % name
    with _admin(postgres) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, blank_catalog: Path, tmp_path: Path) -> str:
    """The URL of an empty catalogue, over each database in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    shutil.copyfile(blank_catalog, tmp_path / "catalog.sqlite")
    return f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    """An empty catalogue, over each database in turn."""
    opened = open_catalog(catalog_url)
    yield opened
    opened.close()


def _programs() -> Path | None:
    """The folder of initdb and postgres."""
    places = [Path(shutil.which("initdb") or "/nowhere/initdb").resolve().parent]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path(shutil.which("initdb") or "/nowhere/initdb").parent]
    return next((one for one in places if (one / "initdb").exists() and (one / "postgres").exists()), None)


def _owner(folder: Path) -> str:
    """Who the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    name = next(one for one in ("postgres", "nobody") if _exists(one))
    shutil.chown(folder, name)
    return name


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = create_engine(url, poolclass=NullPool)
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL did not start"
        with contextlib.suppress(OperationalError):
            engine.connect().close()
            return
        time.sleep(0.1)
    raise AssertionError("PostgreSQL did not answer within 30 s")


@contextlib.contextmanager
def _admin(url: str):
    engine = create_engine(url % "postgres", isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
