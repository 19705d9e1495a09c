"""Before and after a crawl: what would be fetched, what was, the next command, and the exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings

from stj_catalog import crawls
from stj_catalog.catalog import open_catalog
from stj_catalog.cli import emit, emit_json, say
from stj_catalog.errors import CatalogError
from stj_catalog.urls import is_loopback
from stj_spiders.config import CrawlConfig
from stj_spiders.spiders.amazon import CategorySpider

CARDS_A_PAGE = 48
_STATUSES = ("kept", "duplicate", "quarantined", "rejected", "forgotten")


def watch_quietly(settings: BaseSettings, *, asked: bool) -> None:
    """On a terminal the live line tells what the log would; the log keeps to warnings unless it was asked for more.

    Args:
        settings: changed in place, before the crawlers are made.
        asked: whether a log level or a log file was given.
    """
    if sys.stderr.isatty() and not asked:
        settings.set("LOG_LEVEL", "WARNING", priority="cmdline")
        for handler in logging.getLogger().handlers:
            handler.setLevel(logging.WARNING)


def finish(crawlers: Sequence[Crawler], settings: BaseSettings) -> int:
    """Print the summary and how it ended; returns the exit code, the worst of all."""
    spiders = [crawler.spider for crawler in crawlers if isinstance(crawler.spider, CategorySpider)]
    summaries = [spider.summary for spider in spiders if spider.summary is not None]
    if str(settings.get("STJ_SUMMARY")) == "json":
        emit_json(summaries[0] if len(crawlers) == 1 and summaries else summaries)
    elif summaries:
        _print_table(summaries)
    outcomes = [spider.outcome for spider in spiders if spider.outcome is not None]
    if len(outcomes) < len(crawlers):
        say("A crawl could not start: the log above says why.")
        return 1
    for outcome in outcomes:
        if outcome.sentence:
            say(outcome.sentence)
    return max((outcome.exit_code for outcome in outcomes), default=1)


def dry_run(spider_class: type[CategorySpider], given: dict[str, str], settings: BaseSettings) -> None:
    """Say what the crawl would fetch, from where, and how long it would take at the configured pace; asks the shop nothing."""
    arguments, config = spider_class.read_arguments(given)
    read = CrawlConfig.from_settings(settings)
    resumed = _unfinished(spider_class, config, arguments.category.slug)
    pages = min(arguments.pages, -(-arguments.limit // CARDS_A_PAGE))
    products = arguments.limit if arguments.details else 0
    idle = is_loopback(config.origin) and not read.pace.given
    mean = 0.0 if idle else 1 + read.pace.jitter / 2
    seconds = mean * max((pages + products) * read.pace.page_seconds, arguments.limit * read.pace.picture_seconds)
    document = {
        "spider": spider_class.name,
        "first_url": config.origin + arguments.category.listing_path,
        "resumes_crawl": resumed,
        "listing_pages": pages,
        "listing_pages_at_most": arguments.pages,
        "product_pages": products,
        "pictures_at_least": arguments.limit,
        "page_seconds": 0.0 if idle else read.pace.page_seconds,
        "picture_seconds": 0.0 if idle else read.pace.picture_seconds,
        "minutes": round(seconds / 60, 1),
    }
    if read.summary == "json":
        emit_json(document)
        return
    emit(f"{spider_class.name} would read {document['first_url']}")
    emit(
        f"  {pages} listing pages ({arguments.pages} at most), {products} product pages, {arguments.limit} pictures unless known already"
    )
    emit(
        f"  {document['page_seconds']:g} s between pages, {document['picture_seconds']:g} s between pictures: about {document['minutes']:g} minutes"
    )
    emit(
        "  robots.txt is asked first; what it refuses is not fetched"
        + (f"; goes on with crawl {resumed}" if resumed else "")
    )


def _unfinished(spider_class: type[CategorySpider], config: Any, slug: str) -> int | None:  # noqa: ANN401 - the shared Config
    try:
        catalog = open_catalog(config.catalog_url)
    except CatalogError:
        return None
    try:
        return crawls.unfinished_crawl(catalog, spider=spider_class.name, slug=slug, origin=config.origin)
    finally:
        catalog.close()


def _print_table(summaries: Sequence[dict[str, Any]]) -> None:
    table = Table(title=None, header_style="bold")
    for name in ("spider", "crawl", "state", "pages", "cards", "new", *_STATUSES):
        table.add_column(name, justify="left" if name in {"spider", "state"} else "right")
    for one in summaries:
        counts = [str(one["images"].get(status, 0)) for status in _STATUSES]
        table.add_row(
            one["spider"],
            str(one["crawl"]),
            one["state"],
            str(one["pages"]),
            str(one["cards"]),
            str(one["new"]),
            *counts,
        )
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    reasons = {reason: n for one in summaries for reason, n in one["reasons"].items()}
    if reasons:
        emit("why: " + ", ".join(f"{n} {reason}" for reason, n in reasons.items()))
    if any(one["cards"] for one in summaries) and not any(one["new"] for one in summaries):
        emit("Nothing new was fetched: every picture was known.")
    if any(one["state"] == "finished" for one in summaries):
        emit("next: stj-dataset stats, then stj-dataset export --split 0.2")
