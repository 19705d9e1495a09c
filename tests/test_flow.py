"""The whole road, as a person walks it: an empty folder with only scrapy.cfg, and the commands of the README."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stj_demo.shop import PracticeShop

PER_CLASS = 22
BIN = Path(sys.executable).parent
CATEGORIES = ("sarees", "trousers", "jeans")


@dataclass
class Road:
    """A folder in which commands were run, and what they said."""

    place: Path
    shop: PracticeShop
    said: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STJ_")}
        environment |= {"STJ_WEIGHTS": "random", "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        self.said[name] = done
        return done

    def crawl(self) -> None:
        for category in CATEGORIES:
            self.run(f"crawl {category}", "scrapy", "crawl", f"amazon_{category}", "-a", f"origin={self.shop.origin}")

    def rows(self, query: str) -> list[sqlite3.Row]:
        connection = sqlite3.connect(self.place / "catalog.sqlite")
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def pictures_asked(self) -> Counter[str]:
        return Counter(asked.path for asked in self.shop.requests if asked.path.startswith("/images/"))


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Walked once: three crawls, twice; an export, twice; a training, an evaluation and a prediction."""
    place = tmp_path_factory.mktemp("road")
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    with PracticeShop(per_class=PER_CLASS) as shop:
        road = Road(place, shop)
        road.crawl()
        road.first_asked = road.pictures_asked()  # type: ignore[attr-defined]  # only here
        shop.forget_requests()
        road.run("again", "python", "-m", "stj_spiders", "-a", f"origin={shop.origin}")
        road.run("stats", "stj-dataset", "stats", "--json")
        road.run("verify", "stj-dataset", "verify", "--json")
        road.run("export", "stj-dataset", "export", "--split", "0.2", "--json")
        if road.said["export"].returncode == 0:
            shutil.copytree(place / "dataset", place / "first")
        road.run("export again", "stj-dataset", "export", "--split", "0.2", "--json")
        road.run("train", "stj-model", "train", "--epochs", "3", "--json")
        road.run("evaluate", "stj-model", "evaluate", "--json")
        road.run("predict", "stj-model", "predict", "dataset/test/0", "--json")
        yield road


def test_every_command_succeeds(road: Road) -> None:
    assert dict.fromkeys(road.said, 0) == {name: done.returncode for name, done in road.said.items()}, [
        (name, done.stderr[-2000:]) for name, done in road.said.items() if done.returncode
    ]


def test_every_card_ends_in_one_status(road: Road) -> None:
    rows = road.rows("SELECT status, reason, image_id FROM image_provenance")
    assert all((row["status"] is not None) or (row["reason"] == "no_image" and row["image_id"] is None) for row in rows)
    assert {"kept", "duplicate", "quarantined", "rejected", None} == {row["status"] for row in rows}


def test_every_picture_is_what_the_shop_sent(road: Road) -> None:
    rows = road.rows("SELECT url, path, sha256 FROM images WHERE path IS NOT NULL")
    assert len(rows) >= 3 * PER_CLASS
    for row in rows:
        stored = (road.place / "images" / row["path"]).read_bytes()
        assert stored == road.shop.image_bytes(row["url"].removeprefix(road.shop.origin)), row["url"]
        assert row["sha256"] == hashlib.sha256(stored).hexdigest()


def test_no_two_kept_pictures_are_duplicates(road: Road) -> None:
    """By the rule of the contract, computed here by other means than the code under test."""
    kept = [
        (int(r["phash"], 16), int(r["phash256"], 16)) for r in road.rows("SELECT * FROM images WHERE status = 'kept'")
    ]
    alike = [
        (a, b) for a, b in combinations(kept, 2) if (a[0] ^ b[0]).bit_count() <= 8 and (a[1] ^ b[1]).bit_count() <= 22
    ]
    assert alike == []


def test_a_picture_is_fetched_once(road: Road) -> None:
    assert set(road.first_asked.values()) == {1}  # type: ignore[attr-defined]


def test_a_second_crawl_fetches_no_good_picture_and_adds_its_sightings(road: Road) -> None:
    """What came broken or too small is asked for once more: it may be better now."""
    rejected = {row["url"] for row in road.rows("SELECT url FROM images WHERE status = 'rejected'")}
    asked = road.pictures_asked()
    assert set(asked.values()) == {1}
    assert {urlsplit(url).path for url in rejected} == set(asked)
    counts = road.rows(
        "SELECT category_id, COUNT(*) AS n FROM sightings GROUP BY category_id, crawl_id ORDER BY crawl_id"
    )
    assert len(counts) == 6
    assert {row["category_id"]: row["n"] for row in counts[:3]} == {row["category_id"]: row["n"] for row in counts[3:]}
    assert "Nothing new was fetched" in road.said["again"].stdout


def test_verify_finds_nothing(road: Road) -> None:
    assert json.loads(road.said["verify"].stdout) == {"ok": True, "problems": []}


def test_stats_agree_with_the_catalogue(road: Road) -> None:
    counts = {row["status"]: row["n"] for row in road.rows("SELECT status, COUNT(*) AS n FROM images GROUP BY status")}
    assert counts == {status: n for status, n in json.loads(road.said["stats"].stdout)["images"].items() if n}


def test_two_exports_have_the_same_bytes(road: Road) -> None:
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (road.place / "first", road.place / "dataset")
    )
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] != second[path]] == []


def test_no_product_and_no_group_is_in_two_splits(road: Road) -> None:
    with (road.place / "dataset" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for column in ("group", "asin"):
        splits: dict[str, set[str]] = {}
        for row in rows:
            splits.setdefault(row[column], set()).add(row["split"])
        assert dict.fromkeys(splits, 1) == {value: len(found) for value, found in splits.items()}


def test_an_export_leaves_its_rows(road: Road) -> None:
    digest = json.loads(road.said["export"].stdout)["digest"]
    assert digest == hashlib.sha256((road.place / "dataset" / "manifest.csv").read_bytes()).hexdigest()
    assert [digest, digest] == [row["digest"] for row in road.rows("SELECT digest FROM exports ORDER BY id")]
    exported = road.rows("SELECT COUNT(*) AS n FROM export_images WHERE export_id = 1 AND split IS NOT NULL")[0]["n"]
    assert exported == sum(1 for path in (road.place / "dataset").glob("*/*/*"))


def test_a_run_leaves_its_papers(road: Road) -> None:
    run = (road.place / "runs" / "latest").resolve()
    wanted = {
        "config.json",
        "history.csv",
        "metrics.json",
        "model.keras",
        "labels.json",
        "report.html",
        "out_of_fold.csv",
    }
    assert set() == wanted - {path.name for path in run.iterdir()}
    assert any((run / "plots").glob("*.png"))


def test_figures_come_from_one_prediction_pass(road: Road) -> None:
    trained, judged = (json.loads(road.said[name].stdout) for name in ("train", "evaluate"))
    assert trained["test"]["confusion"] == judged["confusion"]
    low, high = judged["interval"]
    assert judged["accuracy"] == pytest.approx(judged["correct"] / judged["n"], abs=1e-4)
    assert low <= judged["accuracy"] <= high


def test_prediction_answers_for_each_file(road: Road) -> None:
    answers = json.loads(road.said["predict"].stdout)
    assert len(answers) == len(list((road.place / "dataset" / "test" / "0").iterdir()))
    assert {"saree", "trousers", "jeans", "unsure", "none"} >= {one["answer"] for one in answers}
