"""`python -m stj_spiders`: every category of labels.toml in one process, politely interleaved.

All crawls of a process share one `Manners`: three listings of one shop are asked no faster than one.
"""

from __future__ import annotations

from typing import Annotated

import typer
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.utils.project import get_project_settings

from stj_catalog import cli
from stj_catalog.config import read_config
from stj_catalog.errors import UsageError
from stj_catalog.labels import load_labels
from stj_spiders.running import finish, watch_quietly
from stj_spiders.spiders.amazon import CategorySpider

app = cli.make_app("Crawl every category in one process.")


@app.command()
def crawl(
    categories: Annotated[
        list[str] | None, typer.Argument(help="Slugs of labels.toml; all of them by default.")
    ] = None,
    argument: Annotated[
        list[str] | None, typer.Option("-a", help="Spider argument NAME=VALUE, for each crawl.")
    ] = None,
    setting: Annotated[list[str] | None, typer.Option("-s", help="Scrapy setting NAME=VALUE.")] = None,
    loglevel: Annotated[str | None, typer.Option("-L", "--loglevel", help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Crawl every category in one process, politely interleaved."""
    given, settings = _pairs("-a", argument), get_project_settings()
    # The commands' module belongs to `scrapy`; everything else is as there.
    settings.setmodule("stj_spiders.settings", priority="project")
    settings.setdict(_pairs("-s", setting), priority="cmdline")
    if loglevel:
        settings.set("LOG_LEVEL", loglevel, priority="cmdline")
    known = load_labels(read_config().labels)
    wanted = categories or [category.slug for category in known]
    for slug in wanted:
        CategorySpider.check({**given, "category": slug}, settings)
    watch_quietly(settings, asked=bool(loglevel))
    process = AsyncCrawlerProcess(settings)
    names = {category.slug: category.spider for category in known}
    crawlers = [process.create_crawler(names[slug]) for slug in wanted]
    for slug, crawler in zip(wanted, crawlers, strict=True):
        process.crawl(crawler, **given, category=slug)
    process.start()
    raise typer.Exit(finish(crawlers, settings))


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for one in given or []:
        name, found, value = one.partition("=")
        if not found or not name:
            raise UsageError(f"{option} takes NAME=VALUE, got {one!r}.")
        pairs[name] = value
    return pairs


if __name__ == "__main__":
    cli.run(app)
