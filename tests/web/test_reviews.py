"""Decisions: written once, taken back, and never lost when two people decide at once."""

from __future__ import annotations

import os
import pwd
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from stj_catalog.catalog import Catalog
from stj_catalog.decisions import decisions_page
from stj_catalog.gallery import Filter
from stj_catalog.reviews import OvertakenError, record_review
from stj_core.cli import outcome
from stj_dataset.audit.labels import rank, read_out_of_fold
from stj_dataset.cli import app as stj_dataset
from stj_images.likeness import Thresholds
from stj_web.predictions import ModelFilter
from stj_web.review_queues import Deck, make_deck
from tests.dataset.filling import Shelf

from .conftest import MakeApp, form_token


def decide(client: FlaskClient, **body: Any) -> Any:
    return client.post("/api/v1/reviews", json={"image_id": 1, "seen": 0, **body})


def test_a_service_decides_in_its_accounts_name(
    make_app: MakeApp, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service has no $USER."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    client = make_app(reviewer="").test_client()
    assert decide(client, action="keep").json["review"]["reviewer"] == pwd.getpwuid(os.getuid()).pw_name


def status(client: FlaskClient, image_id: int = 1) -> tuple[str, int | None]:
    row = client.get(f"/api/v1/images/{image_id}").json["image"]
    return row["status"], row["label"]


def test_a_label_a_rejection_and_their_undoing(client: FlaskClient, shelf: Shelf) -> None:
    before = status(client)
    first = decide(client, action="label", label=2)
    assert first.status_code == 201
    assert status(client) == ("kept", 2)
    assert first.json["review"]["reviewer"] == "asha"
    second = decide(client, action="reject", seen=first.json["review"]["id"], reason="blurred")
    assert second.json["image"]["status"] == "rejected"
    assert client.delete(f"/api/v1/reviews/{second.json['review']['id']}").status_code == 200
    assert status(client) == ("kept", 2)
    assert client.delete(f"/api/v1/reviews/{first.json['review']['id']}").status_code == 200
    assert before == status(client)
    rows = client.get("/api/v1/reviews").json["reviews"]
    assert len(rows) == 2
    assert all(row["undone_at"] for row in rows)


def test_a_decision_by_someone_who_did_not_look_again_is_refused(client: FlaskClient, shelf: Shelf) -> None:
    first = decide(client, action="reject", reviewer="ravi")
    second = decide(client, action="keep")
    assert second.status_code == 409
    assert second.json["error"]["kind"] == "overtaken"
    assert second.json["error"]["decision"]["reviewer"] == "ravi"
    assert decide(client, action="keep", seen=first.json["review"]["id"]).status_code == 201


def test_twenty_at_once_make_one_decision(catalog: Catalog, shelf: Shelf) -> None:
    outcomes: list[str] = []
    gate = threading.Barrier(20)

    def work(number: int) -> None:
        gate.wait()
        try:
            record_review(catalog, 1, "reject", reviewer=f"r{number}", seen=0, thresholds=Thresholds())
            outcomes.append("written")
        except OvertakenError:
            outcomes.append("overtaken")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {word: outcomes.count(word) for word in set(outcomes)} == {"written": 1, "overtaken": 19}
    assert len(decisions_page(catalog, image=1)) == 1


def test_undoing_takes_back_ones_own_decision_not_the_newest(client: FlaskClient, shelf: Shelf) -> None:
    mine = decide(client, action="reject").json["review"]["id"]
    theirs = decide(client, action="label", label=1, seen=mine, reviewer="ravi").json["review"]["id"]
    assert client.delete(f"/api/v1/reviews/{mine}").status_code == 200
    assert status(client) == ("kept", 1)
    assert client.delete(f"/api/v1/reviews/{mine}").status_code == 409
    assert client.delete("/api/v1/reviews/12345").status_code == 404
    assert client.delete(f"/api/v1/reviews/{theirs}").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "odd"}, 400),
        ({"action": "label"}, 400),
        ({"action": "label", "label": 77}, 404),
        ({"action": "label", "label": True}, 400),
        ({"action": "keep", "label": 1}, 400),
        ({"image_id": "1", "action": "keep"}, 400),
        ({"image_id": 999, "action": "keep"}, 404),
        ({"image_id": 2**40, "action": "keep"}, 400),
        ({"action": ["keep"]}, 400),
        ({"action": "keep", "seen": -1}, 400),
    ],
)
def test_what_is_no_decision_is_refused(client: FlaskClient, shelf: Shelf, body: dict[str, Any], code: int) -> None:
    answer = decide(client, **body)
    assert code == answer.status_code
    assert {"status", "kind", "message"} == set(answer.json["error"])
    assert client.get("/api/v1/reviews").json["reviews"] == []


def test_forms_decide_without_a_script(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app().test_client()
    token = form_token(client, "/review?queue=kept")
    fields = {
        "csrf_token": token,
        "image_id": "1",
        "seen": "0",
        "decision": "label 2",
        "back": "/review?queue=kept#card-1",
    }
    answer = client.post("/review/decide", data=fields)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/review?queue=kept#card-1"
    assert status(client) == ("kept", 2)
    row = client.get("/api/v1/reviews").json["reviews"][0]["id"]
    client.post("/review/undo", data={"csrf_token": token, "review_id": str(row)})
    assert client.get("/api/v1/reviews").json["reviews"][0]["undone_at"] != 0
    client.post("/review/name", data={"csrf_token": token, "name": "Meera\n<b>"})
    client.post("/review/decide", data=fields | {"decision": "reject", "image_id": "2"})
    assert client.get("/api/v1/reviews").json["reviews"][0]["reviewer"] == "Meera<b>"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/review//evil", "/review\\evil", "/login", ""]
)
def test_a_form_leads_back_to_the_studio_only(make_app: MakeApp, shelf: Shelf, back: str) -> None:
    client = make_app().test_client()
    fields = {"csrf_token": form_token(client), "name": "x", "back": back}
    assert client.post("/review/name", data=fields).headers["Location"] == "/review"


def test_suspects_come_in_the_order_of_the_audit(
    make_app: MakeApp, shelf: Shelf, trained: Path, tmp_path: Path
) -> None:
    run = doubtful_run(trained, tmp_path / "runs", [row["sha256"] for row in kept_images(make_app())])
    wanted = [one.sha256 for one in rank(run) if one.guess != one.given]
    assert len(wanted) > 6
    # A plain sort by the given label's probability is another order: the audit knows how sure each class is on the whole.
    out = read_out_of_fold(run)
    plain = dict(zip(out.checksums, out.probabilities[range(len(out.given)), out.given], strict=True))
    assert wanted != sorted(wanted, key=lambda sha256: plain[sha256])

    app = make_app()
    shown = deck(app, limit=3)
    assert wanted[:3] == [card.tile.sha256 for card in shown.cards]
    assert len(wanted) == shown.left
    decide(app.test_client(), image_id=shown.cards[0].tile.id, action="keep")
    assert wanted[1:4] == [card.tile.sha256 for card in deck(app, limit=3).cards]
    rest = deck(app, limit=3, after=shown.after)
    assert wanted[3:6] == [card.tile.sha256 for card in rest.cards]
    page = app.test_client().get("/review").get_data(as_text=True)
    assert f'<b id="left">{len(wanted) - 1}</b>' in page


def test_pictures_that_the_audit_found_odd_follow_with_their_reason(
    make_app: MakeApp, shelf: Shelf, trained: Path, tmp_path: Path
) -> None:
    checksums = [row["sha256"] for row in kept_images(make_app())]
    app = make_app()
    assert deck(app).cards == []
    assert outcome(stj_dataset, ["audit", "--pictures-only"]) == 0
    odd = [card.tile.sha256 for card in deck(app).cards]
    assert len(odd) > 6, "soft blots count as blurred"
    assert {card.hint for card in deck(app).cards} == {"blurred"}
    assert "blurred" in app.test_client().get("/review").get_data(as_text=True)

    run = doubtful_run(trained, tmp_path / "runs", checksums)
    doubted = [one.sha256 for one in rank(run) if one.guess != one.given]
    cards = deck(make_app()).cards
    assert [card.tile.sha256 for card in cards] == [*doubted, *(one for one in odd if one not in doubted)]
    both = next(card for card in cards if card.tile.sha256 in set(doubted) & set(odd))
    assert both.hint.endswith(" % for the given class, blurred")
    decide(app.test_client(), image_id=cards[-1].tile.id, action="keep")
    assert len(deck(app).cards) == len(cards) - 1
    (tmp_path / "cache" / "odd_pictures.json").write_text("[[1", encoding="utf-8")
    assert {card.tile.sha256 for card in deck(app).cards} == set(doubted)


def test_a_ranking_is_kept_until_the_run_changes(
    make_app: MakeApp, shelf: Shelf, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksums = [row["sha256"] for row in kept_images(make_app())]
    run = doubtful_run(trained, tmp_path / "runs", checksums)
    before = [card.tile.sha256 for card in deck(make_app()).cards]
    with monkeypatch.context() as patch:
        patch.setattr("stj_dataset.audit.cache.rank", lambda _: pytest.fail("ranked a second time"))
        assert before == [card.tile.sha256 for card in deck(make_app()).cards]
    write_out_of_fold(run, checksums[:9])
    assert set(before) != {card.tile.sha256 for card in deck(make_app()).cards}
    (run / "out_of_fold.csv").unlink()
    assert deck(make_app()).note.startswith("The newest run left no out_of_fold.csv: ")


def deck(app: Flask, *, limit: int = 48, after: int | None = None) -> Deck:
    here = app.extensions["stj"]
    with app.app_context():
        return make_deck(here, "suspects", Filter(), ModelFilter(), after=after, limit=limit)


def doubtful_run(trained: Path, runs: Path, checksums: list[str]) -> Path:
    """A run whose models doubt every third label of some pictures."""
    shutil.copytree(trained / "2026-01", runs / "2026-01")
    write_out_of_fold(runs / "2026-01", checksums)
    return runs / "2026-01"


def write_out_of_fold(run: Path, checksums: list[str]) -> None:
    """The models are far surer of sarees than of the rest, so that a doubt weighs more there."""
    lines = ["sha256,label,group,fold,p0,p1,p2"]
    for place, sha256 in enumerate(checksums):
        given = place % 3
        guess = (given + 1) % 3 if place % 3 != 1 or place % 2 else given
        sure = 0.9 if guess == 0 else 0.5 + 0.003 * place
        shares = [sure if label == guess else (1 - sure) * (0.7 if label == given else 0.3) for label in range(3)]
        lines.append(",".join([sha256, str(given), str(place), "0", *(f"{p / sum(shares):.6f}" for p in shares)]))
    (run / "out_of_fold.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def kept_images(app: Any) -> list[dict[str, Any]]:
    return list(app.test_client().get("/api/v1/images?status=kept&limit=20").json["images"])
