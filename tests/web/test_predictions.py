"""What a run says of every picture: shown, filtered and sorted by, linked to, decided about at once, and taken away as a file."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from stj_dataset.export import ExportSettings, export_dataset
from stj_dataset.manifest import read_manifest
from stj_images.likeness import Thresholds
from stj_web.predictions import Prediction, by_shop, reliability
from tests.dataset.filling import Shelf, item

from .conftest import MakeApp, form_token
from .test_pages import check

RUN = "2026-01"


def listed(client: FlaskClient, query: str) -> list[dict[str, Any]]:
    """A whole list, page by page."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = client.get(f"/api/v1/images?limit=7&{query}{after}").json
        found += answer["images"]
        if answer["next"] is None:
            assert len({one["id"] for one in found}) == len(found), "no picture twice"
            return found
        after = f"&after={answer['next']}"


def test_every_judged_picture_carries_what_the_run_says(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    shown = {one["sha256"]: one["model"] for one in listed(client, "") if one["model"]}
    assert set(shown) == set(said)
    for sha256, model in shown.items():
        assert {name: model[name] for name in said[sha256]} == pytest.approx(said[sha256])
        assert model["run"] == RUN
    assert {one["model"] is None for one in listed(client, "status=duplicate")} == {True}


@pytest.mark.parametrize(
    ("query", "takes"),
    [
        ("right=no", lambda one: not one["right"]),
        ("right=yes&judged=test", lambda one: one["right"] and one["judged"] == "test"),
        ("split=train", lambda one: one["split"] == "train"),
        ("true=1&guess=2", lambda one: (one["label"], one["guess"]) == (1, 2)),
        ("sure_from=0.34&sure_to=0.36", lambda one: 0.34 <= one["probability"] <= 0.36),
        ("shop=Acme", lambda one: one["source"] == "Acme"),
        ("sort=surest", lambda _: True),
        (f"run={RUN}&judged=out_of_fold&sort=least_sure", lambda one: one["judged"] == "out_of_fold"),
    ],
)
def test_each_filter_takes_what_it_says(client: FlaskClient, shelf: Shelf, said: Any, query: str, takes: Any) -> None:
    wanted = {sha256 for sha256, one in said.items() if takes(one)}
    if "judged=out_of_fold" in query:
        wanted = {one["sha256"] for one in listed(client, "sort=surest")}  # every picture was judged out of fold, too
    found = listed(client, query)
    assert {one["sha256"] for one in found} == wanted
    assert len(found) == len(wanted)
    page = client.get(f"/catalogue?{query}").get_data(as_text=True)
    check(page)
    assert f">{len(wanted)} picture" in page


def test_the_order_is_what_was_asked_for_and_alike_ones_are_newest_first(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    for sort, sign in (("surest", -1), ("least_sure", 1)):
        keys = [(sign * one["model"]["probability"], -one["id"]) for one in listed(client, f"sort={sort}")]
        assert keys == sorted(keys)
    far = [one["model"]["out_of_scope"] for one in listed(client, "sort=farthest")]
    known = [one for one in far if one is not None]
    assert far[: len(known)] == sorted(known, reverse=True), "those without a distance come last"
    ids = [one["id"] for one in listed(client, "sort=newest&right=no")]
    assert ids == sorted(ids, reverse=True)


def test_the_runs_and_the_catalogues_filters_work_together(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    both = listed(client, "right=no&label=2&status=kept")
    assert both
    assert {(one["label"], one["status"], one["model"]["right"]) for one in both} == {(2, "kept", False)}
    assert len(both) < len(listed(client, "right=no"))


def test_what_cannot_be_asked_is_refused(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    for query, status in (
        ("answer=shirt", 404),
        ("run=nothing", 404),
        ("sort=best", 400),
        ("right=perhaps", 400),
        ("sure_from=1.5", 400),
        ("sure_from=nan", 400),
        ("split=all", 400),
        ("right=no&before=5", 400),
    ):
        assert client.get(f"/catalogue?{query}").status_code == status, query


def test_a_list_is_reviewed_one_by_one_in_its_own_order(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    query = "right=no&sort=surest&label=2"
    page = client.get(f"/review?queue=list&{query}&limit=200").get_data(as_text=True)
    check(page)
    shown = [int(number) for number in re.findall(r'class="card pick" id="card-(\d+)"', page)]
    assert shown == [one["id"] for one in listed(client, query)]
    assert "% sure" in page
    assert f'href="/catalogue?{query.replace("&", "&amp;")}"' in page


def test_without_a_run_the_gallery_is_there_and_its_filters_say_what_lacks(client: FlaskClient, shelf: Shelf) -> None:
    assert client.get("/catalogue").status_code == 200
    answer = client.get("/api/v1/images?right=no")
    assert answer.status_code == 503
    assert "stj-model train" in answer.json["error"]["message"]
    assert {one["model"] for one in listed(client, "")} == {None}


def test_damaged_predictions_are_said_and_leave_the_gallery(
    client: FlaskClient, shelf: Shelf, said: Any, tmp_path: Path
) -> None:
    path = tmp_path / "runs" / RUN / "predictions.csv"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines, "x,y", lines[1].replace(lines[1].split(",")[3], "nan"), "f,," + "9" * 64]) + "\n"
    )
    page = client.get("/catalogue?right=no").get_data(as_text=True)
    assert "3 lines of the run&#39;s predictions cannot be read." in page
    path.write_bytes(b"sha256,\xff")
    page = client.get("/catalogue")
    assert page.status_code == 200
    assert "cannot be shown" in page.get_data(as_text=True)
    assert client.get("/catalogue?right=no").status_code == 503


def test_a_number_of_the_run_page_is_the_number_of_its_view(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    page = client.get(f"/runs/{RUN}").get_data(as_text=True)
    check(page)
    links = re.findall(r'<a href="(/catalogue\?[^"]*)">(\d+)</a>', page)
    cells = [(link, n) for link, n in links if "true=" in link]
    assert cells
    assert any("right=no" in link and "shop=" in link for link, _ in links)
    bars = re.findall(r'<a href="(/catalogue\?[^"]*sure_from[^"]*)">.*?of (\d+)</span>', page)
    assert sum(int(n) for _, n in bars) == len(said)
    for link, n in [*links, *bars]:
        view = client.get(link.replace("&amp;", "&")).get_data(as_text=True)
        assert f">{n} picture" in view, link


def test_the_cells_of_shops_left_out_are_links_too(
    client: FlaskClient, shelf: Shelf, said: Any, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / RUN
    before = client.get(f"/runs/{RUN}").get_data(as_text=True)
    assert "judged=leave_sources_out" not in before, "no cell leads to pictures that were never written"
    lines = list(csv.DictReader((run / "out_of_fold.csv").read_text().splitlines()))
    (run / "leave_sources_out.csv").write_text((run / "out_of_fold.csv").read_text())
    guesses = [max(range(3), key=lambda label, line=line: float(line[f"p{label}"])) for line in lines]  # type: ignore[misc]  # bound now
    confusion = [[0] * 3 for _ in range(3)]
    for line, guess in zip(lines, guesses, strict=True):
        confusion[int(line["label"])][guess] += 1
    metrics = json.loads((run / "metrics.json").read_text())
    right = sum(confusion[label][label] for label in range(3))
    figure = metrics["figures"]["test"] | {"split": "leave_sources_out", "n": len(lines), "correct": right}
    figure |= {"accuracy": right / len(lines), "interval": [0.0, 1.0], "confusion": confusion}
    metrics["figures"]["leave_sources_out"] = figure
    (run / "metrics.json").write_text(json.dumps(metrics))
    page = client.get(f"/runs/{RUN}").get_data(as_text=True)
    check(page)
    cells = re.findall(r'<a href="(/catalogue\?[^"]*judged=leave_sources_out[^"]*)">(\d+)</a>', page)
    assert sum(int(n) for _, n in cells) == len(lines)
    for link, n in cells:
        assert f">{n} picture" in client.get(link.replace("&amp;", "&")).get_data(as_text=True), link


@pytest.mark.parametrize("queue", ["kept", "groups", "suspects", "quarantine"])
def test_a_queue_is_narrowed_and_ordered_by_what_the_run_says(
    client: FlaskClient, shelf: Shelf, said: Any, queue: str
) -> None:
    shelf.add(
        [item(0, 5, asin="B000000700", key="family-1"), item(0, 6, asin="B000000700", key="family-2")], crawl="later"
    )
    whole = client.get(f"/review?queue={queue}&limit=200").get_data(as_text=True)
    page = client.get(f"/review?queue={queue}&right=no&sort=surest&limit=200").get_data(as_text=True)
    check(page)
    number = r'class="card pick" id="card-(\d+)"'
    shown = [int(one) for one in re.findall(number, page)]
    wanted = {one["id"]: at for at, one in enumerate(listed(client, "right=no&sort=surest"))}
    if queue == "groups":
        assert "group" in page
        return
    assert set(shown) <= set(wanted)
    assert shown == sorted(shown, key=lambda one: wanted[one])
    if queue == "kept":
        assert set(shown) == set(wanted) & {int(one) for one in re.findall(number, whole)}
        assert shown


def test_duplicates_are_narrowed_by_what_the_run_says_of_the_kept_one(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    every = client.get("/duplicates.json").json
    assert every
    kept = {one["kept_id"]: said.get(one["kept_sha256"]) for one in every}
    for right in ("yes", "no"):
        found = client.get(f"/duplicates.json?right={right}").json
        wanted = {row for row, one in kept.items() if one is not None and one["right"] is (right == "yes")}
        assert {one["kept_id"] for one in found} == wanted
        page = client.get(f"/duplicates?right={right}").get_data(as_text=True)
        check(page)
        assert page.count('class="pair card"') == len(found)
    assert client.get("/duplicates?rigth=no").status_code == 400


def test_reliability_counts_every_picture_once() -> None:
    some = [
        Prediction("test", str(at), at % 2, 0, "saree", share, "test", "shop" if at % 3 else "", None)
        for at, share in enumerate((0.35, 0.399999, 0.4, 0.9, 0.999999, 1.0))
    ]
    bins = reliability(some)
    assert [(one.low, one.n, one.right) for one in bins] == [(0.3, 2, 1), (0.4, 1, 1), (0.9, 3, 1)]
    for one in bins:
        assert one.n == sum(one.low <= each.probability <= one.high for each in some)
    assert by_shop(some) == [("shop", 4, 2), ("", 2, 1)]


def picks(client: FlaskClient, query: str) -> tuple[list[str], str]:
    """The boxes of a page that can be ticked, and the page's token."""
    page = client.get(f"/catalogue?{query}").get_data(as_text=True)
    return re.findall(r'name="pick" value="([^"]+)"', page), form_token(client, f"/catalogue?{query}")


def test_the_wrong_jeans_of_a_shop_are_relabelled_at_once_and_taken_back_at_once(
    client: FlaskClient, shelf: Shelf, said: Any
) -> None:
    query = "true=2&right=no&shop=Acme"
    boxes, token = picks(client, query)
    assert len(boxes) > 3
    form = {"csrf_token": token, "pick": boxes, "decision": "label 1", "back": f"/catalogue?{query}"}
    answer = client.post("/selection/decide", data=form)
    assert answer.status_code == 302
    assert answer.location == f"/catalogue?{query}"
    ids = {int(box.split(":")[0]) for box in boxes}
    assert {one["id"] for one in listed(client, "label=1")} >= ids
    decisions = client.get("/api/v1/reviews?limit=200").json["reviews"]
    assert {one["image_id"] for one in decisions} == ids
    assert {one["reviewer"] for one in decisions} == {"asha"}
    page = client.get(answer.location).get_data(as_text=True)
    assert f"{len(boxes)} pictures: Trousers." in page
    undo = re.search(r'name="reviews" value="([^"]+)"', page)
    assert undo
    back = client.post("/selection/undo", data={"csrf_token": token, "reviews": undo[1], "back": "/catalogue"})
    assert back.status_code == 302
    assert not {one["id"] for one in listed(client, "label=1")} & ids
    assert all(one["undone_at"] for one in client.get("/api/v1/reviews?limit=200").json["reviews"])


def test_a_decision_about_many_is_made_about_all_or_none(client: FlaskClient, shelf: Shelf) -> None:
    first = client.post("/api/v1/reviews", json={"image_id": 3, "action": "keep", "seen": 0}).json["review"]["id"]
    several = [{"image_id": number, "seen": 0} for number in (1, 2, 3)]
    overtaken = client.post("/api/v1/reviews/batch", json={"pictures": several, "action": "reject"})
    assert overtaken.status_code == 409
    assert overtaken.json["error"]["decision"]["id"] == first
    missing = client.post(
        "/api/v1/reviews/batch", json={"pictures": [*several[:2], {"image_id": 99_999, "seen": 0}], "action": "reject"}
    )
    assert missing.status_code == 404
    assert [one["id"] for one in client.get("/api/v1/reviews").json["reviews"]] == [first]
    several[2]["seen"] = first
    done = client.post("/api/v1/reviews/batch", json={"pictures": several, "action": "reject", "reason": "blurred"})
    assert done.status_code == 201
    assert {one["image"]["status"] for one in done.json["decided"]} == {"rejected"}
    ids = [one["review"]["id"] for one in done.json["decided"]]
    assert client.post("/api/v1/reviews/undo", json={"reviews": [*ids, 99_999]}).status_code == 404
    assert client.post("/api/v1/reviews/undo", json={"reviews": ids}).status_code == 200
    assert client.post("/api/v1/reviews/undo", json={"reviews": ids}).status_code == 409


def test_thirty_are_marked_as_none_of_the_classes_at_once(client: FlaskClient, shelf: Shelf) -> None:
    boxes, token = picks(client, "status=kept&limit=30")
    assert len(boxes) == 30
    form = {"csrf_token": token, "pick": boxes, "decision": "none", "back": "/catalogue"}
    page = client.post("/selection/decide", data=form, follow_redirects=True).get_data(as_text=True)
    assert "30 pictures: none of the classes." in page
    decided = client.get("/api/v1/reviews?limit=200").json["reviews"]
    assert [one["action"] for one in decided] == ["none"] * 30
    ids = {int(box.split(":")[0]) for box in boxes}
    rows = {one["id"]: (one["status"], one["label"]) for one in listed(client, "")}
    assert {rows[one] for one in ids} == {("kept", None)}
    assert {one["id"] for one in listed(client, "label=none")} == ids


@pytest.mark.parametrize(
    "form",
    [
        {"pick": []},
        {"pick": ["1"]},
        {"pick": ["x:0"]},
        {"pick": ["1:0"], "decision": "label 99"},
        {"pick": ["1:0"], "decision": "burn"},
        {"pick": [f"{number}:0" for number in range(1, 300)], "decision": "keep"},
    ],
)
def test_what_is_no_decision_about_many_changes_nothing(
    client: FlaskClient, shelf: Shelf, form: dict[str, Any]
) -> None:
    answer = client.post("/selection/decide", data={"csrf_token": form_token(client), **form})
    assert answer.status_code in {400, 404}
    assert client.get("/api/v1/reviews").json["reviews"] == []


def test_forgetting_many_asks_for_their_number(client: FlaskClient, shelf: Shelf) -> None:
    boxes, token = picks(client, "status=kept&limit=5")
    form = {"csrf_token": token, "pick": boxes, "decision": "forget"}
    asked = client.post("/selection/decide", data=form)
    ids = sorted(int(box.split(":")[0]) for box in boxes)
    page = client.get(asked.location).get_data(as_text=True)
    check(page)
    assert "It cannot be undone." in page
    given = {"csrf_token": token, "pictures": ",".join(map(str, ids))}
    assert client.post("/selection/forget", data={**given, "sure": "4"}).status_code == 400
    assert client.get(f"/pictures/{ids[0]}").status_code == 200
    assert client.post("/selection/forget", data={**given, "sure": "5"}).status_code == 200
    assert {client.get(f"/pictures/{one}").status_code for one in ids} == {410}


def test_a_view_is_taken_away_whole_as_csv_and_json(client: FlaskClient, shelf: Shelf, said: Any) -> None:
    evil = '=HYPERLINK("http://evil.example")'
    shelf.add([item(0, 970, title=evil)], crawl="third")
    for query in ("", "right=no&sort=surest", "status=duplicate", "text=nothing+like+it"):
        wanted = listed(client, query)
        table = client.get(f"/catalogue.json?{query}")
        assert table.headers["Content-Disposition"] == 'attachment; filename="pictures.json"'
        rows = json.loads(table.data)
        assert [row["id"] for row in rows] == [one["id"] for one in wanted]
        assert [row["model_right"] for row in rows] == [one["model"] and one["model"]["right"] for one in wanted]
        text = client.get(f"/catalogue.csv?{query}").get_data(as_text=True)
        lines = list(csv.DictReader(io.StringIO(text)))
        assert [line["sha256"] for line in lines] == [one["sha256"] or "" for one in wanted]
    text = client.get("/catalogue.csv").get_data(as_text=True)
    assert f"'{evil}" in next(csv.reader([line for line in text.splitlines() if "HYPERLINK" in line]))
    assert client.get("/catalogue.csv?right=perhaps").status_code == 400
    assert client.get("/catalogue.csv?page=2").status_code == 400


def test_duplicates_and_decisions_are_taken_away_too(client: FlaskClient, shelf: Shelf) -> None:
    pairs = json.loads(client.get("/duplicates.json").data)
    assert [one["id"] for one in pairs] == [one["id"] for one in listed(client, "status=duplicate")]
    client.post("/api/v1/reviews", json={"image_id": 1, "action": "label", "label": 2, "seen": 0, "reason": "+1"})
    line = next(csv.DictReader(io.StringIO(client.get("/review/decisions.csv").get_data(as_text=True))))
    assert (line["image_id"], line["label"], line["reason"], line["reviewer"]) == ("1", "2", "'+1", "asha")
    assert json.loads(client.get("/review/decisions.json").data)[0]["reason"] == "+1"


def test_runs_and_datasets_are_taken_away_too(client: FlaskClient, shelf: Shelf, said: Any, tmp_path: Path) -> None:
    (line,) = json.loads(client.get("/runs.json").data)
    figures = client.get(f"/api/v1/runs/{RUN}").json["figures"]["test"]
    assert (line["name"], line["status"], line["test_n"]) == (RUN, "finished", figures["n"])
    assert [line["test_low"], line["test_high"]] == figures["interval"]
    assert client.get("/runs.csv").get_data(as_text=True).count("\n") == 2
    options = ExportSettings(out=tmp_path / "dataset")
    export_dataset(shelf.catalog, shelf.store, shelf.labels, options, thresholds=Thresholds())
    rows = {row.original_sha256: row.split for row in read_manifest(tmp_path / "dataset")}
    told = json.loads(client.get("/datasets/1.json").data)
    assert {one["sha256"]: one["split"] for one in told if one["split"] != "withheld"} == rows
    test = list(csv.DictReader(io.StringIO(client.get("/datasets/1.csv?split=test").get_data(as_text=True))))
    assert {one["sha256"] for one in test} == {sha256 for sha256, split in rows.items() if split == "test"}
    assert client.get("/datasets/9.csv").status_code == 404


def test_a_reader_sees_no_buttons_that_would_be_refused(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app(token="x" * 20).test_client()
    page = client.get("/catalogue").get_data(as_text=True)
    assert 'name="pick"' not in page
    answer = client.post(
        "/selection/decide", data={"csrf_token": form_token(client), "pick": ["1:0"], "decision": "keep"}
    )
    assert answer.status_code == 401
