"""What an address does not understand it refuses in a sentence: nothing that was asked is ever ignored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from stj_web.openapi import document
from stj_web.params import TAKES
from tests.dataset.filling import Shelf

from .conftest import MakeApp, form_token
from .test_pages import PAGES


@pytest.mark.parametrize(
    "page", [*dict.fromkeys(page.split("?")[0] for page in PAGES), "/api/v1/images", "/api/v1/runs", "/health"]
)
def test_no_address_ignores_a_parameter(client: FlaskClient, shelf: Shelf, page: str) -> None:
    answer = client.get(f"{page}?colour=red")
    assert answer.status_code == 400
    assert "This address has no parameter" in answer.get_data(as_text=True)
    assert "colour" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("catalogue?status=kept&status=rejected", "status is given 2 times: once is understood."),
        ("catalogue?after=5&before=3", "give after or before, not both"),
        ("catalogue?lable=0", "it takes after, "),
        (
            "review?queue=suspects&label=0",
            "label is not understood here: only what a run says narrows the queue suspects",
        ),
        ("review?queue=groups&text=red", "only what a run says narrows the queue groups"),
        ("review?queue=kept&status=kept", "label, reason, text, tag and what a run says narrow the queue kept"),
        ("runs?sort=accuracy", "it takes none"),
        ("api/v1/images?before=3", "This address has no parameter"),
        ("api/v1/crawls?state=running", "it takes after, limit."),
        ("pictures/1?run=x", "it takes none"),
    ],
)
def test_the_sentence_says_what_is_understood(client: FlaskClient, shelf: Shelf, query: str, sentence: str) -> None:
    answer = client.get(f"/{query}")
    assert answer.status_code == 400
    assert sentence in answer.get_data(as_text=True)


def test_a_write_with_a_parameter_in_its_address_writes_nothing(client: FlaskClient, shelf: Shelf) -> None:
    answer = client.post("/api/v1/reviews?dry_run=1", json={"image_id": 1, "action": "keep", "seen": 0})
    assert answer.status_code == 400
    assert client.get("/api/v1/reviews").json["reviews"] == []


def test_the_documented_parameters_are_those_that_are_taken(make_app: MakeApp) -> None:
    paths = document("1", 8)["paths"]
    for rule in make_app().url_map.iter_rules():
        if not rule.rule.startswith("/api/") or "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        told = {one["name"] for one in paths[path]["get"].get("parameters", []) if one["in"] == "query"}
        assert told == TAKES.get(rule.endpoint, frozenset()), path


def test_every_address_of_the_map_refuses_what_it_does_not_understand(
    make_app: MakeApp, shelf: Shelf, said: Any
) -> None:
    """Walked by the URL map, so that a page that is added later is asked, too."""
    app = make_app()
    client = app.test_client()
    values = {"image_id": 1, "export_id": 1, "crawl_id": 1, "review_id": 1, "act_id": 1, "number": 1, "name": "2026-01"}
    values |= {"kind": "csv", "size": "tile", "sha256": "0" * 64, "filename": "studio.css"}
    token = form_token(client)
    asked = 0
    with app.test_request_context():
        adapter = app.url_map.bind("127.0.0.1")
        for rule in app.url_map.iter_rules():
            method = (
                "GET" if "GET" in (rule.methods or ()) else next(iter((rule.methods or set()) - {"OPTIONS", "HEAD"}))
            )
            address = adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}, method=method)
            answer = client.open(f"{address}?nonsense=1", method=method, headers={"X-CSRFToken": token})
            assert answer.status_code == 400, (method, address)
            assert "This address has no parameter" in answer.get_data(as_text=True), (method, address)
            asked += 1
    assert asked > 50


def test_only_real_addresses_are_listed(make_app: MakeApp) -> None:
    assert set(TAKES) <= {rule.endpoint for rule in make_app().url_map.iter_rules()}
