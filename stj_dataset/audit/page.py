"""The page of suspects, worst first: pictures whose label is in doubt, and pictures that look wrong whatever their label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stj_catalog.catalog import Catalog
from stj_catalog.decisions import reviewed
from stj_catalog.lookup import kept_ids, stored_paths
from stj_catalog.selection import PictureFacts, picture_facts
from stj_core.partitions import Partition, SetAside, Workers, content_name, spread
from stj_dataset.audit.cache import WORDS
from stj_dataset.audit.labels import Suspect
from stj_dataset.html import Thumbnail, render, safe_link, write_page
from stj_dataset.write import WORKERS
from stj_images.batch import oddities_of
from stj_images.decode import thumbnail
from stj_images.quality import Oddity, find_oddities
from stj_images.store import ImageStore

_TASK = 32


@dataclass(frozen=True)
class OddPicture:
    """A kept picture that looks wrong, and why."""

    facts: PictureFacts
    oddities: Sequence[Oddity]

    def as_json(self) -> dict[str, Any]:
        """The picture in `stj-dataset audit --json`."""
        return {
            "sha256": self.facts.sha256,
            "label": self.facts.label,
            "reasons": [one.reason for one in self.oddities],
            "values": [round(one.value, 3) for one in self.oddities],
            "title": self.facts.title,
            "product_url": self.facts.product_url,
        }


@dataclass(frozen=True)
class Findings:
    """What an audit found.

    Attributes:
        suspects: every picture of the run, the most doubtful label first.
        odd: kept pictures that look wrong, the gravest first.
    """

    suspects: Sequence[Suspect] = field(default_factory=tuple)
    odd: Sequence[OddPicture] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """The answer of `stj-dataset audit --json`."""
        return {"suspects": [one.as_json() for one in self.suspects], "odd": [one.as_json() for one in self.odd]}


def odd_pictures(
    catalog: Catalog,
    store: ImageStore,
    tick: Callable[[int], None] = lambda _: None,
    workers: Workers | None = None,
    lost: list[tuple[str, SetAside]] | None = None,
) -> list[OddPicture]:
    """Every kept picture that looks wrong and that nobody has decided about, the gravest first.

    Args:
        catalog: which pictures.
        store: their bytes.
        tick: told how many were looked at.
        workers: who looks; by default threads of this process do.
        lost: gets the checksum of each picture on which they failed three times, and why.
    """
    if workers is not None:
        return _gravest_first(_found_by(workers, catalog, store, tick, [] if lost is None else lost))
    found: list[OddPicture] = []
    with ThreadPoolExecutor(WORKERS, "audit") as pool:
        for facts in _undecided(catalog):
            tasks = [facts[at : at + _TASK] for at in range(0, len(facts), _TASK)]
            for done in pool.map(lambda some: [_look(store, one) for one in some], tasks):
                found.extend(one for one in done if one.oddities)
            tick(len(facts))
    return _gravest_first(found)


def _gravest_first(found: Sequence[OddPicture]) -> list[OddPicture]:
    return sorted(found, key=lambda one: (-one.oddities[0].severity, one.facts.sha256))


def _found_by(
    workers: Workers,
    catalog: Catalog,
    store: ImageStore,
    tick: Callable[[int], None],
    lost: list[tuple[str, SetAside]],
) -> list[OddPicture]:
    """The pictures that look wrong, by workers, to whom the bytes go over."""
    odd: list[OddPicture] = []

    def read() -> Iterator[tuple[PictureFacts, bytes]]:
        for facts in _undecided(catalog):
            for one in facts:
                try:
                    yield one, store.read(one.path)
                except OSError:
                    yield one, b""  # no picture

    for (facts, _), found in spread(workers, read(), _TASK, _ask_oddities):
        if isinstance(found, SetAside):
            lost.append((facts.sha256, found))
        elif found:
            odd.append(OddPicture(facts, found))
        tick(1)
    return odd


def _ask_oddities(some: Sequence[tuple[PictureFacts, bytes]]) -> Partition[Sequence[list[Oddity]]]:
    data = [one for _, one in some]
    return Partition(content_name("oddities", *data), oddities_of, (data,), sum(map(len, data)))


def write_suspects(
    path: Path, findings: Findings, catalog: Catalog, store: ImageStore, classes: Mapping[int, str], most: int
) -> int:
    """Write the page with at most `most` pictures of each kind; returns how many labels it doubts.

    Pictures that a person has decided about are left out.
    """
    decided = reviewed(catalog, [one.sha256 for one in findings.suspects])
    doubted = [one for one in findings.suspects if one.sha256 not in decided and one.guess != one.given]
    shown, odd = doubted[:most], findings.odd[:most]
    wanted = [one.sha256 for one in shown]
    paths = stored_paths(catalog, wanted)
    page = render(
        "suspects.html",
        title="Suspects",
        ranked=len(findings.suspects),
        doubted=len(doubted),
        suspects=[_suspect(one, store, paths, classes) for one in shown],
        odd_total=len(findings.odd),
        odd=[_odd(one, store, classes) for one in odd],
    )
    write_page(path, page)
    return len(doubted)


def _undecided(catalog: Catalog) -> Iterator[list[PictureFacts]]:
    for ids in kept_ids(catalog):
        facts = picture_facts(catalog, ids)
        done = reviewed(catalog, [one.sha256 for one in facts])
        yield [one for one in facts if one.sha256 not in done]


def _look(store: ImageStore, facts: PictureFacts) -> OddPicture:
    try:
        return OddPicture(facts, find_oddities(store.read(facts.path)))
    except OSError:
        return OddPicture(facts, [Oddity("unreadable", 0.0, float("inf"))])


def _suspect(one: Suspect, store: ImageStore, paths: Mapping[str, str], classes: Mapping[int, str]) -> Thumbnail:
    sure = one.probabilities[one.guess]
    return Thumbnail(
        picture=_thumbnail(store, paths.get(one.sha256)),
        caption=one.title or "no title",
        hint=f"{one.title} ({one.sha256})",
        link=safe_link(one.product_url),
        lines=(f"given {_name(classes, one.given)}, looks like {_name(classes, one.guess)} ({sure:.0%})",),
        command=f"stj-dataset label {one.sha256[:12]}",
        options=f"--as {one.guess}",
    )


def _odd(one: OddPicture, store: ImageStore, classes: Mapping[int, str]) -> Thumbnail:
    facts = one.facts
    why = ", ".join(WORDS[oddity.reason] for oddity in one.oddities)
    return Thumbnail(
        picture=_thumbnail(store, facts.path),
        caption=facts.title or "no title",
        hint=f"{facts.title} ({facts.sha256})",
        link=safe_link(facts.product_url),
        lines=(f"{why} · {_name(classes, facts.label)}, {facts.width}×{facts.height}",),
        command=f"stj-dataset label {facts.sha256[:12]}",
        options=f"--reject {one.oddities[0].reason}",
    )


def _name(classes: Mapping[int, str], label: int | None) -> str:
    return "none of the classes" if label is None else classes.get(label, str(label))


def _thumbnail(store: ImageStore, path: str | None) -> str:
    try:
        return thumbnail(store.read(path) if path else b"", 288)
    except OSError:
        return thumbnail(b"")
