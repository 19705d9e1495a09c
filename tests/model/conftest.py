"""Small drawn datasets, and one trained run that most tests only read."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stj_core.files import write_json
from stj_dataset.manifest import ManifestRow, write_labels, write_manifest
from stj_model.config import TrainConfig, resolve
from stj_model.preprocess import Preprocessing
from stj_model.run_dir import Run

LABELS = {0: "Saree", 1: "Trousers", 2: "Jeans"}
PER_CLASS = 20
SIDE = 72


def draw(label: int, number: int) -> bytes:
    """A picture whose texture, not its colour, says its class: waves, checks or grain."""
    rng = np.random.default_rng([label, number])
    base = rng.integers(60, 200, 3)
    other = np.clip(base + rng.integers(40, 55, 3), 0, 255)
    picture = Image.new("RGB", (SIDE, SIDE + int(rng.integers(0, 24))), tuple(int(c) for c in base))
    pen = ImageDraw.Draw(picture)
    ink = tuple(int(c) for c in other)
    step = int(rng.integers(8, 12))
    if label == 0:
        for x in range(0, SIDE, step):
            pen.line([(x + 4 * np.sin(y / 6), y) for y in range(0, picture.height, 3)], fill=ink, width=3)
    elif label == 1:
        for x in range(0, SIDE, step):
            for y in range(x // step % 2 * step, picture.height, 2 * step):
                pen.rectangle([x, y, x + step - 1, y + step - 1], fill=ink)
    else:
        noise = rng.integers(-45, 46, (picture.height, SIDE, 1))
        picture = Image.fromarray(np.clip(np.asarray(picture).astype(int) + noise, 0, 255).astype(np.uint8))
    out = io.BytesIO()
    picture.save(out, "PNG" if number % 3 else "JPEG", quality=92)
    return out.getvalue()


def make_dataset(folder: Path, per_class: int = PER_CLASS, layout: str = "stj") -> Path:
    """Write a dataset folder as the export does: groups of two, two shops, all three splits."""
    rows = []
    for label, name in LABELS.items():
        for number in range(per_class):
            data = draw(label, number)
            sha256 = hashlib.sha256(data).hexdigest()
            group = number // 2
            split = "test" if group % 5 == 0 else "val" if group % 5 == 1 else "train"
            place = {"stj": f"{split}/{label}", "student": f"{'Test' if split == 'test' else 'Dataset'}/{label}"}[
                layout
            ]
            file = f"{place}/{sha256[:12]}.{'png' if number % 3 else 'jpg'}"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
            asin = f"B0{label}{number:07d}"
            rows.append(
                ManifestRow(
                    file=file,
                    label=label,
                    split=split,
                    group=f"{label}-{group}",
                    sha256=sha256,
                    original_sha256=sha256,
                    phash="0" * 16,
                    width=width,
                    height=height,
                    asin=asin,
                    title=f'{name}, "fine", no. {number}',
                    source=f"shop {group % 2}",
                    product_url=f"https://www.amazon.in/dp/{asin}",
                    page_url=f"https://www.amazon.in/s?rh=n%3A{label}&page={1 + group % 2}",
                    page_number=1 + group % 2,
                    crawl_id=1 + group % 3,
                    seen_at=f"2026-01-0{1 + group % 3}T10:00:00Z",
                )
            )
    digest = write_manifest(rows, folder / "manifest.csv")
    write_labels(LABELS, folder / "labels.json")
    write_json({"digest": digest, "settings": {}}, folder / "dataset.json")
    return folder


def tiny(recipe: str = "default", **changes: object) -> TrainConfig:
    """A recipe with random weights at a size that costs seconds."""
    size = 128 if recipe == "paper" else 64
    resample = "nearest" if recipe == "paper" else "bilinear"
    config = resolve(recipe, weights="random", **({"epochs": 20} | changes))
    return replace(config, preprocessing=Preprocessing(size, resample))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and notebooks read pictures at 64 pixels: the way is the same, and costs a fraction."""

    def at_64(recipe: str, **changes: object) -> TrainConfig:
        return replace(resolve(recipe, **changes), preprocessing=Preprocessing(64))

    for place in ("api", "config"):
        monkeypatch.setattr(f"stj_model.{place}.resolve", at_64)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder to read, not to change."""
    return make_dataset(tmp_path_factory.mktemp("drawn") / "dataset")


@pytest.fixture
def dataset(drawn: Path, tmp_path: Path) -> Path:
    """A dataset folder of one's own."""
    return Path(shutil.copytree(drawn, tmp_path / "dataset"))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features that several trainings of one session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def run(drawn: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One finished run of the default recipe, to read, not to change."""
    from stj_model.training import train

    return train(drawn, tiny(), runs=tmp_path_factory.mktemp("session") / "runs", cache=shared_cache)


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    """A run folder of one's own."""
    return Run(Path(shutil.copytree(run.folder, tmp_path / "runs" / "mine")))
