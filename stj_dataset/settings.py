"""What one export was asked for, checked once."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from stj_catalog.selection import Wanted
from stj_core.errors import UsageError
from stj_core.locations import Location
from stj_dataset.shares import SHARES, Shares

Layout = Literal["stj", "student"]
Format = Literal["folder", "webdataset"]
Unit = Literal["group", "source"]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


@dataclass(frozen=True)
class ExportSettings:
    """The settings of an export.

    Attributes:
        out: folder or address to write to.
        split: val as a share of what is not test.
        test: test as a share of all.
        test_count: pictures in test instead; None where the share is asked for.
        seed: decides every split that is not decided yet.
        layout: folder names, ours or the student's.
        format: pictures in folders, or in WebDataset shards.
        by: what must stay together: groups, or whole sources.
        per_class: at most so many pictures of a class; None for all.
        min_side: pictures with a shorter side than so many pixels are withheld.
        max_related: at most so many pictures of one group; None for all.
        crawls: only pictures sighted in these crawls.
        since: only pictures first seen at or after this moment, ISO 8601.
        allow_missing: leave out classes that have no picture.
        link: hard links where the bytes are copied unchanged.
        parquet: the manifest and its provenance as Parquet too.
        rehash: the leak check trusts no hash of the catalogue and hashes every file afresh.
    """

    out: Path | Location = Path("dataset")
    split: float = SHARES.split
    test: float = SHARES.test
    test_count: int | None = None
    seed: int = 42
    layout: Layout = "stj"
    format: Format = "folder"
    by: Unit = "group"
    per_class: int | None = None
    min_side: int = 0
    max_related: int | None = None
    crawls: tuple[int, ...] = field(default_factory=tuple)
    since: str = ""
    allow_missing: bool = False
    link: bool = False
    parquet: bool = False
    rehash: bool = False

    def __post_init__(self) -> None:
        _ = self.shares
        if self.test_count is not None and self.test != SHARES.test:
            raise UsageError("--test and --test-count exclude each other: give one of them.")
        for name, words in (("layout", Layout), ("format", Format), ("by", Unit)):
            if getattr(self, name) not in get_args(words):
                raise UsageError(f"--{name} must be {' or '.join(get_args(words))}, got {getattr(self, name)!r}.")
        for name in ("per_class", "max_related"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, got {value}: leave it out for all.")
        if self.seed < 0:
            raise UsageError(f"--seed must be 0 or more, got {self.seed}: 42 is usual.")
        if self.min_side < 0:
            raise UsageError(f"--min-side must be at least 0 pixels, got {self.min_side}.")
        if self.since and not _is_moment(self.since):
            raise UsageError(f"--since must be a day or a moment such as 2026-05-01, got {self.since!r}.")
        if self.link and Location.of(self.out).address:
            raise UsageError(f"--link is for a folder beside the images, and {self.out} is an address: leave it out.")
        if self.format == "webdataset" and (self.link or self.layout != "stj"):
            raise UsageError("--format webdataset writes tar files: it goes with neither --link nor --layout student.")

    @property
    def shares(self) -> Shares:
        """How large the splits should be."""
        return Shares(self.split, self.test, self.test_count)

    @property
    def scheme(self) -> str:
        """What an assignment is stored under: everything that decides a split, and nothing else."""
        test = f"test={self.test:g}" if self.test_count is None else f"test-count={self.test_count}"
        return f"seed={self.seed} split={self.split:g} {test} by={self.by}"

    @property
    def wanted(self) -> Wanted:
        """The pictures that are asked for."""
        return Wanted(self.crawls, self.since)

    @property
    def described(self) -> dict[str, Any]:
        """The settings as dataset.json keeps them: all that the folder's bytes depend on."""
        document = asdict(self)
        del document["out"], document["link"], document["rehash"]
        # Whichever of the two was not asked for decides nothing.
        del document["test_count" if self.test_count is None else "test"]
        return {**document, "crawls": list(self.crawls)}


def _is_moment(text: str) -> bool:
    """Whether a text is a day or moment of the calendar, written so that it sorts among the catalogue's."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _MOMENT.fullmatch(text) is not None
