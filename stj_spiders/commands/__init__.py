"""Scrapy commands with STJ's manners: exit codes that say how it went, and a summary at the end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from stj_core import __version__
from stj_core.errors import UsageError


def add_version(parser: argparse.ArgumentParser) -> None:
    """Give a command the option --version, as all of ours have it."""
    parser.add_argument("--version", action="version", version=f"stj {__version__}", help="say STJ's version, and end")


def refuse_options(command: str, words: Sequence[str], advice: str = "") -> None:
    """See that no word is an option: Scrapy hands those that it does not know on as if they were arguments.

    Args:
        command: its name, such as `scrapy crawl`.
        words: what is left after Scrapy took the options that it knows.
        advice: what to type instead, as far as that is known.

    Raises:
        UsageError: one of them begins with a dash.
    """
    unknown = next((word for word in words if word.startswith("-") and word != "-"), None)
    if unknown is not None:
        raise UsageError(f"{command} has no option {unknown}: {advice}{command} --help lists the options.")
