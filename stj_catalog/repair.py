"""Put right what `stj-dataset verify` finds, without inventing anything: what is lost is fetched again by the next crawl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.decide import decide
from stj_catalog.dedupe import dedupe
from stj_catalog.forget import remove_forgotten_bytes
from stj_catalog.health import half_done_pages, known_paths
from stj_catalog.schema import crawls, images, pages
from stj_core.vocabulary import CrawlState, PageState, Reason, Status
from stj_images.likeness import Thresholds
from stj_images.store import ImageStore

_LOST = {"missing": Reason.MISSING_FILE, "torn": Reason.TORN_FILE}


def repair(
    catalog: Catalog, store: ImageStore, problems: Iterable[tuple[str, str]], thresholds: Thresholds
) -> Counter[str]:
    """Put problems right; returns how many of each kind.

    A picture whose file is missing or torn becomes `rejected`, its duplicates step up, and the next crawl that sees its address
    fetches it again. Orphans, leftovers and forgotten pictures' files are deleted. A half-done page goes back to the frontier.

    Args:
        catalog: what should be.
        store: what is.
        problems: kind and path, as verify gives them.
        thresholds: by which pictures are decided again.
    """
    by_kind: dict[str, list[str]] = {}
    for kind, path in problems:
        by_kind.setdefault(kind, []).append(path)
    fixed: Counter[str] = Counter()
    for kind, reason in _LOST.items():
        fixed[kind] = _give_up(catalog, store, by_kind.get(kind, []), reason, thresholds)
    for kind in ("orphan", "leftover"):
        fixed[kind] = _delete(catalog, store, by_kind.get(kind, []))
    if "not_forgotten" in by_kind:
        fixed["not_forgotten"] = len(remove_forgotten_bytes(catalog, store))
    fixed["half_done_page"] = _reopen_pages(catalog)
    broken_rules = [kind for kind in ("unsettled", "kept_duplicate", "no_file") if kind in by_kind]
    if broken_rules:
        _give_up_bare(catalog, thresholds)
        dedupe(catalog, thresholds)
        fixed.update({kind: len(by_kind[kind]) for kind in broken_rules})
    return +fixed


def _give_up(catalog: Catalog, store: ImageStore, paths: Sequence[str], reason: str, thresholds: Thresholds) -> int:
    """Reject the pictures of lost files, and let their duplicates step up."""
    given_up = 0
    for some in chunks(sorted(set(paths))):
        with catalog.write(exclusive=True) as connection:
            lost = select(images.c.id).where(images.c.path.in_(some), images.c.status != Status.FORGOTTEN)
            ids = connection.execute(lost).scalars().all()
            _reject(connection, ids, reason, thresholds)
            given_up += len(ids)
        for path in some:
            store.delete(path)
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


def _delete(catalog: Catalog, store: ImageStore, paths: Sequence[str]) -> int:
    """Delete files that still no row names: a crawl may have written one meanwhile."""
    strangers = sorted(set(paths) - known_paths(catalog, paths))
    for path in strangers:
        store.delete(path)
    return len(strangers)


def _reopen_pages(catalog: Catalog) -> int:
    """Put half-done pages back on the frontier, and let the command that began their crawl go on with it."""
    with catalog.write(exclusive=True) as connection:
        rows = half_done_pages(connection)
        lease = dict.fromkeys(("lease_until", "lease_host", "lease_pid", "lease_started"))
        for some in chunks([row.id for row in rows]):
            again = {"state": PageState.PENDING.value, **lease}
            connection.execute(update(pages).where(pages.c.id.in_(some)).values(again))
        for some in chunks(sorted({row.crawl_id for row in rows})):
            over = crawls.c.state == CrawlState.FINISHED
            values = {"state": CrawlState.INTERRUPTED.value, "finished_at": None, "reason": "a page was only half done"}
            connection.execute(update(crawls).where(crawls.c.id.in_(some), over).values(values))
    return len(rows)
