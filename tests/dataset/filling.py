"""Catalogues to test with: drawn pictures, through the same door that a crawl uses."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from stj_catalog.catalog import Catalog
from stj_catalog.crawls import begin_crawl, end_crawl
from stj_catalog.frontier import Response, lease_page
from stj_catalog.incremental import Settler
from stj_catalog.intake import CardSighting, FetchedPicture, SeenPage, commit_page, record_pictures
from stj_core.labels import Category, load_labels
from stj_core.vocabulary import CrawlState
from stj_images.fingerprint import fingerprint
from stj_images.likeness import Thresholds
from stj_images.store import FolderStore

HOST = "http://127.0.0.1"


def draw(number: int, size: tuple[int, int] = (72, 96)) -> Image.Image:
    """A picture of soft blots, coarse and fine, that no other number's resembles and every copy's does."""
    rng = np.random.default_rng(number)
    coarse, fine = (
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        for shape in ((8, 6, 3), (24, 18, 3))
    )
    return Image.blend(coarse, fine, 0.5)


def encode(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture's bytes."""
    stream = io.BytesIO()
    picture.save(stream, kind, **({"quality": 90} | options if kind in {"JPEG", "WEBP"} else options))
    return stream.getvalue()


@dataclass
class Item:
    """One card: a class, a picture's bytes, and what the shop says of it."""

    label: int
    data: bytes
    asin: str
    brand: str = "Acme"
    parent: str | None = None
    title: str = ""
    key: str = ""
    reason: str | None = None


def item(label: int, number: int, **changes: object) -> Item:
    """A card with a picture of its own."""
    values: dict[str, object] = {
        "label": label,
        "data": encode(draw(number)),
        "asin": f"B{number:09d}",
        "key": f"{number}",
    }
    return Item(**(values | changes))  # type: ignore[arg-type]  # a test may change any field


def items(each: int, start: int = 0, labels: Sequence[int] = (0, 1, 2), **changes: object) -> list[Item]:
    """So many cards of each class, no two pictures alike."""
    return [item(label, start + 1_000 * label + at, **changes) for label in labels for at in range(each)]


@dataclass
class Shelf:
    """A catalogue and its image store, filled by hand."""

    catalog: Catalog
    root: Path
    labels: tuple[Category, ...] = field(default_factory=load_labels)

    def __post_init__(self) -> None:
        self.store = FolderStore(self.root / "images")

    def add(self, cards: Sequence[Item], *, crawl: str = "first") -> None:
        """Crawl one page of cards for each class among them."""
        settler = Settler.for_catalog(self.catalog, Thresholds())
        for label in sorted({card.label for card in cards}):
            self._add_class(settler, label, [card for card in cards if card.label == label], crawl)

    def _add_class(self, settler: Settler, label: int, cards: Sequence[Item], crawl: str) -> None:
        category = next(one for one in self.labels if one.label == label)
        url = f"{HOST}/s?rh={category.node}&crawl={crawl}"
        begun = begin_crawl(
            self.catalog, spider=category.spider, category=category, origin=HOST, settings={}, first_url=url, fresh=True
        )
        page = lease_page(self.catalog, begun.id, 60, max_listing=20)
        assert page is not None
        fetched, seen = [], []
        for place, card in enumerate(cards, 1):
            print_ = fingerprint(card.data)
            address = f"{HOST}/images/I/{card.key}.{print_.extension}"
            path = self.store.put(print_.sha256, print_.extension, card.data)
            fetched.append(FetchedPicture(address, address, begun.id, print_, path, None, 200))
            seen.append(
                CardSighting(
                    position=place,
                    image_key=address,
                    image_url=address,
                    asin=card.asin,
                    parent_asin=card.parent,
                    title=card.title or f"{category.name} {card.key}",
                    brand=card.brand,
                    product_url=f"{HOST}/dp/{card.asin}",
                    reason=card.reason,
                )
            )
        record_pictures(self.catalog, fetched)
        done = SeenPage(page.id, begun.id, begun.category_id, Response(200, "ok", 1, len(seen)), seen)
        commit_page(self.catalog, settler, done)
        end_crawl(self.catalog, begun.id, CrawlState.FINISHED)
