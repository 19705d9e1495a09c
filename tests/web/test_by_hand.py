"""Tags and groups by hand in the studio: over REST, from the selection's bar, in every list's filters, and one undo."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from stj_catalog.by_hand import tell
from stj_catalog.tags import tag_pictures
from stj_images.likeness import Thresholds
from tests.dataset.filling import Shelf

from .conftest import MakeApp
from .test_reviews import form_token


def send(client: FlaskClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    # A program of its own: a browser that has seen a page needs the page's token for a write.
    return client.application.test_client().open(f"/api/v1{path}", method=method, json=body)


def test_a_tag_is_given_found_everywhere_and_taken_back(client: FlaskClient, shelf: Shelf) -> None:
    done = send(client, "POST", "/tags", {"pictures": [1, 2, 3], "tag": " Cut  off "})
    assert (done.status_code, done.json["tag"], done.json["changed"], done.json["act"]["reviewer"]) == (
        201, "Cut off", [1, 2, 3], "asha",
    )  # fmt: skip
    assert send(client, "GET", "/tags").json == {"tags": [{"tag": "Cut off", "images": 3}]}
    for query in ("tag=cut+off", "text=CUT"):
        found = client.get(f"/api/v1/images?{query}").json["images"]
        assert [(one["id"], one["tags"]) for one in found] == [(row, ["Cut off"]) for row in (3, 2, 1)]
    assert client.get("/api/v1/images/2").json["tags"] == ["Cut off"]
    assert client.get("/catalogue?tag=Cut+off").text.count("data-pick") == 3
    assert client.get("/review?queue=kept&tag=cut+off").text.count('class="card pick"') == 3
    rows = list(csv.DictReader(io.StringIO(client.get("/catalogue.csv?tag=Cut+off").text)))
    assert [row["tags"] for row in rows] == ["Cut off"] * 3
    assert client.get("/catalogue.json?tag=Cut+off").json[0]["tags"] == ["Cut off"]
    assert send(client, "DELETE", f"/acts/{done.json['act']['id']}").status_code == 200
    assert send(client, "GET", "/tags").json == {"tags": []}
    assert client.get("/catalogue?tag=Cut+off").text.count("data-pick") == 0


def test_groups_are_made_and_parted_and_statuses_follow(client: FlaskClient, shelf: Shelf) -> None:
    same = send(client, "POST", "/groups", {"pictures": [1, 2], "action": "same"}).json
    assert (same["pairs"], len(same["changed"]), {one["group_id"] for one in same["groups"]}) == (1, 1, {1})
    assert {one["after"] for one in same["changed"]} == {"duplicate"}
    assert "A person says so" in client.get("/duplicates").text
    apart = send(client, "POST", "/groups", {"pictures": [1, 2], "action": "apart"}).json
    assert ({one["after"] for one in apart["changed"]}, apart["still_together"]) == ({"kept"}, 0)
    told = client.get("/api/v1/images/1").json["told"]
    assert [(one["image"]["id"], one["word"]) for one in told] == [(2, "apart")]
    for act in (apart["act"]["id"], same["act"]["id"]):
        assert send(client, "DELETE", f"/acts/{act}").status_code == 200
    assert send(client, "DELETE", f"/acts/{apart['act']['id']}").status_code == 409
    assert [one["action"] for one in client.get("/api/v1/acts?image=1").json["acts"]] == ["apart", "same"]
    assert all(one["undone_at"] for one in client.get("/api/v1/acts").json["acts"])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/tags", {"pictures": [1], "tag": "a,b"}, 400),
        ("/tags", {"pictures": [1], "tag": ""}, 400),
        ("/tags", {"pictures": [1], "tag": "x" * 61}, 400),
        ("/tags", {"pictures": [1], "tag": 7}, 400),
        ("/tags", {"pictures": [1], "tag": "\ud800"}, 400),
        ("/tags", {"pictures": [1], "tag": "x", "action": "forget"}, 400),
        ("/tags", {"pictures": [], "tag": "x"}, 400),
        ("/tags", {"pictures": [1, 9999], "tag": "x"}, 404),
        ("/groups", {"pictures": [1, 1], "action": "same"}, 409),
        ("/groups", {"pictures": [1, 2], "action": "alike"}, 400),
        ("/groups", {"pictures": [1], "action": "split"}, 409),
        ("/groups", {"pictures": [1, 9999], "action": "group"}, 404),
    ],
)  # fmt: skip
def test_what_is_no_act_is_refused_and_nothing_is_written(
    client: FlaskClient, shelf: Shelf, path: str, body: dict[str, Any], code: int
) -> None:
    answer = send(client, "POST", path, body)
    assert (answer.status_code, set(answer.json["error"])) == (code, {"status", "kind", "message"})
    assert client.get("/api/v1/acts").json == {"acts": [], "next": None}


def test_acts_are_paged_newest_first(client: FlaskClient, shelf: Shelf) -> None:
    for number in range(5):
        tag_pictures(shelf.catalog, [1], f"tag {number}", reviewer="me")
    first = client.get("/api/v1/acts?limit=3").json
    assert ([one["tag"] for one in first["acts"]], first["next"]) == (["tag 4", "tag 3", "tag 2"], 3)
    assert [one["id"] for one in client.get("/api/v1/acts?limit=3&after=3").json["acts"]] == [2, 1]


def test_the_bar_tags_groups_and_undoes_without_a_script(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app().test_client()
    token = form_token(client, "/catalogue")
    fields: dict[str, Any] = {"csrf_token": token, "back": "/catalogue", "pick": ["1:0", "2:0"]}
    # Enter in the tag's field sends no button, or the first one, which is empty.
    client.post("/selection/decide", data=fields | {"decision": "", "tag": "Twin"})
    page = client.get("/catalogue").text
    assert "2 pictures carry the tag “Twin” now." in page
    assert page.count('class="tag"') == 2
    client.post("/selection/acts/undo", data={"csrf_token": token, "back": "/catalogue", "act": "1"})
    assert "Taken back: tag by asha." in client.get("/catalogue").text
    client.post("/selection/decide", data=fields | {"decision": "same"})
    page = client.get("/catalogue").text
    assert "2 pictures told to be the same picture. 1 duplicate now." in page
    assert 'action="/selection/acts/undo"' in page
    assert 'name="act" value="2"' in page
    assert client.post("/selection/decide", data=fields | {"decision": ""}).status_code == 400


def test_a_picture_shows_what_people_told_of_it(client: FlaskClient, shelf: Shelf) -> None:
    tag_pictures(shelf.catalog, [1], "<b>Odd", reviewer="me")
    tell(shelf.catalog, [1, 2], "group", reviewer="you", thresholds=Thresholds())
    page = client.get("/pictures/1").text
    assert "&lt;b&gt;Odd" in page
    assert "<b>Odd" not in page
    assert "of one group" in page
    assert "put in one group" in page


def test_tags_of_a_forgotten_picture_are_nowhere(client: FlaskClient, shelf: Shelf) -> None:
    tag_pictures(shelf.catalog, [1], "Mrs Sharma", reviewer="me")
    token = form_token(client, "/pictures/1/forget")
    assert client.post("/pictures/1/forget", data={"csrf_token": token, "sure": "1"}).status_code == 200
    for path in (
        "/catalogue",
        "/catalogue?status=forgotten",
        "/api/v1/acts",
        "/api/v1/tags",
        "/api/v1/images?status=forgotten",
    ):
        assert "Sharma" not in client.get(path).text
