"""The `-a NAME=VALUE` arguments, and what is looked at before a crawl begins."""

from __future__ import annotations

import argparse
import errno
import resource

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.commands import ScrapyCommand
from scrapy.settings import Settings

from stj_core import __version__
from stj_core.errors import CrawlError, UsageError
from stj_spiders.arguments import read_arguments
from stj_spiders.commands import refuse_options
from stj_spiders.commands.crawl import Command as CrawlCommand
from stj_spiders.commands.replay import Command as ReplayCommand
from stj_spiders.outcome import unexpected
from stj_spiders.running import check_handles

NAMES = "category, origin, pages, limit, fresh, details, dry_run."


def test_an_option_that_scrapy_does_not_know_is_no_argument() -> None:
    """Scrapy itself would hand it on as the name of a spider or a file."""
    refuse_options("scrapy replay", ["kept", "-"])
    with pytest.raises(UsageError) as error:
        refuse_options("scrapy crawl", ["amazon_sarees", "--limit", "5"], "say -a limit=5, and ")
    assert str(error.value) == (
        "scrapy crawl has no option --limit: say -a limit=5, and scrapy crawl --help lists the options."
    )


@pytest.mark.parametrize("command", [CrawlCommand, ReplayCommand])
def test_the_crawls_commands_tell_their_version_too(
    command: type[ScrapyCommand], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    made = command()
    made.settings = Settings()
    made.add_options(parser)
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["--version"])
    assert capsys.readouterr().out == f"stj {__version__}\n"


def test_defaults() -> None:
    """As DESIGN says: 20 pages at most, 300 pictures, Amazon.in."""
    arguments, config = read_arguments({}, slug="saree")
    assert (arguments.category.slug, arguments.pages, arguments.limit) == ("saree", 20, 300)
    assert not (arguments.fresh)
    assert not (arguments.details)
    assert not (arguments.dry_run)
    assert config.origin == "https://www.amazon.in"


def test_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments beat the environment."""
    monkeypatch.setenv("STJ_ORIGIN", "http://127.0.0.1:1")
    given_ = {
        "category": "jeans",
        "pages": "3",
        "limit": "7",
        "fresh": "1",
        "details": "yes",
        "origin": "http://127.0.0.1:2/x",
    }
    arguments, config = read_arguments(given_, slug=None)
    assert (arguments.category.slug, arguments.pages, arguments.limit) == ("jeans", 3, 7)
    assert arguments.fresh
    assert arguments.details
    assert config.origin == "http://127.0.0.1:2"
    assert arguments.record == {
        "category": "jeans", "pages": 3, "limit": 7, "fresh": True, "details": True, "dry_run": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "slug", "sentence"),
    [
        ({"page": "3"}, "saree", "There is no argument page: a crawl takes " + NAMES),
        ({"pages": "0"}, "saree", "-a pages= takes a whole number of 1 or more, got '0'."),
        ({"limit": "many"}, "saree", "-a limit= takes a whole number of 1 or more, got 'many'."),
        ({"fresh": "maybe"}, "saree", "-a fresh= takes 1 or 0, got 'maybe'."),
        ({"category": "jeans"}, "saree", "This spider crawls saree, not jeans: use amazon_category -a category=jeans."),
        ({}, None, "amazon_category needs -a category=NAME, one of saree, trousers, jeans."),
        ({"category": "hats"}, None, "There is no category 'hats': labels.toml knows saree, trousers, jeans."),
    ],
)  # fmt: skip
def test_what_cannot_be_right(given_: dict[str, str], slug: str | None, sentence: str) -> None:
    """Refused in a sentence, exit 2."""
    with pytest.raises(UsageError) as refusal:
        read_arguments(given_, slug=slug)
    assert sentence == str(refusal.value)
    assert refusal.value.exit_code == 2


@given(st.sampled_from(["pages", "limit", "fresh", "details", "dry_run", "origin", "category"]), st.text(max_size=20))
def test_any_text_is_read_or_refused(name: str, value: str) -> None:
    """Never another exception."""
    try:
        arguments, _ = read_arguments({name: value}, slug="saree")
    except UsageError:
        return
    assert arguments.pages >= 1
    assert arguments.limit >= 1


def test_a_crawl_that_may_not_open_enough_files_is_refused_in_a_sentence() -> None:
    """Before it begins: what fails for want of a handle in the middle of Twisted has no words of its own."""
    taken = psutil.Process().num_fds()
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    check_handles()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 10, usual[1]))
        with pytest.raises(CrawlError) as refused:
            check_handles()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert str(refused.value).startswith("A crawl needs 64 more open files than the ")
    assert str(refused.value).endswith("raise the limit (ulimit -n 1024), then give the same command again.")


def test_what_the_machine_lacks_interrupts_a_crawl_and_is_no_bug() -> None:
    for error in (MemoryError(), OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENOSPC, "No space", "x")):
        ended = unexpected(error)
        assert (ended.state, ended.exit_code) == ("interrupted", 1)
    assert unexpected(ZeroDivisionError()).exit_code == 3
