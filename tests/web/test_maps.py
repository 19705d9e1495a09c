"""A run's map: computed once, joined with the catalogue as it is now, and blind to what was forgotten."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from stj_core.errors import ModelError
from stj_model.run_dir import Run
from stj_web import maps
from stj_web.maps import RunMap
from tests.dataset.filling import Shelf, draw, encode, item

from .conftest import MakeApp, form_token
from .test_forgotten import bury
from .test_pages import check

RUN = "2026-01"


def points(client: FlaskClient, query: str = "", run: str = RUN) -> dict[str, Any]:
    """The map's points, waited for."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = client.get(f"/runs/{run}/map.json{query}")
        if answer.status_code != 202:
            assert answer.status_code == 200, answer.json
            return dict(answer.json)
        assert answer.json["state"] == "computing"
        time.sleep(0.05)
    raise AssertionError("the map never came")


def test_every_judged_picture_is_on_the_map_with_class_answer_and_source(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    found = points(client)
    listed = {one["id"]: one for one in client.get("/api/v1/images?limit=200").json["images"]}
    known = {row for row, one in listed.items() if one["sha256"] in said}
    assert set(found["ids"]) == known
    assert len(found["ids"]) == len(known)
    for at, row in enumerate(found["ids"]):
        told = said[listed[row]["sha256"]]
        assert found["label"][at] == listed[row]["label"]
        assert found["right"][at] == told["right"]
        assert found["sources"][found["source"][at]] == told["source"]
        assert 0 <= found["x"][at] <= 10_000
        assert 0 <= found["y"][at] <= 10_000
    assert len({(x, y) for x, y in zip(found["x"], found["y"], strict=True)}) > len(known) / 2


def test_it_is_computed_once_and_read_from_the_cache_after_that(
    make_app: MakeApp, shelf: Shelf, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = points(make_app().test_client())
    monkeypatch.setattr(maps, "principal_components", None)
    assert points(make_app().test_client()) == first
    (kept,) = (shelf.root / "cache" / "maps").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    monkeypatch.undo()


def test_a_damaged_cache_is_computed_anew(make_app: MakeApp, shelf: Shelf, said: Any) -> None:
    first = points(make_app().test_client())
    for name in ("npz", "json"):
        (kept,) = (shelf.root / "cache" / "maps").glob(f"*.{name}")
        kept.write_bytes(kept.read_bytes()[:100])
        assert points(make_app().test_client()) == first


def test_a_decision_shows_on_the_map_at_once(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    before = points(client)
    row = before["ids"][0]
    other = (before["label"][0] + 1) % 3
    body = {"image_id": row, "action": "label", "label": other, "seen": 0}
    assert client.post("/api/v1/reviews", json=body).status_code == 201
    after = points(client)
    assert after["label"][after["ids"].index(row)] == other
    assert (after["x"], after["y"]) == (before["x"], before["y"])


@pytest.mark.medium
def test_a_forgotten_picture_is_on_no_map_and_in_no_list(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    before = points(client)
    points(client, "?by=tsne")
    row, beside = before["ids"][0], before["ids"][1]
    bury(shelf, row)  # without the cache: the map must not rely on that
    for query in ("", "?by=tsne"):
        after = points(client, query)
        assert row not in after["ids"]
        assert beside in after["ids"]
    for place in (
        f"/pictures/{beside}/like",
        f"/pictures/{beside}/like?by=features",
        f"/runs/{RUN}/neighbours?limit=200",
    ):
        text = client.get(place).get_data(as_text=True)
        assert f"/pictures/{row}/" not in text, place
        assert f'href="/pictures/{row}"' not in text, place
    assert client.get(f"/pictures/{row}/like").status_code == 410
    assert f"/pictures/{row}" not in client.get(f"/selection/tiles?pictures={row},{beside}").get_data(as_text=True)


def test_forgetting_deletes_the_map_that_lists_the_picture(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    row = points(client)["ids"][0]
    sha256 = client.get(f"/api/v1/images/{row}").json["image"]["sha256"]
    form = {"csrf_token": form_token(client), "sure": str(row)}
    kept = shelf.root / "cache" / "maps"
    assert list(kept.glob("*.json"))
    assert client.post(f"/pictures/{row}/forget", data=form).status_code == 200
    assert not [file for file in kept.glob("*") if sha256.encode() in file.read_bytes()]
    assert row not in points(client)["ids"]


def test_neighbours_across_classes_come_first_and_leave_when_the_label_is_mended(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    points(client)
    page = client.get(f"/runs/{RUN}/neighbours?limit=200").get_data(as_text=True)
    check(page)
    told = [(int(n), int(of)) for n, of in re.findall(r"<b>(\d+) of (\d+)</b> neighbours are of another class", page)]
    assert told
    assert [n for n, _ in told] == sorted((n for n, _ in told), reverse=True)
    assert all(1 <= n <= of for n, of in told)
    assert f"{len(told)} pictures with a neighbour of another class" in page
    rest = client.get(f"/runs/{RUN}/neighbours?limit=3&after=3").get_data(as_text=True)
    assert re.findall(r'value="(\d+):\d+" data-pick', rest) == re.findall(r'value="(\d+):\d+" data-pick', page)[3:6]
    ids = list(points(client)["ids"])
    headers = {"X-CSRFToken": form_token(client)}
    for row in ids:
        body = {"image_id": row, "action": "label", "label": 1, "seen": 0}
        assert client.post("/api/v1/reviews", json=body, headers=headers).status_code == 201
    assert "No label contradicts its neighbours" in client.get(f"/runs/{RUN}/neighbours").get_data(as_text=True)


def test_more_like_this_by_hash_has_the_copy_first(client: FlaskClient, shelf: Shelf) -> None:
    copy = next(one for one in client.get("/api/v1/images?status=duplicate").json["images"])
    for one, other in ((copy["id"], copy["duplicate_of"]), (copy["duplicate_of"], copy["id"])):
        page = client.get(f"/pictures/{one}/like").get_data(as_text=True)
        check(page)
        listed = [int(row) for row in re.findall(r'value="(\d+):\d+" data-pick', page)]
        assert listed[0] == other
        assert one not in listed
        bits = [tuple(map(int, pair)) for pair in re.findall(r"(\d+) of 64, (\d+) of 256 bits", page)]
        assert [wide for _, wide in bits] == sorted(wide for _, wide in bits)


def test_more_like_this_by_features_finds_a_new_picture_beside_its_original(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    found = points(client)
    row = found["ids"][4]
    data = shelf.store.read(client.get(f"/api/v1/images/{row}").json["image"]["path"])
    page = client.get(f"/pictures/{row}/like?by=features").get_data(as_text=True)
    assert row not in [int(one) for one in re.findall(r'value="(\d+):\d+" data-pick', page)]
    # A picture that the run never saw goes through its network.
    number = next(n for n in range(2_000) if encode(draw(n)) == data)
    shelf.add([item(0, 990, data=encode(draw(number), quality=88), key="new")], crawl="later")
    new = client.get("/api/v1/images?limit=1").json["images"][0]["id"]
    page = client.get(f"/pictures/{new}/like?by=features").get_data(as_text=True)
    assert int(re.findall(r'value="(\d+):\d+" data-pick', page)[0]) == row


def test_a_run_whose_features_are_damaged_is_told_in_a_sentence_each_time(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    folder = Path(shelf.root / "runs" / RUN).resolve()
    (folder / "neighbours.npz").write_bytes(b"no archive")
    for _ in range(2):
        until = time.monotonic() + 20
        while (answer := client.get(f"/runs/{RUN}/map.json")).status_code == 202 and time.monotonic() < until:
            time.sleep(0.02)
        assert answer.status_code == 409
        assert "neighbours.npz" in answer.json["error"]["message"]


@pytest.mark.medium
def test_more_than_the_bound_are_drawn_and_that_is_said(
    client: FlaskClient, shelf: Shelf, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = len(Run((shelf.root / "runs" / RUN).resolve()).neighbours().names)
    monkeypatch.setattr(maps, "MOST", 10)
    monkeypatch.setattr(maps, "NEAREST_MOST", 6)
    monkeypatch.setattr(maps, "TSNE_MOST", 5)
    found = points(client)
    assert len(found["ids"]) <= 10
    assert f"10 of {learned} pictures are shown, drawn at random." in found["notes"]
    assert "Neighbours are looked for among 6 pictures, drawn at random." in found["notes"]
    placed = points(client, "?by=tsne")
    assert len(placed["ids"]) <= 5
    assert "t-SNE places 5 of 10 pictures, drawn at random." in placed["notes"]


def test_without_scikit_learn_tsne_says_what_brings_it(
    client: FlaskClient, shelf: Shelf, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    points(client)
    for module in ("stj_web.maps", "stj_web.views.maps"):
        monkeypatch.setattr(f"{module}.has_tsne", lambda: False)
    answer = client.get(f"/runs/{RUN}/map.json?by=tsne")
    assert answer.status_code == 503
    assert "pip install 'stj[map]'" in answer.json["error"]["message"]
    page = client.get(f"/runs/{RUN}/map").get_data(as_text=True)
    check(page)
    assert "pip install 'stj[map]'" in page


def test_a_hundred_thousand_points_are_joined_in_bounds(rng: np.random.Generator) -> None:
    """The map itself, without a catalogue: neighbours of one feature among a hundred thousand."""
    n = 100_000
    small = rng.normal(size=(n, 64)).astype(np.float32)
    found = RunMap([f"{number:064x}" for number in range(n)], small[:, :2], small, None, None, None, None)  # type: ignore[arg-type]  # not asked for
    began = time.perf_counter()
    near = found.nearest(small[7], 60)
    assert time.perf_counter() - began < 2
    assert len(near) == 60


def test_nothing_is_not_placed() -> None:
    with pytest.raises(ModelError):
        maps.principal_components(np.empty((0, 3), np.float32))
