"""A forgotten picture is handed out by no door of the studio, under none of its checksums; forgetting asks first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from stj_catalog.catalog import Catalog
from stj_catalog.forget import forget
from stj_catalog.forgotten import forgotten_among
from stj_catalog.schema import export_images
from stj_dataset.export import ExportSettings, export_dataset
from stj_dataset.manifest import ManifestRow, read_manifest
from stj_images.likeness import Thresholds
from tests.dataset.filling import Shelf, draw, encode, item

from .conftest import MakeApp, form_token
from .running import make_run
from .test_classify import send


@pytest.fixture
def learned(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that learned from an export of the catalogue, in which some files are converted: their checksum is another."""
    shelf.add([item(0, 951, data=encode(draw(951), "PNG"), key="png")], crawl="third")
    options = ExportSettings(out=tmp_path / "dataset")
    export_dataset(shelf.catalog, shelf.store, shelf.labels, options, thresholds=Thresholds())
    run = make_run(tmp_path / "runs", tmp_path / "dataset", 1)
    monkeypatch.setenv("STJ_RUNS", str(tmp_path / "runs"))
    return run


def rows_of(run: Path) -> list[ManifestRow]:
    return read_manifest(run)


def id_of(client: FlaskClient, sha256: str) -> int:
    found = client.get(f"/api/v1/trace?q={sha256}").json["pictures"]
    return int(next(one["id"] for one in found if one["sha256"] == sha256))


def bury(shelf: Shelf, image_id: int) -> None:
    """Forget a picture as the terminal does, but leave what the cache made of it: the studio must not rely on that."""
    forget(
        shelf.catalog, shelf.store, [image_id], Thresholds(), cache=shelf.root / "no-cache", runs=shelf.root / "no-runs"
    )


@pytest.mark.parametrize("converted", [False, True])
def test_no_door_hands_out_a_forgotten_picture(make_app: MakeApp, shelf: Shelf, learned: Path, converted: bool) -> None:
    app = make_app()
    client = app.test_client()
    row = next(one for one in rows_of(learned) if (one.sha256 != one.original_sha256) is converted)
    name, number = learned.name, id_of(client, row.original_sha256)
    title = client.get(f"/api/v1/images/{number}").json["sightings"][0]["title"]
    original = shelf.store.read(client.get(f"/api/v1/images/{number}").json["image"]["path"])
    (learned / "mistakes.json").write_text(
        json.dumps(
            [{"sha256": row.sha256, "true": 0, "label": 1, "asin": row.asin, "probabilities": {"0": 0.1, "1": 0.9}}]
        ),
        encoding="utf-8",
    )
    doors = [
        *(f"/pictures/{number}/tile.jpg", f"/pictures/{number}/large.jpg", f"/pictures/{number}/original"),
        *(f"/pictures/{number}", f"/pictures/{number}/forget", f"/api/v1/images/{number}"),
        f"/runs/{name}/pictures/{row.sha256}",
    ]
    tags = {}
    for door in doors:
        answer = client.get(door, buffered=True)
        assert answer.status_code == 200, door
        tags[door] = answer.headers.get("ETag", "none")
    assert row.sha256 in {
        one["sha256"] for one in send(app.test_client(), ("a.jpg", original)).json["answers"][0]["nearest"]
    }
    assert row.sha256 in client.get(f"/runs/{name}").get_data(as_text=True)

    bury(shelf, number)
    for door in doors:
        for headers in ({}, {"If-None-Match": tags[door]}):
            answer = client.get(door, buffered=True, headers=headers)
            assert answer.status_code == 410, door
            assert b"forgotten" in answer.data
            assert title.encode() not in answer.data
    near = send(app.test_client(), ("a.jpg", original)).json["answers"][0]["nearest"]
    assert len(near) == 3
    assert row.sha256 not in {one["sha256"] for one in near}
    report = client.get(f"/runs/{name}/report").get_data(as_text=True)
    assert "1 picture of this run's dataset was forgotten since" in report
    assert "The report" in report
    page = client.get(f"/runs/{name}").get_data(as_text=True)
    assert row.sha256 not in page
    assert "1 mistake of the run is not shown: the picture was forgotten." in page
    for place in (
        "/catalogue?status=forgotten",
        "/datasets/1",
        f"/why?q={number}",
        "/crawls/1",
        "/review?queue=suspects",
    ):
        text = client.get(place).get_data(as_text=True)
        assert f"/pictures/{number}/tile.jpg" not in text, place
        assert row.sha256[:12] not in text, place
        assert f'title="{title}"' not in text, place
    with shelf.catalog.read() as connection:
        held = (
            connection.execute(select(export_images.c.file).where(export_images.c.image_id == number)).scalars().all()
        )
    assert held == [None]
    for place in ("/datasets/1.csv", "/datasets/1.json", "/catalogue.csv", "/catalogue.json?status=forgotten"):
        text = client.get(place).get_data(as_text=True)
        assert row.original_sha256[:12] not in text, place
        assert row.sha256[:12] not in text, place
    for place in ("images?status=forgotten", f"trace?q={number}", "sightings?limit=200", "images?limit=200"):
        text = client.get(f"/api/v1/{place}").get_data(as_text=True)
        assert row.original_sha256[:12] not in text, place
        assert f"/pictures/{number}/" not in text, place
        assert json.dumps(title)[1:-1] + '"' not in text, place


def test_browsers_ask_anew_for_every_picture(client: FlaskClient, shelf: Shelf) -> None:
    """What a browser kept without asking would be shown after it was forgotten."""
    for door in ("/pictures/1/tile.jpg", "/pictures/1/large.jpg", "/pictures/1/original"):
        first = client.get(door, buffered=True)
        assert first.headers["Cache-Control"] == "private, no-cache", door
        again = client.get(door, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304, door


def test_a_copy_of_a_forgotten_picture_is_not_shown_either(client: FlaskClient, shelf: Shelf) -> None:
    bury(shelf, 3)
    copy = encode(draw(2), quality=55)  # it comes in by a later crawl, under another address
    shelf.add([item(0, 960, data=copy, key="later")], crawl="later")
    newest = client.get("/api/v1/images?limit=1").json["images"][0]
    assert newest["reason"] == "forgotten_copy"
    assert newest["thumbnail"] is None
    assert client.get(f"/pictures/{newest['id']}/tile.jpg").status_code == 410


def test_a_checksum_is_known_by_original_by_copy_and_by_written_file(
    catalog: Catalog, shelf: Shelf, learned: Path
) -> None:
    row = next(one for one in rows_of(learned) if one.sha256 != one.original_sha256)
    others = [one.sha256 for one in rows_of(learned) if one != row]
    asked = [row.sha256, row.original_sha256, *others, "f" * 64]
    assert forgotten_among(catalog, asked) == set()
    with shelf.catalog.read() as connection:
        number = connection.exec_driver_sql(
            "SELECT id FROM images WHERE sha256 = ?", (row.original_sha256,)
        ).scalar_one()
    bury(shelf, number)
    assert forgotten_among(catalog, asked) == {row.sha256, row.original_sha256}


def test_a_file_that_is_not_what_the_run_learned_is_not_shown(client: FlaskClient, shelf: Shelf, learned: Path) -> None:
    row = rows_of(learned)[0]
    other = rows_of(learned)[1]
    dataset = Path(json.loads((learned / "config.json").read_text())["dataset"])
    shutil.copyfile(dataset / other.file, dataset / row.file)
    (shelf.root / "images" / row.original_sha256[:2] / f"{row.original_sha256}.jpg").unlink()
    assert client.get(f"/runs/{learned.name}/pictures/{row.sha256}").status_code == 404


def test_forgetting_asks_first_and_needs_the_forms_own_token(client: FlaskClient, shelf: Shelf) -> None:
    page = client.get("/pictures/1/forget").get_data(as_text=True)
    assert "It cannot be undone." in page
    token = form_token(client)
    refused = client.post("/pictures/1/forget", data={"sure": "1"}, headers={"Origin": "http://evil.example"})
    assert refused.status_code in {400, 403}
    for sure in ("", "2", "yes"):
        answer = client.post("/pictures/1/forget", data={"csrf_token": token, "sure": sure})
        assert answer.status_code == 400
        assert "type the picture&#39;s number 1" in answer.get_data(as_text=True)
    assert client.get("/pictures/1/tile.jpg", buffered=True).status_code == 200
    done = client.post("/pictures/1/forget", data={"csrf_token": token, "sure": "1"})
    assert done.status_code == 200
    assert "is forgotten" in done.get_data(as_text=True)
    assert client.get("/pictures/1").status_code == 410
    assert client.post("/pictures/1/forget", data={"csrf_token": token, "sure": "1"}).status_code == 410


def test_forgetting_is_a_write(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app(token="x" * 20).test_client()
    answer = client.post("/pictures/1/forget", data={"sure": "1", "csrf_token": form_token(client)})
    assert answer.status_code == 401
    assert client.get("/pictures/1").status_code == 200
