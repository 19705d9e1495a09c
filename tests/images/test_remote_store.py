"""A store behind an address: one request for each new picture, nothing remembered, and every failure a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from stj_core.errors import AwayError, CatalogError
from stj_images.store import open_store, store_path
from tests.objects import bucket, serving_objects

ONE, TWO = "ab" * 32, "cd" * 32


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving_objects() as address:
        yield address


@pytest.fixture
def asked(server, monkeypatch) -> Iterator[Counter]:
    """An empty bucket called `pictures`; counts requests by method."""
    import s3fs

    counted: Counter = Counter()
    with bucket(server, "pictures", monkeypatch):
        call = s3fs.S3FileSystem._call_s3

        async def count(self, method, *arguments, **words):
            counted[method] += 1
            return await call(self, method, *arguments, **words)

        with monkeypatch.context() as patch:
            patch.setattr(s3fs.S3FileSystem, "_call_s3", count)
            yield counted


def test_a_new_picture_is_one_request(asked):
    store = open_store("s3://pictures/images")
    for name in (ONE, TWO):
        assert store.put(name, "jpg", b"bytes") == store_path(name, "jpg")
    assert asked == {"put_object": 2}
    assert store.read(store_path(ONE, "jpg")) == b"bytes"


def test_what_others_put_is_seen_at_once(asked):
    store, other = open_store("s3://pictures/images"), open_store("s3://pictures/images")
    assert store.is_empty()
    other.put(ONE, "jpg", b"1")
    assert list(store.paths()) == [store_path(ONE, "jpg")]
    other.put(TWO, "jpg", b"2")
    assert len(list(store.paths())) == 2
    assert store.age(store_path(TWO, "jpg")) < 60


@pytest.mark.parametrize("use", ["put", "read", "age"])
def test_a_missing_bucket_is_a_sentence_and_no_missing_picture(asked, use):
    store = open_store("s3://no-such-place/images")
    given = {"put": (ONE, "jpg", b"x"), "read": (store_path(ONE, "jpg"),), "age": (store_path(ONE, "jpg"),)}[use]
    with pytest.raises(CatalogError) as caught:
        getattr(store, use)(*given)
    assert str(caught.value) == (
        "Cannot use the image store s3://no-such-place/images: there is no such bucket. Make it, or set STJ_IMAGES to "
        "another place."
    )


@pytest.mark.parametrize("place", ["images", "my-bucket/images"])
def test_a_missing_picture_is_one(asked, place):
    """Also where the path has the word bucket in it."""
    store = open_store(f"s3://pictures/{place}")
    for use in (store.read, store.age):
        with pytest.raises(FileNotFoundError):
            use(store_path(ONE, "jpg"))


@pytest.mark.medium
def test_a_store_that_cannot_be_reached_is_away(asked, monkeypatch):
    import s3fs

    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setattr(s3fs.S3FileSystem, "retries", 1)
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(AwayError, match="cannot be reached"):
            open_store("s3://pictures/images").put(ONE, "jpg", b"x")
    s3fs.S3FileSystem.clear_instance_cache()
