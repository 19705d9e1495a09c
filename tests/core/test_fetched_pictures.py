"""Pictures at an address are those that lie there now, under their names, fetched once while nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from stj_core import fetched_pictures
from stj_core.errors import AddressError, DatasetError
from stj_core.fetched import copies, origin_of
from stj_core.fetched_pictures import pictures_here
from stj_core.locations import Location
from stj_core.published import DATASET, Publication
from stj_core.remote import Remote
from tests.objects import bucket, serving_objects

AT = "s3://place/shop/photos"
FILES = {"0_saree/a.jpg": b"red", "1_trousers/deep/b.png": b"grey", "SOURCES.csv": b"file,source\n"}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    with serving_objects() as address, bucket(address, "place", monkeypatch):
        remote = Remote(AT)
        for name, data in FILES.items():
            remote.put(name, data)
        yield remote


def held(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_what_lies_there_is_brought_once_and_anew_when_it_changes(there: Remote, tmp_path: Path) -> None:
    told: list[str] = []
    folder = pictures_here(Location(AT), tmp_path, told.append)
    assert (held(folder), folder.name) == (FILES, "photos")
    assert told == [f"Fetching {AT}: 3 files, 0.0 MB …"]
    assert pictures_here(Location(AT), tmp_path, told.append) == folder
    assert len(told) == 1, "nothing changed"
    there.put("0_saree/a.jpg", b"RED")  # as many bytes
    there.put("0_saree/c.jpg", b"blue")
    other = pictures_here(Location(f"{AT}/"), tmp_path, told.append)
    assert held(other) == {**FILES, "0_saree/a.jpg": b"RED", "0_saree/c.jpg": b"blue"}
    assert held(folder) == FILES, "what was read before stays as it was"
    assert (len(told), len(copies(tmp_path))) == (2, 2)
    (other / "0_saree" / "c.jpg").unlink()
    assert held(pictures_here(Location(AT), tmp_path)) == held(other)


def test_the_empty_object_that_stands_for_a_folder_is_no_file(there: Remote, tmp_path: Path) -> None:
    fsspec.filesystem("s3", use_listings_cache=False).pipe_file("place/shop/photos/2_jeans/", b"")
    assert held(pictures_here(Location(AT), tmp_path)) == FILES


def test_a_dataset_that_was_published_there_is_checked_against_its_list(there: Remote, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    (draft / "test" / "0").mkdir(parents=True)
    (draft / "test" / "0" / "a.jpg").write_bytes(b"red")
    (draft / "dataset.json").write_text("{}")
    publication = Publication("s3://place/data", DATASET)
    publication.stage(draft)
    publication.commit()
    folder = pictures_here(Location("s3://place/data"), tmp_path / "cache")
    assert (folder / "test" / "0" / "a.jpg").read_bytes() == b"red"
    assert origin_of(folder) == "s3://place/data"
    Remote("s3://place/data").put("test/0/a.jpg", b"RED")
    with pytest.raises(DatasetError, match=r"test/0/a\.jpg holds other bytes than were published"):
        pictures_here(Location("s3://place/data"), tmp_path / "other")


@pytest.mark.usefixtures("there")
def test_nothing_and_no_bucket_are_a_sentence(tmp_path: Path) -> None:
    nothing = r"^There is nothing at s3://place/none: name a folder or an address that holds pictures\.$"
    with pytest.raises(DatasetError, match=nothing):
        pictures_here(Location("s3://place/none"), tmp_path)
    with pytest.raises(AddressError, match="nowhere"):
        pictures_here(Location("s3://nowhere/none"), tmp_path)
    assert copies(tmp_path) == []


def test_what_changes_while_it_is_read_is_refused_and_leaves_nothing(
    there: Remote, tmp_path: Path, monkeypatch
) -> None:
    listing = Remote.listing

    def then_changed(self: Remote):
        found = listing(self)
        self.put("0_saree/a.jpg", b"RED")
        return found

    monkeypatch.setattr(Remote, "listing", then_changed)
    with pytest.raises(DatasetError, match=r"a\.jpg is not what was listed a moment ago"):
        pictures_here(Location(AT), tmp_path)
    assert copies(tmp_path) == []


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, monkeypatch) -> None:
    for name in ("../a.jpg", "/etc/a.jpg", "0\\..\\a.jpg"):
        monkeypatch.setattr(Remote, "listing", lambda _, name=name: {name: fetched_pictures.RemoteFile(3, "")})
        monkeypatch.setattr(Remote, "read", lambda *_: None)
        with pytest.raises(DatasetError, match="a name that leads elsewhere"):
            pictures_here(Location("memory://place/photos"), tmp_path)


def test_a_folder_of_this_machine_is_itself(tmp_path: Path) -> None:
    assert pictures_here(Location(str(tmp_path)), tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()
