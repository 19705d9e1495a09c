"""Another shop is two modules of one name and a line in one registry: nothing in the crawl knows whose pages it reads."""

from __future__ import annotations

import ast
import inspect
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stj_spiders
from stj_core.errors import UsageError
from stj_core.labels import load_labels
from stj_core.shops.shop import SHOPS
from stj_spiders.shops.shop import PAGES, ShopPages
from tests.conftest import ROOT
from tests.spiders.conftest import Folder
from tests.spiders.corner_shop import pages as corner_pages
from tests.spiders.servers import Answer, serving

LABELS = """
[[category]]
label = 7
slug = "mug"
name = "Mug"
shop = "corner"
node = "mugs"
contradicts = ["plate"]
[[category]]
label = 8
slug = "bowl"
name = "Bowl"
shop = "corner"
spider = "corner_bowls"
node = "bowls"
"""
REGISTER = """
from stj_core.shops.shop import SHOPS
from stj_spiders.shops.shop import PAGES
from tests.spiders.corner_shop import addresses, pages

SHOPS["corner"] = addresses
PAGES["corner"] = pages
"""


def picture(number: int) -> bytes:
    """A picture that is like no other."""
    noise = np.random.default_rng(number).integers(0, 255, (10, 8, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).resize((160, 200)).save(data, "JPEG")
    return data.getvalue()


def shelf(path: str) -> Answer:
    """Two pages of mugs, and the pictures in the size that is asked for."""
    if path == "/robots.txt":
        return Answer(b"", 404)
    if path.startswith("/pic/"):
        assert path.endswith("?w=640"), path
        return Answer(picture(int(path.removeprefix("/pic/").partition(".")[0])), content_type="image/jpeg")
    second = path.endswith("p=2")
    numbers = range(4, 7) if second else range(1, 4)
    items = (
        f'<article data-number="{n}"><img src="/pic/{n}.jpg?w=80"><h3>A {"plate" if n == 2 else "mug"} {n}</h3></article>'
        for n in numbers
    )
    more = "" if second else '<a rel="next" href="/shelf/mugs?p=2">more</a>'
    return Answer(f"<html><body>{''.join(items)}{more}</body></html>".encode())


@pytest.fixture
def corner(folder: Folder) -> Folder:
    """A folder with the two registry lines and a labels.toml."""
    (folder.path / "labels.toml").write_text(LABELS)
    (folder.path / "corner.py").write_text(
        f"import sys\n{REGISTER}\nfrom scrapy.cmdline import execute\nexecute(['scrapy', *sys.argv[1:]])\n"
    )
    return folder


def run(corner: Folder, *arguments: str):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return corner.start("corner", *arguments, STJ_LABELS="labels.toml", PYTHONPATH=path).end()


@pytest.mark.medium
def test_a_second_shop_is_crawled_with_its_own_addresses_and_pages(corner: Folder) -> None:
    """Its spider, listing path, folding, picture size, product numbers and verdicts are all its own."""
    with serving(shelf) as shop:
        ended = run(corner, "crawl", "corner_category", "-a", "category=mug", "-a", f"origin={shop.origin}")
        assert ended.code == 0, ended.err
        assert [path for path in shop.asked if path.startswith("/shelf")] == ["/shelf/mugs", "/shelf/mugs?p=2"]
        rows = corner.rows("SELECT image_url, product_url, asin, title, status, reason FROM image_provenance")
        assert [row["asin"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
        assert {f"{shop.origin}/item/1"} == {row["product_url"] for row in rows if row["asin"] == "1"}
        assert [row["asin"] for row in rows if row["reason"] == "title_mismatch"] == ["2"]
        keys = {row["image_key"] for row in corner.rows("SELECT image_key FROM images")}
        assert keys == {f"{shop.origin}/pic/{n}.jpg" for n in range(1, 7)}
        assert corner.rows("SELECT count(*) AS n FROM images WHERE status = 'kept' AND label = 7")[0]["n"] == 5

        shop.answer = lambda path: Answer(b"", 404) if "robots" in path else Answer(b'<form id="who-is-there"></form>')
        turned = run(
            corner,
            "crawl",
            "corner_category",
            "-a",
            "category=mug",
            "-a",
            f"origin={shop.origin}",
            "-s",
            "STJ_BLOCKS=1",
        )
        assert turned.code == 1
        assert "listing page 1 is a robot_check page" in turned.sentence


@pytest.mark.medium
def test_each_shop_has_a_spider_and_each_category_that_names_one(corner: Folder) -> None:
    """Beside Amazon's; what belongs to one shop cannot be asked of another's spider."""
    assert run(corner, "list").out.split() == ["amazon_category", "corner_bowls", "corner_category"]
    wrong = run(corner, "crawl", "amazon_category", "-a", "category=mug")
    assert (wrong.code, wrong.sentence) == (2, "mug is a category of the shop corner: use corner_category.")
    plan = run(corner, "crawl", "corner_bowls", "-a", "dry_run=1").out
    assert "corner_bowls would read http://corner.invalid/shelf/bowls" in plan
    assert "The corner shop asks to be asked." in plan


def test_every_shop_that_is_known_has_pages_that_can_be_read_as_any_shop_s() -> None:
    """The registry of addresses is the only one: the module of pages is found by its name, so what it offers is held here."""
    assert PAGES.keys() == SHOPS.keys()
    for module in (*PAGES.values(), corner_pages):
        assert isinstance(module, ShopPages)
        for name in ("parse_listing", "parse_product", "judge", "promises_script"):
            promised = list(inspect.signature(getattr(ShopPages, name)).parameters.values())[1:]
            given = list(inspect.signature(getattr(module, name)).parameters.values())
            assert [(one.name, one.default) for one in given] == [(one.name, one.default) for one in promised]


def test_a_shop_that_nobody_knows_is_named(tmp_path: Path) -> None:
    labels = tmp_path / "labels.toml"
    labels.write_text(LABELS)
    with pytest.raises(UsageError) as refusal:
        load_labels(labels)
    assert str(refusal.value) == f"A category in {labels} is of the shop 'corner': STJ knows amazon."


def test_only_the_shop_itself_and_its_registry_name_amazon() -> None:
    """And no component imports a spider: they meet in the session."""
    package = Path(stj_spiders.__file__).parent
    for path in package.rglob("*.py"):
        place = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            names = {f"{node.module}.{one.name}" for one in node.names}
            if not place.startswith("shops/"):
                assert not any("shops.amazon" in name for name in names), place
            if place.startswith(("middlewares/", "pipelines/", "extensions/")):
                assert not any("stj_spiders.spiders" in name for name in names), place
