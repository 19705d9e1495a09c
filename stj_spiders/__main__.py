"""`python -m stj_spiders`: every category of labels.toml in one process, politely interleaved.

All crawls of a process share one `Manners`: three listings of one shop are asked no faster than one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from stj_core import cli
from stj_core.config import read_config
from stj_core.errors import StjError, UsageError
from stj_core.labels import find_category, load_labels

if TYPE_CHECKING:
    from stj_spiders.spiders.category import CategorySpider

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
    from scrapy.crawler import AsyncCrawlerProcess
    from scrapy.spiderloader import get_spider_loader
    from scrapy.utils.project import get_project_settings

    from stj_spiders.config import check_log_level
    from stj_spiders.running import check_handles, dry_run, finish, not_begun, watch_quietly

    given, settings = _pairs("-a", argument), get_project_settings()
    # The commands' module belongs to `scrapy`; everything else is as there.
    settings.setmodule("stj_spiders.settings", priority="project")
    settings.setdict(_pairs("-s", setting), priority="cmdline")
    if loglevel:
        settings.set("LOG_LEVEL", loglevel, priority="cmdline")
    check_log_level(settings)
    check_handles()
    known, loader = load_labels(read_config().labels), get_spider_loader(settings)
    spiders = [
        (cast("type[CategorySpider]", loader.load(find_category(slug, known).spider)), {**given, "category": slug})
        for slug in dict.fromkeys(categories or [category.slug for category in known])
    ]
    if any(spider.read_arguments(arguments)[0].dry_run for spider, arguments in spiders):
        dry_run(spiders, settings)
        return
    for spider, arguments in spiders:
        try:
            spider.check(arguments, settings)
        except StjError as error:
            raise typer.Exit(not_begun(error, spider.name, settings)) from error
    watch_quietly(settings, asked=bool(loglevel))
    process = AsyncCrawlerProcess(settings)
    crawlers = [process.create_crawler(spider) for spider, _ in spiders]
    for crawler, (_, arguments) in zip(crawlers, spiders, strict=True):
        process.crawl(crawler, **arguments)
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
