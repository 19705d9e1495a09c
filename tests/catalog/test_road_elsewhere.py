"""The whole road past one machine: PostgreSQL, an object store and two workers of Dask's, one of which is killed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import psutil
import pytest

from stj_demo.shop import PracticeShop
from tests.objects import an_object_server

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
COMPUTING_SECONDS = 5.0
"""Of a processor: a worker that has taken so long has imported TensorFlow, and computes."""


def walk(place: Path, shop: PracticeShop, settings: Mapping[str, str], dataset: str) -> dict[str, Any]:
    """Crawl, fold, export and train by the commands; what the last two said. With workers, one is killed in the training."""
    place.mkdir()
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STJ_")}
    environment |= {
        "STJ_WEIGHTS": "random",
        "STJ_FEATURES": str(place / "features"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **settings,
    }

    def run(*command: str, kill: bool = False) -> str:
        asked = [str(BIN / command[0]), *command[1:]]
        with subprocess.Popen(asked, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as process:
            if kill:
                assert kill_a_worker(process.pid), "no worker was killed while it worked"
            said, _ = process.communicate(timeout=280)
        assert process.returncode == 0, command
        return said

    for category in ("sarees", "trousers", "jeans"):
        run("scrapy", "crawl", f"amazon_{category}", "-a", f"origin={shop.origin}")
    run("stj-dataset", "dedupe")
    exported = json.loads(run("stj-dataset", "export", dataset, "--split", "0.2", "--json"))
    assert json.loads(run("stj-dataset", "verify", "--json"))["problems"] == []
    trained = json.loads(run("stj-model", "train", dataset, "--json", kill="STJ_CLUSTER" in settings))
    figures = {split: {**part, "run": ""} for split, part in trained.items() if isinstance(part, dict)}
    assert "out_of_fold" in figures
    return {"digest": exported["digest"], "figures": figures}


def kill_a_worker(command: int) -> bool:
    """Kill one of a command's workers as soon as it computes; False if the command ended before."""
    with suppress(psutil.NoSuchProcess):
        while True:
            for worker in psutil.Process(command).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "spawn_main" in " ".join(worker.cmdline()) and worker.cpu_times().user > COMPUTING_SECONDS:
                        worker.kill()
                        return True
            time.sleep(0.05)
    return False


def features(address: str, **options: bool) -> dict[tuple[str, str], str]:
    """The features in a shared folder: a digest for each kind of them and picture, however they are dealt to files."""
    files, root = fsspec.core.url_to_fs(address, **options)
    found = {}
    for path in files.find(root):
        if path.endswith(".json"):
            rows = np.load(io.BytesIO(files.cat_file(f"{path.removesuffix('.json')}.npy")))
            names = json.loads(files.cat_file(path))["names"]
            kind = path.removeprefix(root).rpartition("/")[0]
            found |= {
                (kind, name): hashlib.sha256(row.tobytes()).hexdigest() for name, row in zip(names, rows, strict=True)
            }
    return found


def test_the_road_is_the_same_on_a_server_an_object_store_and_workers(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    with PracticeShop(per_class=22) as shop, an_object_server("stj") as objects:
        near = walk(tmp_path / "near", shop, {}, "dataset")
        far = walk(
            tmp_path / "far",
            shop,
            {
                **objects.environment,
                "STJ_CATALOG": postgres_url,
                "STJ_IMAGES": "s3://stj/images",
                "STJ_FEATURES": "s3://stj/features",
                "STJ_CLUSTER": "local:2",
            },
            "s3://stj/dataset",
        )
        for name, value in objects.environment.items():
            monkeypatch.setenv(name, value)
        there = features("s3://stj/features", use_listings_cache=False)
    assert far["digest"] == near["digest"]
    assert there == features(str(tmp_path / "near" / "features"))
    assert there
    assert far["figures"] == near["figures"]
