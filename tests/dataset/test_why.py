"""`stj-dataset why` answers in the terminal what the studio answers: what became of it, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from stj_catalog.schema import images
from stj_core.cli import outcome
from stj_dataset.cli import app

from .filling import HOST, Shelf, draw, encode, item

Export = Callable[..., Any]


@pytest.fixture
def asked(shelf: Shelf, export: Export, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, Any, str]]:
    """A shelf with one picture of each fate, exported; asks in JSON."""
    shelf.add(
        [
            item(0, 3, data=encode(draw(3).resize((66, 88))), asin="B0000COPY0", key="copy"),
            item(1, 77, reason="sponsored", title="Kurta 50% off"),
            item(1, 78, title="\x1b[31mRed_kurta"),
        ],
        crawl="second",
    )
    export()

    def ask(word: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = outcome(app, ["why", word, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return ask


def sha_of(shelf: Shelf, number: int) -> str:
    with shelf.catalog.read() as connection:
        found = connection.execute(select(images.c.sha256).where(images.c.image_key.like(f"%/{number}.jpg")))
        return str(found.scalar_one())


def test_every_name_of_a_picture_finds_it_with_its_split(shelf: Shelf, asked: Callable[[str], Any]) -> None:
    sha = sha_of(shelf, 1001)
    for word in ("B000001001", f"{HOST}/images/I/1001.jpg", f"{HOST}/dp/B000001001", sha[:12], sha, "trousers 1001"):
        code, answer, _ = asked(word)
        assert code == 0, word
        assert [one["sha256"] for one in answer["pictures"]] == [sha], word
    (one,) = answer["pictures"]
    assert (answer["kind"], one["status"], one["label"], one["why"]) == (
        "title", "kept", 1, "It is kept: the next export takes it.",
    )  # fmt: skip
    assert [(held["out"], held["split"] in {"train", "val", "test"}) for held in one["exports"]] == [("dataset", True)]


def test_what_is_not_in_a_dataset_says_why(shelf: Shelf, asked: Callable[[str], Any]) -> None:
    _, answer, _ = asked("B0000COPY0")
    (copy,) = answer["pictures"]
    assert (copy["status"], copy["why"]) == ("duplicate", "It is the same picture as one that is kept.")
    assert copy["duplicate_of"]
    _, answer, _ = asked("50% off")
    (advert,) = answer["pictures"]
    assert (advert["status"], advert["reason"]) == ("quarantined", "sponsored")
    assert advert["why"] == "Only ever seen as an advertisement, which may be anything."
    assert advert["exports"] == []


def test_words_of_a_title_are_words_and_no_pattern(asked: Callable[[str], Any]) -> None:
    for word in ("50_ off", "5%off", "%", "_kurta%"):
        assert asked(word)[1]["pictures"] == [] or word == "%"
    assert len(asked("d_kurta")[1]["pictures"]) == 1


def test_what_was_never_seen_is_one_sentence_and_exit_1(asked: Callable[[str], Any]) -> None:
    for word, kind in (("B0NEVER000", "ASIN"), ("http://nowhere.test/a.jpg", "address"), ("no such words", "title")):
        code, answer, said = asked(word)
        assert (code, answer["pictures"], answer["cards"], answer["page"]) == (1, [], [], None)
        assert said.startswith(f"It was never seen: no crawl or import met the {kind} ")


def test_a_page_is_told_as_a_page(asked: Callable[[str], Any]) -> None:
    code, answer, _ = asked(f"{HOST}/s?rh=1968125031&crawl=first")
    assert code == 0
    assert (answer["page"]["state"], answer["page"]["cards"]) == ("done", 20)


def test_a_forgotten_picture_tells_nothing_but_that(shelf: Shelf, asked: Callable[[str], Any]) -> None:
    sha = sha_of(shelf, 5)
    with shelf.catalog.write() as connection:
        connection.execute(update(images).where(images.c.sha256 == sha).values(status="forgotten"))
    _, answer, _ = asked("B000000005")
    (one,) = answer["pictures"]
    assert set(one) == {"picture", "sha256", "status", "why"}
    assert one["sha256"] is None
    assert asked("Saree 5")[1]["pictures"] == [] or sha not in json.dumps(asked("Saree 5")[1])


def test_a_person_reads_it_without_a_terminal_doing_anything(
    asked: Callable[[str], Any], shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(app, ["label", sha_of(shelf, 78), "--as", "2", "--by", "Asha", "--reason", "denim"]) == 0
    capsys.readouterr()
    assert outcome(app, ["why", "Red_kurta"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "kept, class 2 Jeans" in told
    assert "Decided by Asha at" in told
    assert "Export to dataset at" in told


@pytest.mark.parametrize("form", ["{}.jpg", "images/ab/{}.JPG", "ds/train/0/{}.png", "C:\\data\\{}.webp"])
def test_a_picture_is_asked_about_by_its_file(shelf: Shelf, asked: Any, form: str) -> None:
    sha256 = sha_of(shelf, 3)
    code, answer, _ = asked(form.format(sha256))
    assert code == 0
    assert sha256 in {one["sha256"] for one in answer["pictures"]}


def test_nothing_and_what_is_no_text_are_refused(asked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(app, ["why", " "]) == 2
    assert "got nothing" in capsys.readouterr().err
    assert outcome(app, ["why", "caf\udce9"]) == 2
    assert capsys.readouterr().err == "'caf\\udce9' is no text: what is typed must be UTF-8.\n"
