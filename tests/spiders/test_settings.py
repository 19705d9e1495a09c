"""What is on and off by default, what the settings refuse, and what the code must never hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scrapy.settings import Settings

import stj_spiders
from stj_core.errors import UsageError
from stj_spiders.config import CrawlConfig
from stj_spiders.identity import user_agent

SOURCES = sorted(Path(stj_spiders.__file__).parent.rglob("*.py"))
# Services and tools that solve challenges, pose as people, or change their identity to get around a block.
EVASION = (
    "2captcha|anti-?captcha|deathbycaptcha|capsolver|capmonster|cloudscraper|flaresolverr|curl_cffi|undetected|patchright"
    "|camoufox|stealth|fake_?useragent|random_?user_?agent|rotating|proxy_?pool|pytesseract|easyocr|amazoncaptcha"
    "|captcha.{0,20}(?:solve|answer|submit)|solve.{0,20}captcha"
)


@pytest.fixture
def settings() -> Settings:
    made = Settings()
    made.setmodule("stj_spiders.settings", priority="project")
    return made


def test_nothing_listens_for_commands(settings: Settings) -> None:
    """The telnet and remote-control consoles are off; robots.txt is obeyed; challenges are not reloaded."""
    assert not settings.getbool("TELNETCONSOLE_ENABLED")
    assert not settings.getbool("REMOTE_CONTROL_ENABLED")
    assert settings.getbool("ROBOTSTXT_OBEY")
    assert settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
    assert not settings.getbool("METAREFRESH_ENABLED")
    assert not settings.getbool("COOKIES_ENABLED")


def test_the_pace_by_default(settings: Settings) -> None:
    """The numbers that docs/crawl.md promises."""
    config = CrawlConfig.from_settings(settings)
    assert (config.pace.page_seconds, config.pace.picture_seconds, config.pace.pictures_at_once) == (2.0, 0.25, 4)
    assert (config.patience.cool_seconds, config.patience.cool_most_seconds, config.patience.blocks) == (30, 900, 3)
    assert not config.pace.given
    assert config.image_size == "_SL640_"
    settings.set("STJ_PAGE_SECONDS", "3", priority="cmdline")
    assert CrawlConfig.from_settings(settings).pace.given


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("STJ_PAGE_SECONDS", "soon", "STJ_PAGE_SECONDS must be a number, 0 or more, got 'soon'."),
        ("STJ_PAGE_SECONDS", "-1", "STJ_PAGE_SECONDS must be a number, 0 or more, got '-1'."),
        ("STJ_PICTURE_SECONDS", "nan", "STJ_PICTURE_SECONDS must be a number, 0 or more, got 'nan'."),
        ("STJ_BLOCKS", "0", "STJ_BLOCKS must be a number, 1 or more, got '0'."),
        ("STJ_RENDER", "maybe", "STJ_RENDER must be one of never, auto, always, got 'maybe'."),
        (
            "STJ_PAGE_SECOND",
            "9",
            (
                "There is no setting STJ_PAGE_SECOND: a crawl takes STJ_AWAY_SECONDS, STJ_BLOCKS, "
                "STJ_COOL_MOST_SECONDS, STJ_COOL_SECONDS, "
                "STJ_COVERAGE_MIN, STJ_DELAY_MOST_SECONDS, STJ_IMAGE_SIZE, STJ_JITTER, STJ_LEASE_SECONDS, STJ_ON_END, "
                "STJ_OPT_OUT_OBEY, STJ_PAGE_SECONDS, STJ_PICTURES_AT_ONCE, STJ_PICTURE_HOSTS, STJ_PICTURE_SECONDS, "
                "STJ_RENDER, STJ_RENDER_HOSTS, STJ_SUMMARY, STJ_WARC; where things go is said in the environment."
            ),
        ),
        ("STJ_SUMMARY", "xml", "STJ_SUMMARY must be one of table, json, got 'xml'."),
        (
            "STJ_IMAGE_SIZE",
            "640",
            "STJ_IMAGE_SIZE cannot be '640': it looks like _SL640_, or is empty for the original.",
        ),
    ],
)
def test_a_setting_that_cannot_be_right(settings: Settings, name: str, value: str, sentence: str) -> None:
    """Refused in a sentence that names it and what was given."""
    settings.set(name, value, priority="cmdline")
    with pytest.raises(UsageError) as refusal:
        CrawlConfig.from_settings(settings)
    assert sentence == str(refusal.value)


def test_the_user_agent_is_honest() -> None:
    """Name, version, the library, and a way to reach the person; header injection is not one."""
    assert re.fullmatch(r"STJ/[\d.]+\S* \(Scrapy; \+me@shop\.example\)", user_agent("me@shop.example"))
    assert user_agent("").endswith("(Scrapy; no contact given)")
    assert "\n" not in user_agent("a\r\nX-Evil: 1")
    assert "Mozilla" not in user_agent("")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_code_solves_and_evades_nothing(path: Path) -> None:
    """No solver, no stealth, no borrowed identity: a challenge ends the crawl."""
    found = re.search(EVASION, path.read_text(encoding="utf-8"), re.IGNORECASE)
    assert found is None, f"{path}: {found}"


@pytest.mark.parametrize("place", ["s3://bucket/pages", "gs://bucket/pages"])
def test_pages_are_kept_on_this_machine(settings: Settings, place: str) -> None:
    settings.set("STJ_WARC", place)
    with pytest.raises(UsageError, match=r"STJ_WARC cannot be .*: it is a folder of this machine"):
        CrawlConfig.from_settings(settings)
