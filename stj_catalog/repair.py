"""Put right what `stj-dataset verify` finds, without inventing anything and without destroying anything.

What is lost is fetched again by the next crawl; what nothing names is set aside, never deleted; what may be at work is left.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.decide import decide
from stj_catalog.dedupe import dedupe
from stj_catalog.forget import remove_forgotten_bytes
from stj_catalog.frontier import NO_LEASE
from stj_catalog.health import half_done_pages
from stj_catalog.schema import crawls, images, pages
from stj_core.vocabulary import CrawlState, PageState, Reason, Status
from stj_images.likeness import Thresholds
from stj_images.store import ImageStore

_LOST = {"missing": Reason.MISSING_FILE, "torn": Reason.TORN_FILE}
_BROKEN_RULES = ("unsettled", "kept_duplicate", "parted_group", "no_file")
# What the image store calls a picture's file; anything else in its folder is somebody's own.
_OURS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.\w{1,8}")
# A repair of more than this many, and of more than this share of all, is asked about first.
_MANY, _SHARE = 20, 0.01


@dataclass(frozen=True)
class RepairPlan:
    """What a repair would change.

    Attributes:
        problems: what will be put right, by kind.
        left: how many files are left alone, by why.
        files: files that would be moved or removed.
        rows: rows that would change.
        all_files: files of the image store.
        all_rows: pictures of the catalogue.
    """

    problems: Mapping[str, Sequence[str]]
    left: Mapping[str, int]
    files: int
    rows: int
    all_files: int
    all_rows: int

    @property
    def large(self) -> bool:
        """Whether it changes more than a few things: a person should say that it is meant."""
        parts = ((self.files, self.all_files), (self.rows, self.all_rows))
        return any(part > _MANY and part > _SHARE * whole for part, whole in parts)

    @property
    def sentence(self) -> str:
        """What would change."""
        kinds = ", ".join(f"{len(paths):,} {kind}" for kind, paths in self.problems.items())
        return (
            f"This repair changes {self.files:,} of {self.all_files:,} files and {self.rows:,} of {self.all_rows:,} rows "
            f"({kinds}): files that nothing names are moved to lost+found, pictures whose files are lost become rejected."
        )


@dataclass
class _Sorted:
    problems: dict[str, list[str]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


def plan_repair(
    catalog: Catalog, store: ImageStore, problems: Iterable[tuple[str, str]], young_seconds: float
) -> RepairPlan:
    """Say what a repair would change; files that somebody may be at work on are left out.

    Args:
        catalog: what should be.
        store: what is.
        problems: kind and path, as verify gives them.
        young_seconds: files younger than this are left alone.
    """
    found = _Sorted()
    in_hand = store.in_hand()
    problems = list(problems)
    back = _given_up_before(catalog, [path for kind, path in problems if kind == "orphan"])
    for kind, path in problems:
        # The file of a picture that was given up is taken back, whatever its age: nobody else would write a row for it.
        stranger = kind in {"orphan", "leftover"} and _checksum(path) not in back
        why = _left_alone(store, path, in_hand, young_seconds) if stranger else None
        if why is None:
            found.problems.setdefault(kind, []).append(path)
        else:
            found.left[why] += 1
    with catalog.read() as connection:
        all_rows = connection.execute(select(func.count()).select_from(images)).scalar_one()
    counts = {kind: len(paths) for kind, paths in found.problems.items()}
    return RepairPlan(
        problems=found.problems,
        left=found.left,
        files=sum(counts.get(kind, 0) for kind in ("orphan", "leftover", "torn", "not_forgotten")),
        rows=sum(counts.get(kind, 0) for kind in (*_LOST, *_BROKEN_RULES)),
        all_files=sum(1 for _ in store.paths()),
        all_rows=all_rows,
    )


def repair(catalog: Catalog, store: ImageStore, plan: RepairPlan, thresholds: Thresholds) -> Counter[str]:
    """Put problems right; returns how many of each kind.

    A picture whose file is missing or torn becomes `rejected`, its duplicates step up, and the next crawl that sees its address
    fetches it again; one that was given up so and whose file is back is taken back. Files that nothing names are set aside in
    the store's `lost+found`; of forgotten pictures, and of what was written aside by processes that died, they are deleted. A
    half-done page goes back to the frontier.

    Args:
        catalog: what should be.
        store: what is.
        plan: what to change.
        thresholds: by which pictures are decided again.
    """
    by_kind = plan.problems
    fixed: Counter[str] = Counter()
    fixed["found_again"] = _take_back(catalog, store, by_kind.get("orphan", ()), thresholds)
    for kind, reason in _LOST.items():
        fixed[kind] = _give_up(catalog, store, by_kind.get(kind, ()), reason, thresholds)
    fixed["orphan"] = _set_aside(catalog, store, by_kind.get("orphan", ()))
    for path in by_kind.get("leftover", ()):
        store.delete(path)
        fixed["leftover"] += 1
    if "not_forgotten" in by_kind:
        fixed["not_forgotten"] = len(remove_forgotten_bytes(catalog, store))
    store.tidy()
    fixed["half_done_page"] = _reopen_pages(catalog)
    broken_rules = [kind for kind in _BROKEN_RULES if kind in by_kind]
    if broken_rules:
        _give_up_bare(catalog, thresholds)
        dedupe(catalog, thresholds)
        fixed.update({kind: len(by_kind[kind]) for kind in broken_rules})
    return +fixed


def _given_up_before(catalog: Catalog, paths: Sequence[str]) -> set[str]:
    """The checksums among some files' names of pictures that were given up because their files were lost."""
    found: set[str] = set()
    gone = images.c.status == Status.REJECTED, images.c.reason.in_([*_LOST.values()]), images.c.path.is_(None)
    with catalog.read() as connection:
        for some in chunks(sorted({_checksum(path) for path in paths})):
            query = select(images.c.sha256).where(images.c.sha256.in_(some), *gone)
            found |= set(connection.execute(query).scalars())
    return found


def _left_alone(store: ImageStore, path: str, in_hand: set[str], young_seconds: float) -> str | None:
    """Why a file that nothing names is left alone, or None where it is not."""
    if not store.is_unfinished(path) and not _OURS.fullmatch(path):
        return "not called as the image store calls its pictures"
    if path in in_hand:
        return "put by a process that is at work"
    try:
        return f"younger than {young_seconds:.0f} s" if store.age(path) < young_seconds else None
    except FileNotFoundError:
        return "gone meanwhile"


def _take_back(catalog: Catalog, store: ImageStore, strangers: Sequence[str], thresholds: Thresholds) -> int:
    """Give pictures their files back that were given up as lost and are there again, or were set aside."""
    set_aside = store.lost()
    places = {**set_aside, **{_checksum(path): path for path in strangers}}
    taken = 0
    for some in chunks(sorted(one for one in places if len(one) == 64)):
        with catalog.write(exclusive=True) as connection:
            gone = images.c.status == Status.REJECTED, images.c.reason.in_([*_LOST.values()]), images.c.path.is_(None)
            rows = connection.execute(
                select(images.c.id, images.c.sha256).where(images.c.sha256.in_(some), *gone)
            ).all()
            back: list[int] = []
            for row in rows:
                place = places[row.sha256]
                if not _is_whole(store, place, row.sha256):
                    continue
                path = f"{row.sha256[:2]}/{place.rsplit('/', 1)[-1]}"
                if place != path:
                    store.take_back(place, path)
                    places[row.sha256] = path
                values = {"path": path, "status": Status.QUARANTINED.value, "reason": Reason.UNSIGHTED.value}
                connection.execute(update(images).where(images.c.id == row.id).values(values))
                back.append(row.id)
            decide(connection, back, thresholds)
            taken += len(back)
    return taken


def _give_up(catalog: Catalog, store: ImageStore, paths: Sequence[str], reason: str, thresholds: Thresholds) -> int:
    """Reject the pictures of lost files, and let their duplicates step up; a file that is whole by now stays."""
    given_up = 0
    for some in chunks(sorted(set(paths)), 100):
        with catalog.write(exclusive=True) as connection:
            lost = select(images.c.id, images.c.path, images.c.sha256)
            lost = lost.where(images.c.path.in_(some), images.c.status != Status.FORGOTTEN)
            rows = [row for row in connection.execute(lost) if not _is_whole(store, row.path, row.sha256)]
            for path in sorted({row.path for row in rows}):
                if _is_there(store, path):
                    store.set_aside(path, f"{reason}: other bytes than were stored")
            _reject(connection, [row.id for row in rows], reason, thresholds)
            given_up += len(rows)
    return given_up


def _give_up_bare(catalog: Catalog, thresholds: Thresholds) -> None:
    """Reject kept pictures whose rows name no file."""
    with catalog.write(exclusive=True) as connection:
        bare = select(images.c.id).where(images.c.status == Status.KEPT, images.c.path.is_(None))
        _reject(connection, connection.execute(bare).scalars().all(), Reason.MISSING_FILE, thresholds)


def _reject(connection: Connection, ids: Sequence[int], reason: str, thresholds: Thresholds) -> None:
    nothing = dict.fromkeys(("path", "duplicate_of", "duplicate_kind", "distance"))
    for some in chunks(ids):
        values = {"status": Status.REJECTED.value, "reason": str(reason), **nothing}
        connection.execute(update(images).where(images.c.id.in_(some)).values(values))
    decide(connection, ids, thresholds)


def _set_aside(catalog: Catalog, store: ImageStore, paths: Sequence[str]) -> int:
    """Set files aside that still no row names: a crawl may have written one meanwhile."""
    moved = 0
    for some in chunks(sorted(set(paths)), 100):
        # No writer commits a row meanwhile.
        with catalog.write(exclusive=True) as connection:
            named = set(connection.execute(select(images.c.path).where(images.c.path.in_(some))).scalars())
            for path in some:
                if path not in named and _is_there(store, path):
                    store.set_aside(path, "no picture of the catalogue names it")
                    moved += 1
    return moved


def _checksum(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".", 1)[0]


def _is_there(store: ImageStore, path: str) -> bool:
    try:
        store.age(path)
    except FileNotFoundError:
        return False
    return True


def _is_whole(store: ImageStore, path: str, sha256: str) -> bool:
    try:
        return hashlib.sha256(store.read(path)).hexdigest() == sha256
    except OSError:
        return False


def _reopen_pages(catalog: Catalog) -> int:
    """Put half-done pages back on the frontier, and let the command that began their crawl go on with it."""
    with catalog.write(exclusive=True) as connection:
        rows = half_done_pages(connection)
        for some in chunks([row.id for row in rows]):
            again = {"state": PageState.PENDING.value, **NO_LEASE}
            connection.execute(update(pages).where(pages.c.id.in_(some)).values(again))
        for some in chunks(sorted({row.crawl_id for row in rows})):
            over = crawls.c.state == CrawlState.FINISHED
            values = {"state": CrawlState.INTERRUPTED.value, "finished_at": None, "reason": "a page was only half done"}
            connection.execute(update(crawls).where(crawls.c.id.in_(some), over).values(values))
    return len(rows)
