"""What every view works with: the settings, the catalogue, the image store, the runs and the model, each opened when needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app

from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.gallery import suggestions
from stj_core.config import Config
from stj_core.errors import NoCatalogError
from stj_core.labels import Category, load_labels
from stj_images.likeness import Thresholds, thresholds_of
from stj_images.store import ImageStore, open_store
from stj_web.errors import RefusalError
from stj_web.pool import BoundedPool
from stj_web.remembered import Remembered
from stj_web.settings import WebConfig
from stj_web.thumbnails import ThumbnailCache

if TYPE_CHECKING:
    from stj_dataset.audit.cache import Doubts
    from stj_web.classifier import Classifier
    from stj_web.jobs import Jobs
    from stj_web.map_points import MapPoints
    from stj_web.maps import Maps
    from stj_web.metrics import Metrics
    from stj_web.predictions import PredictionTables
    from stj_web.runs import Runs
    from stj_web.scrapyd import Scrapyd


T = TypeVar("T")


@dataclass
class Studio:
    """One per application."""

    config: Config
    web: WebConfig
    metrics: Metrics
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _catalog: Catalog | None = None
    _remembered: Remembered = field(default_factory=Remembered)

    @cached_property
    def labels(self) -> tuple[Category, ...]:
        """The categories."""
        return load_labels(self.config.labels)

    @cached_property
    def names(self) -> dict[int, str]:
        """The classes' names by label."""
        return {category.label: category.name for category in self.labels}

    @cached_property
    def store(self) -> ImageStore:
        """The original pictures."""
        return open_store(self.config.images)

    @cached_property
    def streams(self) -> threading.BoundedSemaphore:
        """Places for pages that watch a crawl: each holds a thread, and half of them stay free for everything else."""
        return threading.BoundedSemaphore(self.web.threads // 2)

    @cached_property
    def thresholds(self) -> Thresholds:
        """The distances that decide."""
        return thresholds_of(self.config)

    @cached_property
    def decoders(self) -> BoundedPool:
        """Threads that decode pictures."""
        return BoundedPool("decoder", self.web.decoders, self.web.waiting)

    @cached_property
    def thumbnails(self) -> ThumbnailCache:
        """Small pictures."""
        return ThumbnailCache(self.config.cache, self.decoders)

    @cached_property
    def doubts(self) -> Doubts:
        """The labels to doubt."""
        from stj_dataset.audit.cache import Doubts

        return Doubts(self.config.cache)

    @cached_property
    def runs(self) -> Runs:
        """The training runs."""
        from stj_web.runs import Runs

        return Runs(self.config.runs, self.config.cache)

    @cached_property
    def predictions(self) -> PredictionTables:
        """What the runs say of the catalogue's pictures."""
        from stj_web.predictions import PredictionTables

        return PredictionTables(self)

    @cached_property
    def maps(self) -> Maps:
        """The runs' pictures on a plane."""
        from stj_web.maps import Maps

        return Maps(self)

    @cached_property
    def map_points(self) -> MapPoints:
        """The same, as the catalogue knows them now."""
        from stj_web.map_points import MapPoints

        return MapPoints(self)

    @cached_property
    def classifier(self) -> Classifier:
        """The model; loaded by the first picture."""
        from stj_web.classifier import Classifier
        from stj_web.forgetting import forgotten_ones

        return Classifier(self.runs, self.decoders, self.web, self.metrics, lambda some: forgotten_ones(self, some))

    @cached_property
    def jobs(self) -> Jobs:
        """The queue of this machine."""
        from stj_web.jobs import Jobs

        return Jobs(self.config, self.runs.latest)

    @cached_property
    def scrapyd(self) -> Scrapyd:
        """The crawl service."""
        from stj_web.scrapyd import Scrapyd

        return Scrapyd(self.web.scrapyd, self.web.scrapyd_project)

    def hints(self, catalog: Catalog) -> dict[str, list[Any]]:
        """What the filters can be set to."""
        return self.remembered("hints", lambda: suggestions(catalog))

    def remembered(self, question: Hashable, answer: Callable[[], T]) -> T:
        """What the catalogue answers to a question that costs a look at all of it; asked anew when anything changed."""
        return self._remembered.ask(self.catalog, question, answer)

    @property
    def catalog(self) -> Catalog:
        """The catalogue.

        Raises:
            RefusalError: there is none yet.
        """
        found = self.catalog_or_none
        if found is None:
            raise RefusalError(
                503,
                "no_catalog",
                "There is no catalogue yet: crawl first (scrapy crawl amazon_sarees), or set STJ_CATALOG.",
            )
        return found

    @property
    def catalog_or_none(self) -> Catalog | None:
        """The catalogue, or None where nothing was crawled yet."""
        with self._lock:
            if self._catalog is None:
                try:
                    self._catalog = open_catalog(self.config.catalog_url)
                except NoCatalogError:
                    return None
            return self._catalog

    def close(self) -> None:
        """End what runs in the queue, and give back every connection."""
        if "jobs" in self.__dict__:
            self.jobs.close()
        with self._lock:
            if self._catalog is not None:
                self._catalog.close()
                self._catalog = None


def studio() -> Studio:
    """The studio of the present application."""
    return cast("Studio", current_app.extensions["stj"])
