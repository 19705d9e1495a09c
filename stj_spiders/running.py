"""Before and after a crawl: what would be fetched, what was, the next command, and the exit code."""

from __future__ import annotations

import logging
import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psutil
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings

from stj_catalog import crawls
from stj_catalog.catalog import open_catalog
from stj_core.addresses import is_loopback
from stj_core.cli import INTERRUPTED, counted, emit, emit_json, say
from stj_core.config import Config
from stj_core.errors import CatalogError, CrawlError, StjError, UsageError
from stj_core.vocabulary import CrawlState, Status
from stj_spiders.asking_rules import ask_rules
from stj_spiders.config import CrawlConfig
from stj_spiders.coverage import FIELDS
from stj_spiders.extensions.progress import Progress
from stj_spiders.identity import user_agent
from stj_spiders.on_end import read_command, tell_end
from stj_spiders.outcome import STOPPED, Outcome
from stj_spiders.politeness import spell
from stj_spiders.robots import Rules
from stj_spiders.session import Session, find_session
from stj_spiders.shops.shop import PAGES
from stj_spiders.spiders.category import CategorySpider

CARDS_A_PAGE = 48
# Pages, pictures of several hosts, the catalogue with its journal, the store, and a picture that is decoded in another process.
HANDLES = 64
_STATUSES = tuple(str(word) for word in Status)


def check_handles() -> None:
    """See that this process may open as many files and sockets as a crawl does at once.

    Raises:
        CrawlError: it may not.
    """
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        taken = psutil.Process().num_fds()
    except OSError:  # counting them takes one, too
        taken = most
    if most not in {resource.RLIM_INFINITY, -1} and most - taken < HANDLES:
        raise CrawlError(
            f"A crawl needs {HANDLES} more open files than the {taken} that there are, and {most} are allowed: raise the limit "
            "(ulimit -n 1024), then give the same command again."
        )


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


def tell(sentence: str, settings: BaseSettings) -> None:
    """Say how it ended, in the log file too where there is one: who started it over HTTP sees nothing else."""
    say(sentence)
    if settings.get("LOG_FILE"):
        logging.getLogger(__package__).error(sentence)


def finish(crawlers: Sequence[Crawler], settings: BaseSettings) -> int:
    """Print the summary and how it ended; returns the exit code, the worst of all, and leaves Ctrl-C to be told with it."""
    Progress.take_down()
    sessions = [session for session in map(find_session, crawlers) if session is not None]
    summaries = [session.summary for session in sessions if session.summary is not None]
    if str(settings.get("STJ_SUMMARY")) == "json":
        emit_json(summaries[0] if len(crawlers) == 1 and summaries else summaries)
    elif summaries:
        _print_summary(summaries)
    sys.stdout.flush()
    if len(sessions) < len(crawlers):
        return not_begun(CrawlError("A crawl could not start: the log above says why."), "", settings)
    # After a second Ctrl-C nobody had the time to say how it ended.
    outcomes: list[Outcome] = [session.outcome or STOPPED for session in sessions]
    # Whatever the user's command says, the last line is the crawl's own.
    for session, outcome in zip(sessions, outcomes, strict=True):
        if outcome.exit_code:
            tell_end(session.settings.on_end, _told_end(session, outcome))
    told = (outcome.sentence for outcome in outcomes if outcome.sentence and outcome.exit_code != INTERRUPTED)
    for sentence in dict.fromkeys(told):
        tell(sentence, settings)
    return max(outcome.exit_code for outcome in outcomes)


def _told_end(session: Session, outcome: Outcome) -> dict[str, object]:
    """What the command of `STJ_ON_END` is told."""
    return {
        "spider": session.name,
        "origin": session.config.origin,
        "crawl": session.crawl.id if hasattr(session, "crawl") else None,
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "sentence": outcome.sentence,
    }


def not_begun(error: StjError, spider: str, settings: BaseSettings) -> int:
    """Say why a crawl could not begin; returns the exit code."""
    try:
        command = read_command(settings.get("STJ_ON_END"))
    except UsageError:
        command = []
    tell_end(command, {"spider": spider, "state": "not_begun", "exit_code": error.exit_code, "sentence": str(error)})
    tell(str(error), settings)
    return error.exit_code


def dry_run(wanted: Sequence[tuple[type[CategorySpider], dict[str, str]]], settings: BaseSettings) -> None:
    """Say what crawls would fetch, from where, and how long it would take at the pace that its robots.txt leaves.

    Nothing else of the shop is asked.

    Args:
        wanted: spiders of one process, each with its arguments.
        settings: Scrapy's.
    """
    read = CrawlConfig.from_settings(settings)
    obeys = settings.getbool("ROBOTSTXT_OBEY")
    plans = [_plan(spider_class, given, read, obeys=obeys) for spider_class, given in wanted]
    if read.summary == "json":
        emit_json(plans[0] if len(plans) == 1 else plans)
        return
    for plan in plans:
        _print_plan(plan)
    if len(plans) > 1:
        minutes = round(sum(plan["minutes"] for plan in plans), 1)
        emit(f"all of them about {minutes:g} minutes: the crawls of a process share one pace")
    emit("what robots.txt refuses is not fetched; pauses that the shop asks for on the way come on top")
    asked = [one.read_arguments(given)[0] for one, given in wanted]
    shops = {one.category.shop for one, plan in zip(asked, plans, strict=True) if not is_loopback(plan["first_url"])}
    for shop in sorted(shops):
        emit(PAGES[shop].CONDITIONS)


def _print_plan(plan: dict[str, Any]) -> None:
    emit(f"{plan['spider']} would read {plan['first_url']}")
    emit(
        f"  {counted(plan['listing_pages'], 'listing page')} ({plan['listing_pages_at_most']} at most), "
        f"{counted(plan['product_pages'], 'product page')}, "
        f"{counted(plan['pictures'], 'picture')}, less those that are known"
    )
    emit(
        f"  {plan['page_seconds']:g} s between pages, {plan['picture_seconds']:g} s between pictures: "
        f"about {plan['minutes']:g} minutes"
    )
    if plan["crawl_delay_seconds"]:
        emit(
            f"  of which its robots.txt asks for {spell(plan['crawl_delay_seconds'])} between any two requests (Crawl-delay)"
        )
    if plan["in_the_way"]:
        emit(f"  it would end at once: {plan['in_the_way']}")
    if plan["resumes_crawl"]:
        emit(f"  it goes on with crawl {plan['resumes_crawl']}")


def _plan(
    spider_class: type[CategorySpider], given: dict[str, str], read: CrawlConfig, *, obeys: bool
) -> dict[str, Any]:
    arguments, config = spider_class.read_arguments(given)
    pages = min(arguments.pages, -(-arguments.limit // CARDS_A_PAGE))
    products = min(arguments.limit, pages * CARDS_A_PAGE) if arguments.details else 0
    idle = is_loopback(config.origin) and not read.pace.given
    page_seconds, picture_seconds = (0.0, 0.0) if idle else (read.pace.page_seconds, read.pace.picture_seconds)
    first_url = config.origin + arguments.category.listing_path
    rules = ask_rules(config.origin, user_agent(config.contact)) if obeys else Rules("")
    # Pages and pictures go at their own paces, side by side; a Crawl-delay holds between all of them.
    seconds = max((pages + products) * page_seconds, arguments.limit * picture_seconds)
    every = pages + products + arguments.limit
    seconds = max(seconds, every * min(rules.wait, read.patience.delay_most_seconds))
    return {
        "spider": spider_class.name,
        "first_url": first_url,
        "resumes_crawl": _unfinished(spider_class, config, arguments.category.slug),
        "listing_pages": pages,
        "listing_pages_at_most": arguments.pages,
        "product_pages": products,
        "pictures": arguments.limit,
        "page_seconds": page_seconds,
        "picture_seconds": picture_seconds,
        "crawl_delay_seconds": rules.wait if math.isfinite(rules.wait) else 1e12,
        "in_the_way": _in_the_way(rules, first_url, read),
        "minutes": round(seconds * (1 + read.pace.jitter / 2) / 60, 1),
    }


def _in_the_way(rules: Rules, url: str, read: CrawlConfig) -> str | None:
    """Why a crawl would end before its first page, or None."""
    most = read.patience.delay_most_seconds
    if rules.wait > most:
        return f"{spell(rules.wait)} of Crawl-delay are over the {spell(most)} of STJ_DELAY_MOST_SECONDS"
    return rules.refusal(url)


def _unfinished(spider_class: type[CategorySpider], config: Config, slug: str) -> int | None:
    try:
        catalog = open_catalog(config.catalog_url)
    except CatalogError:
        return None
    try:
        return crawls.unfinished_crawl(catalog, spider=spider_class.name, slug=slug, origin=config.origin)
    finally:
        catalog.close()


def _print_summary(summaries: Sequence[dict[str, Any]]) -> None:
    # A column for each spider: three of them fit on the narrowest terminal, and a status more is a line more.
    rows = [["spider", *(one["spider"] for one in summaries)]]
    for name in ("crawl", "state", "pages", "cards", "new", *_STATUSES):
        found = [one.get(name, one["images"].get(name, 0)) for one in summaries]
        if name != Status.FORGOTTEN or any(found):
            rows.append([name, *map(str, found)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for head, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        emit("  ".join([head.ljust(widths[0]), *numbers]))
    reasons: Counter[str] = Counter()
    for one in summaries:
        reasons.update(one["reasons"])
    if reasons:
        emit("why: " + ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())))
    for one in summaries:
        _print_coverage(one)
    if any(one["cards"] for one in summaries) and not any(one["new"] for one in summaries):
        emit("Nothing new was fetched: every picture was known.")
    if any(one["state"] == CrawlState.FINISHED and one["images"].get(Status.KEPT) for one in summaries):
        emit("next: stj-dataset stats, then stj-dataset export --split 0.2")


def _print_coverage(summary: dict[str, Any]) -> None:
    """Say how many cards had each field, and which pages were left out."""
    coverage = summary.get("coverage")
    if coverage:
        fields = ", ".join(f"{name} {coverage.get(name, 0):.0%}" for name in FIELDS)
        emit(f"{summary['spider']}: of {counted(int(coverage['cards']), 'card')} had: {fields}")
    results, cards = summary.get("results") or 0, summary["listed"]  # a product's own page is no part of the listing
    if summary["state"] == CrawlState.FINISHED and results > cards:
        emit(
            f"{summary['spider']}: the listing counts {counted(results, 'result')}; {counted(cards, 'card')} were read"
        )
    if summary.get("taken_over"):
        emit(f"{summary['spider']}: {counted(summary['taken_over'], 'page')} taken over by other processes meanwhile")
    if summary.get("set_aside"):
        emit(f"{summary['spider']}: {counted(summary['set_aside'], 'page')} set aside after failing again and again")
