"""An object store that is away for a while: the crawl and the import go on, and nothing is there twice.

The server is moto's, which keeps its objects in memory: when it is started again it holds nothing of what it held before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_images.store import open_store
from tests.objects import ObjectServer, an_object_server
from tests.spiders.conftest import Ended, Folder, Running, wait_for
from tests.spiders.lying_shop import LyingShop, picture
from tests.spiders.servers import Answer, serving

pytestmark = pytest.mark.slow
PAGES, CARDS, PAUSE_SECONDS = 2, 12, 10
IMAGES = "s3://pictures/images"


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    """A shop whose pictures take their time."""

    def slowly(honest: Answer) -> Answer:
        time.sleep(0.2)
        return honest

    lying = LyingShop(pages=PAGES, cards=CARDS, last=PAGES)
    lying.lies["picture"] = slowly
    with serving(lying) as server:
        lying.server = server
        yield lying


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """The server, and the environment in which this process and those it starts reach it."""
    import s3fs

    with an_object_server("pictures") as server:
        for name, value in {**server.environment, "STJ_IMAGES": IMAGES}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield server
        s3fs.S3FileSystem.clear_instance_cache()


def begin(folder: Folder, shop: LyingShop) -> Running:
    assert shop.server is not None
    return folder.begin(
        "amazon_sarees", shop.server.origin, "-s", "STJ_SUMMARY=json", "-s", "AUTOTHROTTLE_ENABLED=False"
    )


def pictures_of(shop: LyingShop) -> Counter[str]:
    assert shop.server is not None
    return Counter(path for path in list(shop.server.asked) if "/images/" in path)


def held() -> list[str]:
    return list(open_store(IMAGES).paths())


def check_all_once(folder: Folder, shop: LyingShop, ended: Ended) -> None:
    """Every page and picture is there once: in the catalogue, in the shop's log, and in the store."""
    assert (ended.code, ended.summary["state"], ended.summary["images"]) == (0, "finished", {"kept": PAGES * CARDS}), (
        ended.err
    )
    assert set(pictures_of(shop).values()) == {1}
    assert len(pictures_of(shop)) == PAGES * CARDS
    cards = folder.rows("SELECT count(*) AS n, count(DISTINCT image_id) AS pictures FROM sightings")[0]
    assert (cards["n"], cards["pictures"]) == (PAGES * CARDS, PAGES * CARDS)


def test_a_store_that_is_silent_for_ten_seconds_is_waited_for_by_a_crawl(folder: Folder, shop, objects, capsys) -> None:
    running = begin(folder, shop)
    wait_for(lambda: len(pictures_of(shop)) >= 4)
    objects.pause()
    time.sleep(PAUSE_SECONDS)
    asked = len(pictures_of(shop))
    objects.resume()
    check_all_once(folder, shop, running.end())
    assert asked < PAGES * CARDS, "the crawl was not over before the store was silent"
    assert held() == sorted(row["path"] for row in folder.rows("SELECT path FROM images"))
    assert outcome(app, ["verify"]) == 0, capsys.readouterr()


def test_a_store_that_is_silent_for_ten_seconds_is_waited_for_by_an_import(
    folder: Folder, objects, tmp_path: Path, capsys
) -> None:
    for label, name in enumerate(("0_saree", "1_trousers", "2_jeans")):
        (tmp_path / "garments" / name).mkdir(parents=True)
        for number in range(100):
            (tmp_path / "garments" / name / f"{number}.jpg").write_bytes(picture(1_000 * label + number))
    command = [sys.executable, "-c", "from stj_dataset.cli import main; main()", "import", "garments", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    running = Running(subprocess.Popen(command, cwd=tmp_path, **pipes))
    folder.started.append(running)
    wait_for(lambda: len(held()) >= 5)
    objects.pause()
    time.sleep(PAUSE_SECONDS)
    assert running.process.poll() is None, "the import was not over before the store was silent"
    objects.resume()
    ended = running.end()
    assert ended.code == 0, ended.err
    rows = folder.rows("SELECT path, status FROM images")
    assert held() == sorted(row["path"] for row in rows)
    assert Counter(row["status"] for row in rows) == {"kept": 300}
    assert outcome(app, ["verify"]) == 0, capsys.readouterr()


def test_a_store_that_comes_back_empty_is_gone_on_with_and_what_it_lost_is_named(
    folder: Folder, shop, objects, capsys
) -> None:
    """What was put before is gone with moto: verify names exactly that, a repair rejects it, and a crawl fetches it again."""
    running = begin(folder, shop)
    wait_for(lambda: len(held()) >= 4)
    objects.stop()
    time.sleep(3)
    objects.start()
    ended = running.end()
    check_all_once(folder, shop, ended)
    assert "It is back after" in ended.err
    there = set(held())
    lost = {row["path"] for row in folder.rows("SELECT path FROM images")} - there
    assert lost
    assert there
    capsys.readouterr()
    assert outcome(app, ["verify", "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {one["path"] for one in problems if one["kind"] == "missing"} == lost
    assert {one["kind"] for one in problems} == {"missing"}
    assert outcome(app, ["verify", "--repair", "--yes"]) == 0, capsys.readouterr()
    again = folder.crawl("amazon_sarees", shop.server.origin, "-a", "fresh=1", "-s", "AUTOTHROTTLE_ENABLED=False")
    assert again.code == 0, again.err
    assert len(held()) == PAGES * CARDS
    assert outcome(app, ["verify"]) == 0, capsys.readouterr()
