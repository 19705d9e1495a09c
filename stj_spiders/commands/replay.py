"""`scrapy replay FOLDER|FILE…`: read archived pages again with today's parser, without a request."""

from __future__ import annotations

import argparse
from pathlib import Path

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError as ScrapyUsageError

from stj_catalog.catalog import open_catalog
from stj_catalog.incremental import Settler
from stj_core.cli import counted, emit, emit_json, in_words, say
from stj_core.config import read_config
from stj_core.errors import CrawlError, StjError
from stj_core.labels import load_labels
from stj_images.likeness import thresholds_of
from stj_spiders.archive import ReadArchives, find_archives, read_archives
from stj_spiders.commands import add_version, refuse_options
from stj_spiders.replay import Changes, Replay


class Command(ScrapyCommand):
    """Read archived pages again."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """What follows the command's name."""
        return "[options] <folder or WARC file> ..."

    def short_desc(self) -> str:
        """One line for the list of commands."""
        return "Read pages that a crawl kept (STJ_WARC) again with today's parser"

    def long_desc(self) -> str:
        """What --help says."""
        return (
            "Reads pages that a crawl kept with -s STJ_WARC=FOLDER again with today's parser, brings cards, brands and "
            "verdicts in the catalogue up to date, and says what changed. Nothing is asked of any shop."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add --json and --version."""
        super().add_options(parser)
        add_version(parser)
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Read the archives; exit 0 done, 1 an expected failure, 2 wrong usage."""
        if not args:
            raise ScrapyUsageError("scrapy replay takes WARC files, or folders of them", print_help=False)
        try:
            refuse_options("scrapy replay", args)
            with in_words():
                met, changes = _replay([Path(one) for one in args])
        except StjError as error:
            say(str(error))
            self.exitcode = error.exit_code
            return
        if opts.as_json:
            emit_json(_document(met, changes))
        else:
            _print(met, changes)
        for path, why in met.broken:
            say(f"{path} could not be read to its end ({why}): what stands before that was read.")
        if met.broken:
            self.exitcode = 1


def _replay(places: list[Path]) -> tuple[ReadArchives, Changes]:
    config = read_config()
    paths = find_archives(places)
    categories = load_labels(config.labels)
    met = ReadArchives()
    catalog = open_catalog(config.catalog_url)
    try:
        replay = Replay(catalog, Settler.for_catalog(catalog, thresholds_of(config)), categories)
        changes = replay.run(lambda: read_archives(paths, met))
        # They were read twice.
        met.files, met.records, met.others = (n // 2 for n in (met.files, met.records, met.others))
        met.broken = list(dict.fromkeys(met.broken))
    finally:
        catalog.close()
    if not changes.pages and not met.broken:
        why = ", ".join(f"{n} {reason}" for reason, n in changes.unknown.items()) or f"{met.others} of another tool"
        raise CrawlError(f"No page in {counted(met.files, 'file')} belongs to this catalogue ({why}): set STJ_CATALOG.")
    return met, changes


def _document(met: ReadArchives, changes: Changes) -> dict[str, object]:
    return {
        "files": met.files,
        "pages": changes.pages,
        "unknown": sum(changes.unknown.values()) + met.others,
        "changed": dict(sorted(changes.counts.items())),
        "unread": changes.unread,
        "broken": [path for path, _ in met.broken],
    }


def _print(met: ReadArchives, changes: Changes) -> None:
    emit(f"{counted(changes.pages, 'page')} of {counted(met.files, 'file')} read again, without a request")
    for line in changes.told:
        emit(f"  {line}")
    for kind, n in sorted(changes.counts.items()):
        emit(f"{kind.replace('_', ' ')}: {counted(n, 'change')}")
    if not changes.counts:
        emit("nothing changed")
    for line in changes.unread:
        emit(line)
    for why, n in changes.unknown.items():
        emit(f"not read: {counted(n, 'page')} {why}")
    if met.others:
        emit(f"not read: {counted(met.others, 'answer')} of other tools")
