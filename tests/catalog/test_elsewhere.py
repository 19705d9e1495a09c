"""The same pictures make the same dataset, wherever catalogue and pictures are and in whatever order they came."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_core.files import file_sha256
from stj_core.published import INVENTORY
from stj_core.remote import Remote
from stj_dataset.cli import app
from tests.objects import bucket, serving_objects

CLASSES = ("0_saree", "1_trousers", "2_jeans")
EACH = 7


def draw(folder: Path) -> None:
    """Pictures of noise, two of which are near-duplicates of others."""
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            noise = np.random.default_rng(10 * label + number).integers(0, 255, (12, 9, 3), dtype=np.uint8)
            picture = Image.fromarray(noise).resize((180, 240))
            picture.save(folder / name / f"{number}.jpg")
            if number < 2:
                picture.resize((90, 120)).save(folder / name / f"{number}-small.png")


def run(*command: str) -> None:
    assert outcome(app, list(command)) == 0, command


def exported(name: str) -> tuple[str, bytes]:
    run("export", name, "--split", "0.3", "--test", "0.2")
    return json.loads(Path(name, "dataset.json").read_text())["digest"], Path(name, "manifest.csv").read_bytes()


@pytest.mark.slow
def test_one_digest_over_sqlite_and_a_folder_and_over_postgresql_and_an_object_store(
    postgres_url, tmp_path, monkeypatch, capsys
):
    draw(tmp_path / "garments")
    run("import", "garments")
    here = exported("here")
    monkeypatch.setenv("STJ_CATALOG", postgres_url)
    monkeypatch.setenv("STJ_IMAGES", "s3://pictures/images")
    with serving_objects() as address, bucket(address, "pictures", monkeypatch):
        # The other way round and in two goes: other numbers, other clocks, other first sightings.
        for name in reversed(CLASSES):
            (tmp_path / "part" / "garments" / name).mkdir(parents=True)
            for file in sorted((tmp_path / "garments" / name).iterdir())[3:]:
                shutil.copy2(file, tmp_path / "part" / "garments" / name)
        run("import", "part/garments")
        run("import", "garments")
        run("verify")
        there = exported("there")
        run("verify", "there")
        at = "s3://pictures/datasets/one"
        run("export", at, "--split", "0.3", "--test", "0.2")
        run("verify", at)
        held = {name: Remote(at).sha256(name) for name in Remote(at).listing() if name != INVENTORY}
        files = {one.relative_to("here").as_posix(): one for one in Path("here").rglob("*") if one.is_file()}
        assert held.keys() == files.keys()
        differs = {name for name, one in files.items() if file_sha256(one) != held[name]}
    assert there == here
    assert differs <= {"provenance.csv", "preview.html"}, "what says when a picture was met, and nothing else"
    assert not (tmp_path / "s3:").exists()
