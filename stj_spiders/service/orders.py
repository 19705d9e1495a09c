"""What may be ordered over HTTP, checked before a job is queued: a crawl's arguments, settings of ours, and those of its pace."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader

from stj_core.errors import UsageError
from stj_spiders.config import CrawlConfig, check_log_level
from stj_spiders.spiders.category import CategorySpider

# They name a command to run or a place to write: that is the business of whoever starts the service.
NOT_OVER_HTTP = frozenset({"STJ_ON_END", "STJ_WARC"})
PACE = frozenset(
    {
        "AUTOTHROTTLE_MAX_DELAY",
        "AUTOTHROTTLE_START_DELAY",
        "AUTOTHROTTLE_TARGET_CONCURRENCY",
        "CONCURRENT_REQUESTS",
        "CONCURRENT_REQUESTS_PER_DOMAIN",
        "DOWNLOAD_DELAY",
        "DOWNLOAD_TIMEOUT",
        "IMAGES_MIN_HEIGHT",
        "IMAGES_MIN_WIDTH",
        "LOG_LEVEL",
        "RETRY_TIMES",
    }
)
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def allowed_settings() -> frozenset[str]:
    """The names of settings that an order may carry."""
    from stj_spiders import settings as ours

    return frozenset(name for name in dir(ours) if name.startswith("STJ_")) - NOT_OVER_HTTP | PACE


def check_order(spider: str, arguments: Mapping[str, str], given: Mapping[str, str]) -> None:
    """See that a crawl could begin as it is ordered.

    Args:
        spider: its name.
        arguments: as `-a` takes them.
        given: settings, as `-s` takes them.

    Raises:
        UsageError: it could not, in a sentence.
    """
    allowed = allowed_settings()
    refused = sorted(set(given) - allowed)
    if refused:
        raise UsageError(
            f"Over HTTP no crawl takes the setting {', '.join(refused)}: it takes {', '.join(sorted(allowed))}."
        )
    unknown = sorted(name for name in arguments if name.startswith("_"))
    if unknown:
        raise UsageError(f"There is no argument {', '.join(unknown)}.")
    settings = Settings()
    settings.setmodule("stj_spiders.settings", priority="project")
    for name, value in given.items():
        if name in PACE - {"LOG_LEVEL"} and not _NUMBER.fullmatch(value):
            raise UsageError(f"{name} must be a number, 0 or more, got {value!r}.")
        settings.set(name, value, priority="cmdline")
    try:
        spider_class = get_spider_loader(settings).load(spider)
    except KeyError as error:
        raise UsageError(f"There is no spider {spider!r}.") from error
    if not issubclass(spider_class, CategorySpider):
        raise UsageError(f"{spider} is no spider of STJ's.")
    check_log_level(settings)
    spider_class.read_arguments(dict(arguments))
    CrawlConfig.from_settings(settings, spider_class.shop)


def check_job(name: str) -> None:
    """See that a job's name can be a file's.

    Raises:
        UsageError: it cannot.
    """
    if not _JOB.fullmatch(name):
        raise UsageError(f"A job's name has letters, digits, - and _, 64 at most; got {name[:80]!r}.")
