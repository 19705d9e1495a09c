"""`stj-dataset verify`: is everything as it was promised."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit, emit_json, say
from stj_core.console import bars
from stj_core.errors import UsageError
from stj_core.locations import Location
from stj_dataset.cli.common import CatalogOption, ImagesOption, YesOption, confirm, opened

if TYPE_CHECKING:
    from stj_catalog.catalog import Catalog
    from stj_core.config import Config
    from stj_core.problem import Problem
    from stj_images.store import ImageStore


def verify(
    dataset: Annotated[
        Location | None,
        typer.Argument(
            parser=Location.of,
            help="A dataset's folder or address; without it, the catalogue and its image store.",
            show_default=False,
        ),
    ] = None,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put the catalogue and its image store right, then look again.")
    ] = False,
    yes: YesOption = False,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the image store with the catalogue, or a dataset with its manifest.

    Reads every picture again. Exit code 1, with the list, when something is not as it should be. A repair rejects pictures whose
    files are lost (the next crawl fetches them again), moves files that nothing names to lost+found in the image store, and
    reopens half-done pages. It deletes no picture, leaves alone what is younger than STJ_YOUNG_SECONDS or in the hands of a
    process that is at work, makes a backup of the catalogue first, and asks before it changes more than 1 % and 20 things.
    """
    if dataset and repair:
        raise UsageError("--repair is for the catalogue: a damaged dataset is exported again (stj-dataset export).")
    if repair:
        _repair(catalog, images, cluster, yes=yes)
    problems = _of_dataset(dataset, cluster) if dataset else _of_catalog(catalog, images, cluster)
    if as_json:
        emit_json({"ok": not problems, "problems": [asdict(one) for one in problems]})
    else:
        for one in problems:
            emit(f"{one.kind}: {one.path}: {one.detail}")
        what = f"The dataset {dataset}" if dataset else "The catalogue and its image store"
        found = counted(len(problems), "problem")
        if not repair:
            found += "; export it again" if dataset else "; stj-dataset verify --repair puts right what can be"
        say(f"{what}: {found}." if problems else f"{what}: everything is as it should be.")
    if problems:
        raise typer.Exit(1)


def _of_dataset(dataset: Location, cluster: str | None) -> list[Problem]:
    from stj_core.cluster import open_cluster
    from stj_core.config import read_config
    from stj_dataset.verify import verify_dataset, verify_published

    config = read_config(cluster=cluster)
    with open_cluster(config.cluster, say) as workers:
        if dataset.address is not None:
            return list(verify_published(dataset.address, config.cache, workers))
        return list(verify_dataset(dataset.path, workers))


def _of_catalog(catalog: str | None, images: str | None, cluster: str | None) -> list[Problem]:
    from stj_catalog.health import lost_store
    from stj_images.store import open_store

    with opened(catalog, images, cluster) as (found, config):
        store = open_store(config.images)
        if sentence := lost_store(found, store, config.images):
            say(sentence)
        return _problems(found, store, config)


def _problems(found: Catalog, store: ImageStore, config: Config) -> list[Problem]:
    from stj_catalog.health import count_files
    from stj_core.cluster import open_cluster
    from stj_dataset.verify import verify_catalog

    with open_cluster(config.cluster, say) as workers, bars() as progress:
        return list(verify_catalog(found, store, progress("Reading", count_files(found)), workers))


def _repair(catalog: str | None, images: str | None, cluster: str | None, *, yes: bool) -> None:
    from stj_catalog.backup import backup_before
    from stj_catalog.health import lost_store
    from stj_catalog.repair import plan_repair, repair
    from stj_core.errors import CatalogError
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    with opened(catalog, images, cluster) as (place, config):
        store = open_store(config.images)
        if (sentence := lost_store(place, store, config.images)) and not yes:
            raise CatalogError(f"{sentence} Nothing was changed.")
        problems = _problems(place, store, config)
        plan = plan_repair(place, store, [(one.kind, one.path) for one in problems], config.young_seconds)
        for why, number in plan.left.items():
            say(f"Left alone: {counted(number, 'file')} that nothing names, {why}.")
        if plan.large:
            confirm(plan.sentence, yes=yes)
        if plan.problems and (kept := backup_before(place, "repair")):
            say(f"Backup of the catalogue: {kept}.")
        fixed = repair(place, store, plan, thresholds_of(config))
    for kind, number in sorted(fixed.items()):
        say(f"Repaired: {number} {kind}.")
    if fixed["orphan"] or fixed["torn"]:
        say(f"Nothing was deleted: {config.images}/lost+found holds what was moved, and its list.csv says why.")
