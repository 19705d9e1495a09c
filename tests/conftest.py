"""What every test stands on: its own folder, no settings or credentials of the person who runs it, no way off this machine."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from stj_catalog.catalog import Catalog, open_catalog

SEED = 42
ROOT = Path(__file__).resolve().parents[1]
_FOREIGN = ("STJ_", "SCRAPY_", "AWS_", "PG", "KAGGLE_", "HF_", "GOOGLE_")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")

# The same examples on every run and machine, and no time limit for one of them on a machine that others use too.
settings.register_profile("house", derandomize=True, deadline=None, database=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin in an empty folder with default settings, seeded, and able to reach loopback only."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("STJ_CATALOG", str(tmp_path / "catalog.sqlite"))
    for name in ("images", "runs", "cache"):
        monkeypatch.setenv(f"STJ_{name.upper()}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, _only_loopback(getattr(socket.socket, method)))
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - libraries that read the old global state begin the same too


def _only_loopback(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in {"localhost", "::1"} and not str(host).startswith("127."):
            raise RuntimeError(f"A test tried to reach {address!r}: tests use loopback only.")
        return connect(self, address)

    return guarded


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and pages beside the checkout; skips where there is none."""
    folder = ROOT.parent / "shared"
    if not (folder / "garments").is_dir():
        pytest.skip("no ../shared beside the checkout: real photographs and pages are not there")
    return folder


@pytest.fixture(scope="session")
def blank_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue's file, to copy: migrating is slower."""
    file = tmp_path_factory.mktemp("blank") / "catalog.sqlite"
    open_catalog(str(file), create=True).close()
    return file


@pytest.fixture
def catalog(blank_catalog: Path, tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalogue where STJ_CATALOG says."""
    shutil.copyfile(blank_catalog, tmp_path / "catalog.sqlite")
    opened = open_catalog(str(tmp_path / "catalog.sqlite"))
    yield opened
    opened.close()
