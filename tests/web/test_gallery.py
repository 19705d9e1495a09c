"""Pages by key: every picture once, forwards and backwards, and each filter says what it says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image

from stj_catalog.catalog import Catalog
from stj_catalog.gallery import Filter, count_pictures, first_ids, gallery_page, page_among
from stj_catalog.provenance import trace
from stj_core.errors import CatalogError
from stj_web.pool import BoundedPool
from stj_web.thumbnails import ThumbnailCache
from tests.dataset.filling import Shelf


@pytest.mark.parametrize("limit", [1, 7, 33, 200])
def test_walking_the_pages_meets_every_picture_once(catalog: Catalog, shelf: Shelf, limit: int) -> None:
    seen: list[int] = []
    page = gallery_page(catalog, Filter(), limit=limit)
    pages = [page]
    while page.after is not None:
        page = gallery_page(catalog, Filter(), limit=limit, after=page.after)
        pages.append(page)
    seen = [tile.id for one in pages for tile in one.tiles]
    assert sorted(seen, reverse=True) == seen
    assert count_pictures(catalog, Filter()) == len(seen) == len(set(seen))
    for earlier, later in zip(reversed(pages[:-1]), reversed(pages[1:]), strict=True):
        assert later.before is not None
        back = gallery_page(catalog, Filter(), limit=limit, before=later.before)
        assert [tile.id for tile in earlier.tiles] == [tile.id for tile in back.tiles]
    assert pages[0].before is None


def test_filters_narrow_to_what_they_say(catalog: Catalog, shelf: Shelf) -> None:
    everything = gallery_page(catalog, Filter(), limit=200).tiles
    for status in {tile.status for tile in everything}:
        wanted = {tile.id for tile in everything if tile.status == status}
        assert wanted == {tile.id for tile in gallery_page(catalog, Filter(status=status), limit=200).tiles}
    for label in (0, 1, 2):
        wanted = {tile.id for tile in everything if tile.label == label}
        assert wanted == {tile.id for tile in gallery_page(catalog, Filter(label=label), limit=200).tiles}
    assert count_pictures(catalog, Filter(source="Zebra")) == 1
    assert count_pictures(catalog, Filter(reason="title_mismatch")) == 1
    assert {tile.title for tile in gallery_page(catalog, Filter(text="denim")).tiles} == {"Denim jacket"}


@pytest.mark.parametrize("limit", [1, 4, 50])
def test_a_search_pages_like_everything_else(catalog: Catalog, shelf: Shelf, limit: int) -> None:
    wanted = Filter(text="saree")
    after, seen = None, []
    ids = first_ids(catalog, wanted)
    count = len(ids)
    assert count == count_pictures(catalog, wanted)
    while True:
        page = page_among(catalog, wanted, ids, limit=limit, after=after, before=None)
        assert page == gallery_page(catalog, wanted, limit=limit, after=after)
        if page.before is not None:
            back = page_among(catalog, wanted, ids, limit=limit, after=None, before=page.before)
            assert [tile.id for tile in back.tiles] == seen[-limit:]
        seen += [tile.id for tile in page.tiles]
        if page.after is None:
            break
        after = page.after
    assert len(seen) == len(set(seen)) == count


def test_free_text_finds_titles_addresses_file_names_and_asins(catalog: Catalog, shelf: Shelf) -> None:
    found = gallery_page(catalog, Filter(text="conflict.jpg")).tiles
    assert [tile.asin for tile in found] == ["B000000901"]
    for words in ("b000000900", "B000000900", "images/I/copy", "COPY.jpg"):
        assert [tile.asin for tile in gallery_page(catalog, Filter(text=words)).tiles] == ["B000000900"], words
    assert gallery_page(catalog, Filter(text="B00000")).tiles == [], "half an ASIN is no product's"


def test_a_percent_sign_in_the_search_means_itself(catalog: Catalog, shelf: Shelf) -> None:
    assert count_pictures(catalog, Filter(text="100%")) == 1
    assert count_pictures(catalog, Filter(text="cotton_s")) == 1
    assert count_pictures(catalog, Filter(text="cotton%s")) == 0


def test_why_answers_for_addresses_in_any_size_asins_and_checksums(catalog: Catalog, shelf: Shelf) -> None:
    tile = gallery_page(catalog, Filter(status="duplicate")).tiles[0]
    assert tile.sha256 is not None
    assert tile.asin is not None
    for word in (tile.asin, f"http://127.0.0.1/dp/{tile.asin}?ref=x", tile.sha256[:10], str(tile.id)):
        assert tile.id in {one.id for one in trace(catalog, word).pictures}, word
    address = "http://127.0.0.1/images/I/copy.jpg"
    for form in (address, address.replace(".jpg", "._AC_UL320_.jpg"), f"{address}?x=1"):
        assert [one.asin for one in trace(catalog, form).pictures] == ["B000000900"], form
    assert trace(catalog, "http://127.0.0.1/images/I/never.jpg").pictures == []


def test_a_thumbnail_is_made_once_and_kept_by_the_browser(client: FlaskClient, shelf: Shelf) -> None:
    first = client.get("/pictures/1/tile.jpg", buffered=True)
    assert first.content_type == "image/jpeg"
    assert first.headers["Cache-Control"] == "private, no-cache"
    with Image.open(io.BytesIO(first.data)) as picture:
        assert max(picture.size) <= 320
    files = sorted((shelf.root / "cache").rglob("*.jpg"))
    stamp = files[0].stat().st_mtime_ns
    again = client.get("/pictures/1/tile.jpg", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    client.get("/pictures/1/tile.jpg", buffered=True)
    assert files == sorted((shelf.root / "cache").rglob("*.jpg"))
    assert stamp == files[0].stat().st_mtime_ns


def test_a_lost_file_is_a_plain_answer(client: FlaskClient, shelf: Shelf) -> None:
    for path in (shelf.root / "images").rglob("*.jpg"):
        path.unlink()
    assert client.get("/pictures/1/tile.jpg", buffered=True).status_code == 404
    assert client.get("/pictures/1/original").status_code == 404
    assert client.get("/pictures/1").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=-1",
        "after=99999999999",
        "limit=0",
        "limit=1000",
        "status=odd",
        "label=two",
        "text=" + "x" * 300,
    ],
)
def test_what_cannot_be_right_is_refused_in_a_sentence(client: FlaskClient, shelf: Shelf, query: str) -> None:
    answer = client.get(f"/api/v1/images?{query}")
    assert answer.status_code == 400
    assert {"status", "kind", "message"} == set(answer.json["error"])
    assert query.split("=", maxsplit=1)[0] in answer.json["error"]["message"]


def test_a_checksum_that_is_none_makes_no_path(tmp_path: Path) -> None:
    """A catalogue that came from elsewhere says where a thumbnail is kept: never outside the cache, with `python -O` too."""
    cache = ThumbnailCache(tmp_path / "cache", BoundedPool("test", 1, 1))
    for word in ("../../../evil", "A" * 64, "a" * 63, "a" * 64 + "\n", ""):
        with pytest.raises(CatalogError, match=r"^The catalogue says .* where a checksum belongs"):
            cache.path(word, "tile", lambda: b"")
