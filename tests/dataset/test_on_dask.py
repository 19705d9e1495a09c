"""An import on Dask: the same rows and files as without it, and what workers fail on is left out and told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_catalog import importing
from stj_catalog.catalog import open_catalog
from stj_catalog.schema import images
from stj_core.cli import outcome
from stj_dataset.cli import app
from tests.workers import Inline, elsewhere, inline, kill_one

CLASSES = ("0_saree", "1_trousers", "2_jeans")


def draw(folder: Path, each: int) -> None:
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            noise = np.random.default_rng(100 * label + number).integers(0, 255, (10, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((160, 200)).save(folder / name / f"{number:03d}.jpg")
    (folder / "0_saree" / "torn.jpg").write_bytes((folder / "0_saree" / "000.jpg").read_bytes()[:500])
    (folder / "1_trousers" / "text.jpg").write_text("no picture")


def held(name: str) -> tuple[list[tuple[object, ...]], str]:
    """All that the catalogue says of pictures, but the moments; and the store's files."""
    catalog = open_catalog(f"{name}.sqlite")
    try:
        with catalog.read() as connection:
            moments = {"fetched_at", "first_seen_at", "last_seen_at"}
            rows = [
                tuple(value for key, value in row.items() if key not in moments)
                for row in connection.execute(images.select().order_by(images.c.image_key)).mappings()
            ]
    finally:
        catalog.close()
    files = [(str(file), file.read_bytes()) for file in sorted(Path(f"images-{name}").rglob("*.*")) if file.is_file()]
    return rows, hashlib.sha256(repr([(one.partition("/")[2], data) for one, data in files]).encode()).hexdigest()


def bring(name: str, *options: str) -> int:
    return outcome(
        app, ["import", "garments", "--catalog", f"{name}.sqlite", "--images", f"images-{name}", "--json", *options]
    )


@pytest.mark.slow
def test_an_import_is_the_same_with_any_number_of_workers_elsewhere_and_one_killed(tmp_path, monkeypatch):
    draw(tmp_path / "garments", 30)
    assert bring("alone") == 0
    wanted = held("alone")
    assert len(wanted[0]) == 92
    with elsewhere() as address:
        assert bring("elsewhere", "--cluster", address) == 0
        assert held("elsewhere") == wanted
    for workers in (1, 2, 3):
        assert bring(f"local{workers}", "--cluster", f"local:{workers}") == 0
        assert held(f"local{workers}") == wanted
    kill_one(monkeypatch, tmp_path / "mark")
    monkeypatch.setenv("STJ_CLUSTER", "local:2")
    assert bring("killed") == 0
    assert (tmp_path / "mark").exists()
    assert held("killed") == wanted


@pytest.mark.parametrize("here", [True, False])
def test_an_import_by_workers_is_the_same_and_what_they_fail_on_is_told_and_tried_again(
    tmp_path, capsys, monkeypatch, here: bool
):
    draw(tmp_path / "garments", 30)
    (tmp_path / "garments" / "2_jeans" / "pipe.jpg").symlink_to("nowhere")
    assert bring("alone") == 0
    with inline(Inline(here=here, fails=lambda place: place % 2 == 1), monkeypatch):
        capsys.readouterr()
        assert bring("some", "--cluster", "local:2") == 1
    told = capsys.readouterr()
    document = json.loads(told.out)
    left_out = [name for one in document["set_aside"] for name in one["files"]]
    assert len(left_out) == 6 + 6 + 5
    assert told.err.strip().splitlines()[-1] == (
        f"17 files ({', '.join(left_out[:3])} …) were left out: workers failed on them three times (KilledWorker: it died). "
        "The same command tries them again; everything else is in."
    )
    assert sum(sum(words.values()) for words in document["labels"].values()) == 93 - 17
    with inline(Inline(here=here), monkeypatch):
        assert bring("some", "--cluster", "local:2") == 0
    assert json.loads(capsys.readouterr().out)["known"] == 76
    assert held("some")[1] == held("alone")[1]


def test_a_file_that_changes_while_workers_read_it_is_taken_as_it_is(tmp_path, capsys, monkeypatch):
    """What the store holds under a checksum has that checksum, whoever read the file when."""
    draw(tmp_path / "garments", 2)
    victim, later = tmp_path / "garments" / "0_saree" / "000.jpg", tmp_path / "garments" / "2_jeans" / "001.jpg"
    at = importing._at

    def changing(pictures):
        part = at(pictures)
        printed = part.function(*part.arguments)
        victim.write_bytes(later.read_bytes())
        return type(part)(part.name, list, (printed,))

    monkeypatch.setattr(importing, "_at", changing)
    with inline(Inline(), monkeypatch):
        assert bring("some", "--cluster", "local:2") == 0
    for file in Path("images-some").rglob("*.jpg"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem
    capsys.readouterr()
    assert outcome(app, ["verify", "--catalog", "some.sqlite", "--images", "images-some"]) == 0
