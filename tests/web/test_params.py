"""What an address does not understand it refuses in a sentence: nothing that was asked is ever ignored."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from stj_web.openapi import document
from stj_web.params import TAKES
from tests.dataset.filling import Shelf

from .conftest import MakeApp
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
        ("review?queue=suspects&label=0", "label is not understood here: nothing narrows the queue suspects"),
        ("review?queue=groups&text=red", "nothing narrows the queue groups"),
        ("review?queue=kept&status=kept", "label, reason and text narrow the queue kept"),
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


def test_only_real_addresses_are_listed(make_app: MakeApp) -> None:
    assert set(TAKES) <= {rule.endpoint for rule in make_app().url_map.iter_rules()}
