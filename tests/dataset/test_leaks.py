"""The leak check against another one that shares nothing with it: no leak is missed, none is invented, every file is counted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sqlalchemy import select, update

from stj_catalog.schema import assignments, groups, images
from stj_core.clock import now
from stj_core.errors import DatasetError, LeakError
from stj_core.vocabulary import SPLITS
from stj_dataset import leaks
from stj_dataset.leaks import LeakReport, WrittenFile, check_leaks
from stj_images.fingerprint import fingerprint
from stj_images.likeness import HASHES, Thresholds

from .conftest import Export
from .filling import Item, Shelf, draw, encode, item

NO_FAMILIES = (np.empty(0, np.int64), np.empty(0, np.int64))
CHUNK = 256
SMALL = (48, 60)


@dataclass
class Folder:
    """Pictures and their mirror images, each pair in one split, at places far from each other."""

    root: Path
    pictures: int
    size: tuple[int, int] = SMALL
    files: list[str] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(self.pictures):
            one = draw(number, self.size)
            for name, picture in ((f"p{number:04d}", one), (f"m{number:04d}", ImageOps.mirror(one))):
                (self.root / f"{name}.jpg").write_bytes(encode(picture))
        # Pictures first, then the mirror images in another order.
        order = np.random.default_rng(1).permutation(self.pictures)
        self.files = [f"p{n:04d}.jpg" for n in range(self.pictures)] + [f"m{n:04d}.jpg" for n in order]
        self.splits = np.array([int(name[1:5]) % 3 for name in self.files], dtype=np.int8)

    def plant(self, places: list[int]) -> NDArray[np.int8]:
        """The splits with a leak at each of some places."""
        splits = self.splits.copy()
        splits[places] = (splits[places] + 1) % 3
        return splits

    def numbers(self, places: list[int]) -> set[int]:
        return {int(self.files[place][1:5]) for place in places}

    def written(self) -> Iterator[WrittenFile]:
        for name in self.files:
            yield WrittenFile(name, hashlib.sha256((self.root / name).read_bytes()).hexdigest())

    def check(self, splits: NDArray[np.int8], written: list[WrittenFile] | None = None) -> LeakReport:
        # An iterator, as an export gives it: whatever is read from it too early is gone.
        source = iter(self.written() if written is None else written)
        self.ticks = []
        with ThreadPoolExecutor(2) as pool:
            return check_leaks(
                self.root, source, splits, NO_FAMILIES, thresholds=Thresholds(), pool=pool, tick=self.ticks.append
            )

    def expected(self, splits: NDArray[np.int8], slack: int = 0) -> set[tuple[str, str]]:
        """Pairs across splits that are mirror images by imagehash, picture by picture, without anything of the product's."""
        prints = [self._hashes(name) for name in self.files]
        plain64, plain256, turned64, turned256 = (np.array([one[k] for one in prints]) for k in range(4))
        found = set()
        for place, name in enumerate(self.files):
            near = (plain64 != turned64[place]).sum(axis=1) <= 10 + slack
            near &= (plain256 != turned256[place]).sum(axis=1) <= 32 + 2 * slack
            near &= splits != splits[place]
            found |= {tuple(sorted((name, self.files[other]))) for other in np.flatnonzero(near)}
        return found  # type: ignore[return-value]  # sorted pairs

    def _hashes(self, name: str) -> list[NDArray[np.bool_]]:
        with Image.open(self.root / name) as opened:
            grey = opened.convert("L")
        both = (grey, ImageOps.mirror(grey))
        return [imagehash.phash(one, side).hash.ravel() for one in both for side in (8, 16)]


def named(folder: Folder, report: LeakReport) -> set[tuple[str, str]]:
    return {tuple(sorted((folder.files[pair.one], folder.files[pair.two]))) for pair in report.pairs}  # type: ignore[misc]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """More than two chunks, the last one short."""
    return Folder(tmp_path, 264)


def test_every_file_is_counted_and_each_planted_leak_is_found_around_the_edges_of_a_chunk(folder: Folder) -> None:
    clean = folder.check(folder.splits)
    assert (clean.files, clean.afresh, clean.leaks) == (528, 528, 0)
    assert folder.ticks == [256, 256, 16]
    assert (
        "Leak check, 528 written files read again, 528 of them hashed afresh: 0 duplicate, 0 related" in clean.sentence
    )
    splits = folder.plant([0, 1, 15, 16, 17, 128, 254, 255, 256, 257, 258])
    report = folder.check(splits)
    assert folder.expected(splits) == named(folder, report)
    assert report.leaks == 11


@pytest.mark.slow
def test_a_leak_is_found_at_every_place_of_a_chunk(tmp_path: Path) -> None:
    # Small pictures are too coarse for a hash that is turned round: one pair in 600 would be missed at 48 pixels.
    folder = Folder(tmp_path, 600, (72, 96))
    assert folder.check(folder.splits).leaks == 0
    for first in (0, 300, 600):
        places = list(range(first, first + CHUNK))
        splits = folder.plant(places)
        report = folder.check(splits)
        assert report.files == 1_200
        # The product turns a hash round where this test turns the picture: they differ by a bit or two.
        assert folder.expected(splits, -2) <= named(folder, report) <= folder.expected(splits, 2)
        planted = {tuple(sorted((f"p{number:04d}.jpg", f"m{number:04d}.jpg"))) for number in folder.numbers(places)}
        assert named(folder, report) <= planted
        assert len(planted) == CHUNK
        assert report.leaks >= CHUNK - 6


@pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 255, 256, 257, 511, 512, 513])
def test_no_number_of_files_loses_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    data = encode(draw(1, SMALL))
    print_ = fingerprint(data)
    (tmp_path / "a.jpg").write_bytes(data)
    one = WrittenFile("a.jpg", print_.sha256, tuple(str(getattr(print_, name)) for name in HASHES))
    seen: list[str] = []
    monkeypatch.setattr(leaks, "_pairs", lambda looks, *_: seen.extend(map(str, looks.ids.tolist())) or iter(()))
    with ThreadPoolExecutor(2) as pool:
        report = check_leaks(
            tmp_path,
            iter([one] * number),
            np.zeros(number, np.int8),
            NO_FAMILIES,
            thresholds=Thresholds(),
            pool=pool,
            tick=lambda _: None,
        )
    assert list(map(str, range(number))) == seen
    assert (number, -(-number // 100)) == (report.files, report.afresh)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_check_that_read_more_or_fewer_files_than_were_written_refuses(tmp_path: Path, change: int) -> None:
    folder = Folder(tmp_path, 4)
    written = list(folder.written())
    written = written[:change] if change < 0 else [*written, written[0]]
    with pytest.raises(DatasetError, match=rf"The leak check read {8 + change} files where 8 should be written"):
        folder.check(folder.splits, written)


def test_known_hashes_are_used_for_the_bytes_they_are_of_and_a_sample_finds_wrong_ones(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 60)
    splits = folder.plant([3, 50])
    prints = {name: fingerprint((tmp_path / name).read_bytes()) for name in folder.files}
    known = [
        replace(one, known=tuple(str(getattr(prints[one.file], name)) for name in HASHES)) for one in folder.written()
    ]
    report = folder.check(splits, known)
    assert (report.files, report.afresh) == (120, 2)
    assert folder.expected(splits) == named(folder, report)
    wrong = [replace(one, known=("0" * 16, "0" * 16, *("0" * 64 for _ in range(3)))) for one in known]
    with pytest.raises(DatasetError, match=r"perceptual hashes of \S+ are not those of its bytes.*--rehash"):
        folder.check(splits, wrong)
    (tmp_path / known[7].file).write_bytes(b"other")
    with pytest.raises(DatasetError, match="is not what the catalogue says: its sha256 is"):
        folder.check(splits, known)


def with_mirror_images(number: int) -> list[Item]:
    """Pictures, and as many cards of other products that show them mirrored."""
    cards = []
    for at in range(number):
        picture = draw(at)
        cards.append(item(at % 3, at, data=encode(picture)))
        cards.append(item(at % 3, 10_000 + at, data=encode(ImageOps.mirror(picture))))
    return cards


def plant(shelf: Shelf, wanted: int) -> set[frozenset[str]]:
    """Take mirror images out of their pictures' groups and into another split; the files' names of the torn pairs."""
    with shelf.catalog.write() as connection:
        keys = {row.image_key: row for row in connection.execute(select(images))}
        number = {int(key.rsplit("/", 1)[-1].split(".")[0]): row for key, row in keys.items()}
        torn = sorted(number)[: len(number) // 2][-wanted:]
        for at in torn:
            mirrored = number[10_000 + at]
            group = connection.execute(groups.insert().values(made_at=now()).returning(groups.c.id)).scalar_one()
            connection.execute(update(images).where(images.c.id == mirrored.id).values(group_id=group))
            mine = assignments.c.image_id == mirrored.id
            split = connection.execute(select(assignments.c.split).where(mine)).scalar_one()
            other = SPLITS[(SPLITS.index(split) + 1) % 3]
            connection.execute(update(assignments).where(mine).values(split=other))
    return {frozenset({number[at].sha256[:16], number[10_000 + at].sha256[:16]}) for at in torn}


@pytest.mark.parametrize("number", [40, pytest.param(600, marks=pytest.mark.slow)])
def test_pictures_and_their_mirror_images_are_exported_and_planted_leaks_are_refused_by_name(
    empty_shelf: Shelf, export: Export, number: int
) -> None:
    empty_shelf.add(with_mirror_images(number))
    result = export()
    assert result.balance.pictures == result.proof.files == 2 * number
    assert result.proof.leaks == 0
    assert result.balance.groups == number
    torn = plant(empty_shelf, 20)
    for more in ({}, {"rehash": True}, {"layout": "student"}):
        with pytest.raises(LeakError) as caught:
            export("other", **more)
        said = re.findall(r"\S+/([0-9a-f]{16})\.jpg and \S+/([0-9a-f]{16})\.jpg \(related\)", str(caught.value))
        assert {frozenset(pair) for pair in said} == torn
        assert "so it was not put in place: 20 pairs across splits" in str(caught.value)
        assert not Path("other").exists()


def test_rehash_hashes_every_file_and_changes_no_byte_that_is_digested(shelf: Shelf, export: Export) -> None:
    quick, whole = export("quick"), export("whole", rehash=True)
    assert (quick.proof.files, quick.proof.afresh) == (60, 1)
    assert (whole.proof.files, whole.proof.afresh) == (60, 60)
    assert quick.digest == whole.digest


def test_hashes_that_the_catalogue_has_wrong_stop_an_export_in_the_sample_and_count_for_nothing_in_rehash(
    shelf: Shelf, export: Export
) -> None:
    with shelf.catalog.write() as connection:
        connection.execute(update(images).values(phash="0" * 16, phash256="0" * 64))
    with pytest.raises(DatasetError, match="which hashes every file afresh"):
        export()
    assert export(rehash=True).proof.leaks == 0


def test_hashes_of_another_recipe_are_not_believed(shelf: Shelf, export: Export) -> None:
    with shelf.catalog.write() as connection:
        connection.execute(update(images).values(hash_recipe=0, phash="0" * 16))
    assert ((report := export().proof).files, report.afresh) == (60, 60)
