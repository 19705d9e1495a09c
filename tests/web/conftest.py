"""A studio over a small filled catalogue, and one over trained runs."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from stj_catalog.catalog import Catalog, open_catalog
from stj_core.config import read_config
from stj_dataset.export import ExportSettings, export_dataset
from stj_dataset.manifest import read_manifest
from stj_images.likeness import Thresholds
from stj_web import create_app
from stj_web.serve import make_server
from stj_web.settings import WebConfig
from tests.dataset.filling import Shelf, draw, encode, item, items
from tests.model.conftest import make_dataset

from .running import make_run

MakeApp = Callable[..., Flask]
Serve = Callable[..., str]


@pytest.fixture(scope="session")
def stocked(blank_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of each class, a duplicate, a copy under another class and a doubtful title, to copy."""
    place = tmp_path_factory.mktemp("stocked")
    shutil.copyfile(blank_catalog, place / "catalog.sqlite")
    catalog = open_catalog(str(place / "catalog.sqlite"))
    found = Shelf(catalog, place)
    found.add(items(10))
    copy = encode(draw(3), quality=60)
    more = [
        item(0, 900, data=copy, asin="B000000900", key="copy"),
        item(1, 5, asin="B000000901", key="conflict", data=encode(draw(5), quality=55)),
        item(2, 902, reason="title_mismatch", title="Denim jacket"),
        item(2, 903, brand="Zebra", title="Blue jeans with 100% cotton_stretch"),
    ]
    found.add(more, crawl="second")
    catalog.close()
    return place


@pytest.fixture
def shelf(stocked: Path, tmp_path: Path) -> Iterator[Shelf]:
    """The stocked catalogue and its pictures, for a test's own use."""
    shutil.copyfile(stocked / "catalog.sqlite", tmp_path / "catalog.sqlite")
    shutil.copytree(stocked / "images", tmp_path / "images")
    opened = open_catalog(str(tmp_path / "catalog.sqlite"))
    yield Shelf(opened, tmp_path)
    opened.close()


@pytest.fixture
def catalog(shelf: Shelf) -> Catalog:
    """The stocked catalogue."""
    return shelf.catalog


@pytest.fixture
def make_app(request: pytest.FixtureRequest) -> Iterator[MakeApp]:
    """Make a studio with some of its own settings changed; scrapyd is never asked unless a test says so."""
    if "runs" in request.fixturenames:
        request.getfixturevalue("runs")  # the settings are read when the studio is made
    made: list[Flask] = []

    def make(**settings: object) -> Flask:
        given = {"scrapyd": "", "reviewer": "asha"} | settings
        app = create_app(read_config(), WebConfig(**given))  # type: ignore[arg-type]  # a test may change any setting
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["stj"].close()


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """A program that asks the studio."""
    return make_app().test_client()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two small runs, to read, not to change."""
    place = tmp_path_factory.mktemp("trained")
    data = make_dataset(place / "dataset", per_class=8)
    for number in (1, 2):
        make_run(place / "runs", data, number)
    return place / "runs"


@pytest.fixture
def runs(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The studio's runs are the trained ones."""
    monkeypatch.setenv("STJ_RUNS", str(trained))
    return trained


@pytest.fixture(scope="session")
def judged(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A run over an export of the stocked catalogue, and what its files say of each picture, by original checksum."""
    place = tmp_path_factory.mktemp("judged")
    shutil.copyfile(stocked / "catalog.sqlite", place / "catalog.sqlite")
    shutil.copytree(stocked / "images", place / "images")
    catalog = open_catalog(str(place / "catalog.sqlite"))
    shelf = Shelf(catalog, place)
    export_dataset(catalog, shelf.store, shelf.labels, ExportSettings(out=place / "dataset"), thresholds=Thresholds())
    catalog.close()
    run = make_run(place / "runs", place / "dataset", 1)
    rows = {row.sha256: row for row in read_manifest(run)}
    found: dict[str, dict[str, Any]] = {}
    for way, name in (("out_of_fold", "out_of_fold.csv"), ("test", "predictions.csv")):
        with (run / name).open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                shares = [float(line[f"p{label}"]) for label in range(3)]
                row = rows[line["sha256"]]
                found[row.original_sha256] = {
                    "judged": way,
                    "probability": max(shares),
                    "guess": shares.index(max(shares)),
                    "label": row.label,
                    "split": row.split,
                    "right": shares.index(max(shares)) == row.label,
                    "source": row.source,
                }
    return place / "runs", found


@pytest.fixture
def said(
    judged: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """The run as the studio's own, to change, and what it says."""
    shutil.copytree(judged[0], tmp_path / "runs", symlinks=True)
    monkeypatch.setenv("STJ_RUNS", str(tmp_path / "runs"))
    return judged[1]


def form_token(client: FlaskClient, page: str = "/classify") -> str:
    """The CSRF token that a page carries."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get(page).get_data(as_text=True))
    assert found is not None
    return found[1]


def run(server: Any) -> None:
    """Serve until the sockets are closed from outside, which ends the loop with an error."""
    with contextlib.suppress(OSError):
        server.run()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve the studio as `stj-web` does, on a free port of this machine."""
    servers: list[tuple[Any, threading.Thread, Flask]] = []

    def start(**settings: object) -> str:
        given = {"port": 0, "scrapyd": "", "reviewer": "asha"} | settings
        config, web = read_config(), WebConfig(**given)  # type: ignore[arg-type]  # a test may change any setting
        app = create_app(config, web)
        server = make_server(config, web, app)
        thread = threading.Thread(target=run, args=(server,), daemon=True)
        thread.start()
        servers.append((server, thread, app))
        return f"http://127.0.0.1:{server.effective_port}"

    yield start
    for server, thread, app in servers:
        server.task_dispatcher.shutdown()
        server.close()
        thread.join(10)
        app.extensions["stj"].close()
