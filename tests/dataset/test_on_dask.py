"""An import on Dask: the same rows and files as without it, and what workers fail on is left out and told."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_catalog import importing
from stj_catalog.catalog import open_catalog
from stj_catalog.schema import images
from stj_core.cli import outcome
from stj_core.partitions import SetAside
from stj_dataset.cli import app

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
def test_an_import_is_the_same_with_any_number_of_workers_and_one_killed(tmp_path, capsys, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    draw(tmp_path / "garments", 30)
    assert bring("alone") == 0
    wanted = held("alone")
    assert len(wanted[0]) == 92
    for workers in (1, 2, 3):
        assert bring(f"local{workers}", "--cluster", f"local:{workers}") == 0
        assert held(f"local{workers}") == wanted
    # One worker is killed while it works.
    ask = importing._partition

    def killing(pictures):
        part = ask(pictures)
        return type(part)(part.name, kill_once, (str(tmp_path / "mark"), *part.arguments))

    monkeypatch.setattr(importing, "_partition", killing)
    monkeypatch.setenv("STJ_CLUSTER", "local:2")
    assert bring("killed") == 0
    assert (tmp_path / "mark").exists()
    assert held("killed") == wanted
    capsys.readouterr()


def kill_once(mark: str, pictures: list[bytes]) -> object:
    from stj_images.batch import fingerprints

    if not Path(mark).exists():
        Path(mark).write_text("killed")
        os.kill(os.getpid(), signal.SIGKILL)
    return fingerprints(pictures)


class Failing:
    """A cluster that fails on every second partition."""

    def map(self, partitions):
        for place, one in enumerate(partitions):
            yield place, SetAside("KilledWorker: it died") if place % 2 else one.function(*one.arguments)


@pytest.mark.medium
def test_what_workers_fail_on_is_left_out_told_and_tried_again(tmp_path, capsys, monkeypatch):
    from contextlib import contextmanager

    from stj_core import cluster

    draw(tmp_path / "garments", 30)

    @contextmanager
    def failing(where, tell):
        yield Failing()

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "open_cluster", failing)
        assert bring("some", "--cluster", "local:2") == 1
    told = capsys.readouterr()
    document = json.loads(told.out)
    left_out = [name for one in document["set_aside"] for name in one["files"]]
    assert len(left_out) == 6 + 6 + 5
    assert told.err.strip().splitlines()[-1] == (
        f"17 files ({', '.join(left_out[:3])} …) were left out: workers failed on them three times (KilledWorker: it died). "
        "The same command tries them again; everything else is in."
    )
    assert sum(sum(words.values()) for words in document["labels"].values()) == 92 - 17
    assert bring("some") == 0
    assert json.loads(capsys.readouterr().out)["known"] == 75
    assert len(held("some")[0]) == 92
