"""Words of another version of STJ are shown as they are written; no page, filter or program trips over one."""

from __future__ import annotations

import sqlite3

import pytest
from flask.testing import FlaskClient

from stj_core.vocabulary import Reason, Status
from stj_web.filters import css_word, setting, why
from tests.dataset.filling import Shelf

from .conftest import MakeApp
from .test_pages import check

ODD = 'set aside"> <b>'


def write(shelf: Shelf, sql: str, *values: object) -> None:
    """Write into the catalogue what no code of this version would."""
    with sqlite3.connect(shelf.root / "catalog.sqlite") as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(sql, values)
    connection.close()


def test_every_known_word_has_its_sentence() -> None:
    for status in Status:
        assert why(status.value, None) == status.sentence
    for reason in Reason:
        assert why("rejected", reason.value) == reason.sentence
    assert why("kept", "too_small") == Status.KEPT.sentence, "a reason explains only what is out"


def test_an_unknown_word_is_shown_as_it_is_written(make_app: MakeApp) -> None:
    assert "half_read".replace("_", " ") in why("rejected", "half_read")
    assert "set aside" in why("set_aside", None)
    assert css_word(ODD) == "set-aside-b-"


@pytest.mark.medium
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE images SET status = ? WHERE id = 1",
        "UPDATE images SET status = 'rejected', reason = ? WHERE id = 1",
        "UPDATE images SET status = 'quarantined', reason = ? WHERE id = 1",
        "UPDATE crawls SET state = ? WHERE id = 1",
        "INSERT INTO reviews (image_id, action, reviewer, made_at) VALUES (1, ?, 'asha', '2026-01-01T00:00:00+00:00')",
    ],
)
def test_no_page_breaks_on_a_word_of_another_version(client: FlaskClient, shelf: Shelf, sql: str) -> None:
    write(shelf, sql, ODD)
    for page in (
        *("/", "/catalogue", "/pictures/1", "/why?q=1", "/crawls", "/crawls/1", "/review?queue=kept"),
        *("/review?queue=rejected", "/review?queue=quarantine", "/duplicates"),
    ):
        answer = client.get(page)
        assert answer.status_code == 200, page
        text = answer.get_data(as_text=True)
        check(text)
        assert "<b>" not in text.replace("<b>studio</b>", "").replace("<b>1</b>", "") or ODD not in text
    for page in ("/api/v1/images", "/api/v1/images/1", "/api/v1/reviews", "/api/v1/crawls"):
        assert client.get(page).status_code == 200, page


def test_a_picture_of_an_unknown_status_is_counted(client: FlaskClient, shelf: Shelf) -> None:
    write(shelf, "UPDATE images SET status = 'set_aside' WHERE id IN (1, 2)")
    text = client.get("/").get_data(as_text=True)
    assert "<b>2</b><span>set aside (a word that this STJ does not know)</span>" in text


def test_a_long_setting_is_cut_and_says_so() -> None:
    assert setting("x" * 600).endswith("… (600 characters)")
    assert setting({"a": [1, "é"]}) == '{"a": [1, "é"]}'
