"""`scrapy crawl NAME`: Scrapy's command, with checked arguments, a summary, a sentence and an exit code."""

from __future__ import annotations

import argparse

from scrapy.commands.crawl import Command as CrawlCommand
from scrapy.exceptions import UsageError as ScrapyUsageError

from stj_core.cli import GOES_ON, INTERRUPTED, end_lightly, in_words
from stj_core.errors import StjError, UsageError
from stj_spiders.commands import add_version, refuse_options
from stj_spiders.config import check_log_level
from stj_spiders.running import check_handles, dry_run, finish, not_begun, tell, watch_quietly
from stj_spiders.spiders.category import CategorySpider


class Command(CrawlCommand):
    """Crawl one category."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add --version."""
        super().add_options(parser)
        add_version(parser)

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Read the options; Scrapy opens the log with them before anything of ours is asked."""
        end_lightly()
        super().process_options(args, opts)
        assert self.settings is not None
        try:
            check_log_level(self.settings)
        except UsageError as error:
            raise ScrapyUsageError(str(error), print_help=False) from error
        try:
            check_handles()  # now: Scrapy opens its reactor next, which has no words for it
        except StjError as error:
            raise SystemExit(not_begun(error, " ".join(args[:1]), self.settings)) from error

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the spider and set the exit code: 0 done, 1 an expected failure, 2 wrong usage, 130 interrupted."""
        assert self.settings is not None
        try:
            refuse_options("scrapy crawl", args, "what a spider is told goes as -a NAME=VALUE (-a limit=50), and ")
        except UsageError as error:
            self.exitcode = not_begun(error, "", self.settings)
            return
        if len(args) != 1:
            raise ScrapyUsageError("scrapy crawl takes the name of one spider")
        assert self.crawler_process is not None
        loader = self.crawler_process.spider_loader
        try:
            names = loader.list()
            if args[0] not in names:
                raise UsageError(f"There is no spider {args[0]!r}: there are {', '.join(sorted(names))}.")
        except StjError as error:
            self.exitcode = not_begun(error, args[0], self.settings)
            return
        spider_class = loader.load(args[0])
        if not issubclass(spider_class, CategorySpider):
            super().run(args, opts)
            return
        try:
            with in_words():
                if spider_class.read_arguments(opts.spargs)[0].dry_run:
                    dry_run([(spider_class, opts.spargs)], self.settings)
                    return
                spider_class.check(opts.spargs, self.settings)
        except StjError as error:
            self.exitcode = not_begun(error, args[0], self.settings)
            return
        watch_quietly(self.crawler_process.settings, asked=bool(opts.loglevel or opts.logfile))
        crawler = self._create_crawler(spider_class)
        self.crawler_process.crawl(crawler, **opts.spargs)
        self.crawler_process.start()
        self.exitcode = finish([crawler], self.settings)
        if self.exitcode == INTERRUPTED:
            tell(GOES_ON, self.settings)
