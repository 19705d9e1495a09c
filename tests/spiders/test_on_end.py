"""The user's command at the end of a crawl that did not go well."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from stj_core.errors import UsageError
from stj_demo.behaviour import Behaviour, Robots
from stj_spiders.on_end import read_command, tell_end
from tests.spiders.conftest import Folder
from tests.spiders.test_crawl import OpenShop

WRITE = (
    "import json, os, sys; "
    "json.dump([sys.argv[1:], {k: v for k, v in os.environ.items() if k.startswith('STJ_END_')}], open('ended', 'w'))"
)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", []),
        (None, []),
        ("notify crawl", ["notify", "crawl"]),
        ("notify 'a crawl; rm x' $HOME", ["notify", "a crawl; rm x", "$HOME"]),
        ('["notify", "a b", "$(x)"]', ["notify", "a b", "$(x)"]),
    ],
)
def test_a_command_is_a_list_of_arguments(given: str | None, words: list[str]) -> None:
    """No shell reads it."""
    assert read_command(given) == words


@pytest.mark.parametrize("given", ["'open", "[1]", "[]", "[", '["a\\u0000"]', '[["a"]]'])
def test_what_is_no_command_is_wrong_usage(given: str) -> None:
    """Before the crawl, not after it."""
    with pytest.raises(UsageError, match="STJ_ON_END is a command such as"):
        read_command(given)


def test_a_shops_words_reach_it_as_words(tmp_path: Path) -> None:
    """In its environment, on one line, with nothing that acts on a terminal."""
    nasty = "Saree $(touch OWNED) `touch OWNED`; touch OWNED\n\x1b[31m\x00\u202e"
    tell_end([sys.executable, "-c", WRITE, "$(touch OWNED)"], {"sentence": nasty, "state": "blocked", "crawl": None})
    arguments, told = json.loads((tmp_path / "ended").read_text())
    assert arguments == ["$(touch OWNED)"]
    assert told == {
        "STJ_END_SENTENCE": r"Saree $(touch OWNED) `touch OWNED`; touch OWNED \x1b[31m\x00\u202e",
        "STJ_END_STATE": "blocked",
    }
    assert not (tmp_path / "OWNED").exists()


def test_a_command_that_fails_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and the crawl's own end stands."""
    tell_end(["/nowhere/at/all"], {})
    tell_end([sys.executable, "-c", "raise SystemExit(7)"], {})
    assert capsys.readouterr().err.splitlines() == [
        "The command of STJ_ON_END could not be run ([Errno 2] No such file or directory: '/nowhere/at/all').",
        "The command of STJ_ON_END ended with exit code 7.",
    ]


@pytest.mark.medium
def test_it_runs_when_a_crawl_ends_other_than_well_and_only_then(folder: Folder, open_shop: OpenShop) -> None:
    """Refused, or not even begun; finished is well."""
    command = f"STJ_ON_END={json.dumps([sys.executable, '-c', WRITE])}"
    shop = open_shop(per_class=1)
    assert folder.crawl("amazon_sarees", shop, "-s", command).code == 0
    assert not (folder.path / "ended").exists()
    shop = open_shop(behaviour=Behaviour(robots=Robots.DENY))
    ended = folder.crawl("amazon_sarees", shop, "-s", command)
    _, told = json.loads((folder.path / "ended").read_text())
    assert told["STJ_END_STATE"] == "refused"
    assert told["STJ_END_EXIT_CODE"] == "1" == str(ended.code)
    assert told["STJ_END_SENTENCE"] == ended.sentence
    assert told["STJ_END_SPIDER"] == "amazon_sarees"
    assert told["STJ_END_ORIGIN"] == shop.origin
    assert folder.crawl("amazon_sarees", shop, "-a", "limit=0", "-s", command).code == 2
    _, told = json.loads((folder.path / "ended").read_text())
    assert told["STJ_END_STATE"] == "not_begun"
