"""The audit: every label ranked, the doubtful first; odd pictures found; a page to look at."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_core.published import RUN, Publication
from stj_dataset.audit.labels import label_quality, rank, read_out_of_fold
from stj_dataset.cli import app
from stj_dataset.manifest import read_manifest
from stj_images.quality import find_oddities
from tests.objects import bucket, serving_objects

from .filling import Shelf, draw, encode, item

Export = Callable[..., Any]


@pytest.fixture
def run(shelf: Shelf, export: Export) -> Path:
    """A training run that is sure of everything, and sure that three labels are wrong."""
    export()
    folder = Path("runs/latest")
    folder.mkdir(parents=True)
    (folder / "manifest.csv").write_bytes(Path("dataset/manifest.csv").read_bytes())
    rng = np.random.default_rng(1)
    with (folder / "out_of_fold.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("sha256", "label", "group", "fold", "p0", "p1", "p2"))
        for place, row in enumerate(read_manifest(Path("dataset"))):
            truth = (row.label + 1) % 3 if place in WRONG else row.label
            chances = rng.dirichlet([1 + 30 * (label == truth) for label in range(3)])
            writer.writerow((row.sha256, row.label, row.group, place % 5, *(f"{p:.6f}" for p in chances)))
    return folder


WRONG = {3, 20, 41}


def test_every_picture_is_ranked_and_the_wrong_ones_come_first(run: Path) -> None:
    pytest.importorskip("cleanlab")
    found = rank(run)
    rows = read_manifest(Path("dataset"))
    assert sorted(row.original_sha256 for row in rows) == sorted(one.sha256 for one in found)
    assert {rows[place].original_sha256 for place in WRONG} == {one.sha256 for one in found[:3]}
    assert all(one.guess == (one.given + 1) % 3 for one in found[:3])
    assert [one.score for one in found] == sorted(one.score for one in found)


@pytest.mark.medium
def test_a_run_at_an_address_is_audited_like_its_folder(
    shelf: Shelf, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cleanlab")
    (run / "config.json").write_text("{}")
    capsys.readouterr()
    assert outcome(app, ["audit", "--json"]) == 0
    here = capsys.readouterr().out
    with serving_objects() as address, bucket(address, "place", monkeypatch):
        publication = Publication("s3://place/runs/one", RUN)
        publication.stage(run)
        publication.commit()
        assert outcome(app, ["audit", "s3://place/runs/one", "--json"]) == 0
        assert capsys.readouterr().out == here
        assert outcome(app, ["audit", "s3://place/runs/two", "--json"]) == 1
        assert "There is no run at s3://place/runs/two" in capsys.readouterr().err


def test_a_class_that_no_picture_has_is_no_reason_to_fail() -> None:
    pytest.importorskip("cleanlab")
    chances = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.9, 0.1, 0.0]])
    scores = label_quality(np.array([0, 1, 1]), [0, 1, 2], chances)
    assert scores.argmin() == 2
    assert np.isfinite(scores).all()


def test_the_answer_in_json_and_the_page(shelf: Shelf, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanlab")
    capsys.readouterr()
    assert outcome(app, ["audit", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["suspects"]) == 60
    first = answer["suspects"][0]
    assert list(first) == ["sha256", "given", "guess", "probabilities", "score", "title", "product_url"]
    assert list(first["probabilities"]) == ["0", "1", "2"]
    page = Path("audit.html").read_text()
    assert first["title"] in page
    assert f'stj-dataset label {first["sha256"][:12]} <span class="whole">--as {first["guess"]}</span>' in page
    assert outcome(app, ["label", first["sha256"], "--as", str(first["guess"])]) == 0
    assert outcome(app, ["audit"]) == 0
    assert f"stj-dataset label {first['sha256'][:12]}" not in Path("audit.html").read_text()


def test_what_a_shop_wrote_does_not_run_on_the_page(shelf: Shelf, run: Path) -> None:
    pytest.importorskip("cleanlab")
    manifest = (run / "manifest.csv").read_text().replace("http://127.0.0.1/dp/", "javascript:alert(1)//")
    (run / "manifest.csv").write_text(manifest.replace("Saree 3", "<script>alert(1)</script>"))
    assert outcome(app, ["audit", "--page", "page.html"]) == 0
    page = Path("page.html").read_text()
    assert "<script>" not in page
    assert 'href="javascript:' not in page


def test_without_a_run(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(app, ["audit"]) == 1
    assert "There is no out_of_fold.csv in " in capsys.readouterr().err
    assert outcome(app, ["audit", "--pictures-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suspects"] == []


@pytest.mark.parametrize("text", ["", "sha256,label\na,0\n", "sha256,label,group,fold,p0,p1\na,5,g,0,.5,.5\n", "x\0y"])
def test_probabilities_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "out_of_fold.csv").write_text(text)
    with pytest.raises(Exception, match="train again"):
        read_out_of_fold(tmp_path)


def photograph() -> Image.Image:
    """Fine stripes on a light ground: as sharp as shop photographs are."""
    grain = np.random.default_rng(3).integers(0, 256, (300, 200), dtype=np.uint8)
    return Image.fromarray(grain).resize((400, 600), Image.Resampling.NEAREST).convert("RGB")


@pytest.mark.parametrize(
    ("picture", "reasons"),
    [
        (photograph(), []),
        (draw(3, (400, 600)), ["blurred"]),
        (photograph().point(lambda level: level // 4), ["dark"]),
        (Image.new("RGB", (300, 400), (250, 250, 250)), ["blank"]),
        (photograph().resize((100, 600)), ["odd_shape"]),
    ],
)
def test_odd_pictures_are_found_with_their_reason(picture: Image.Image, reasons: list[str]) -> None:
    assert [one.reason for one in find_oddities(encode(picture))] == reasons


def test_odd_pictures_of_the_catalogue(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.add([item(2, 90, data=encode(Image.new("RGB", (90, 120), "white")), title="Nothing")], crawl="second")
    capsys.readouterr()
    assert outcome(app, ["audit", "--pictures-only", "--json"]) == 0
    odd = json.loads(capsys.readouterr().out)["odd"]
    # The other drawn pictures are soft blots, and count as blurred.
    assert [(one["title"], one["label"]) for one in odd if one["reasons"] == ["blank"]] == [("Nothing", 2)]
