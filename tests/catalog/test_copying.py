"""A catalogue in another database: every row, whatever it holds, and proof of it."""

from __future__ import annotations

import json
import shutil

import pytest
from sqlalchemy import select, update

from stj_catalog.catalog import open_catalog
from stj_catalog.copying import copy_catalog
from stj_catalog.frontier import Response, add_page, lease_page, record_response
from stj_catalog.pace import cool_down, take_turn
from stj_catalog.schema import images, metadata, products
from stj_core.errors import CatalogError
from stj_core.vocabulary import PageState
from tests.catalog.crawling import ORIGIN, Card, Walk, assert_lawful, print_of, statuses

NAMES = ("sqlite to postgresql", "postgresql to sqlite", "sqlite to sqlite")


@pytest.fixture
def sides(request, blank_catalog, tmp_path):
    """A catalogue with all sorts of rows, and the URL of an empty one."""
    file = tmp_path / "one.sqlite"
    shutil.copyfile(blank_catalog, file)
    shutil.copyfile(blank_catalog, tmp_path / "two.sqlite")
    urls = {"sqlite": f"sqlite:///{file}", "postgresql": None}
    if "postgresql" in request.param:
        urls["postgresql"] = request.getfixturevalue("postgres_url")
    source, _, target = request.param.partition(" to ")
    to = f"sqlite:///{tmp_path}/two.sqlite" if target == "sqlite" else urls[target]
    catalog = open_catalog(urls[source])
    fill(catalog)
    yield catalog, to
    catalog.close()


def fill(catalog):
    walk = Walk(catalog)
    walk.page([Card(f"a{n}", print_of(n % 7, near=n // 7), f"B{n:09d}") for n in range(12)])
    walk.page(
        [Card("strange ☃ name", print_of(50), "B000000099", reason="sponsored"), Card("x", None, failure="timeout")]
    )
    with catalog.write() as connection:
        price = {"title": "a\u2028b ₹ \U0001f9e5 'quoted' \\", "price": 0.1 + 0.2, "rating": 4.1}
        connection.execute(update(products).where(products.c.id == 1).values(price))
        add_page(connection, walk.crawl.id, "listing", 9, f"{ORIGIN}/9")
    page = lease_page(catalog, walk.crawl.id, 60, max_listing=9)
    record_response(
        catalog, page.id, Response(200, "ok", 1, 3, coverage={"title": 3}), PageState.DONE, token=page.token
    )
    take_turn(catalog, "shop.test", "pages of shop.test", 1.25)
    cool_down(catalog, "shop.test", 31.7, 0.5)


@pytest.mark.parametrize("sides", NAMES, indirect=True)
def test_every_row_is_copied_and_the_copy_lives_on(sides, request):
    catalog, url = sides
    target = open_catalog(url)
    request.addfinalizer(target.close)
    proofs = copy_catalog(catalog, target)
    assert set(proofs) == set(metadata.tables)
    for table in metadata.sorted_tables:
        key = list(table.primary_key.columns)
        with catalog.read() as one, target.read() as two:
            rows = one.execute(select(table).order_by(*key)).all()
            assert rows == two.execute(select(table).order_by(*key)).all()
            assert proofs[table.name].rows == len(rows)
    assert proofs["images"].rows == 14
    assert "duplicate" in {status for status, _ in statuses(target).values()}
    # New rows get numbers of their own.
    later = Walk(target, spider="later")
    later.page([Card("new", print_of(777), "B000000777"), Card("again", print_of(0, near=3, size=(60, 80)))])
    assert statuses(target)["new"] == ("kept", None)
    assert statuses(target)["again"] == ("duplicate", None)
    assert_lawful(target)
    with pytest.raises(CatalogError, match="holds rows already"):
        copy_catalog(catalog, target)
    target.close()


def test_a_copy_that_differs_is_not_kept(tmp_path, blank_catalog, monkeypatch):
    """As where a database rounds what it is given."""
    for name in ("one", "two"):
        shutil.copyfile(blank_catalog, tmp_path / f"{name}.sqlite")
    source, target = (open_catalog(str(tmp_path / f"{name}.sqlite")) for name in ("one", "two"))
    fill(source)
    with target.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER rounds AFTER INSERT ON products BEGIN UPDATE products SET price = round(price); END"
        )
    with pytest.raises(CatalogError, match=r"differs from .* in products: nothing of it was kept"):
        copy_catalog(source, target)
    with target.read() as connection:
        assert connection.execute(select(images)).all() == []
    source.close()
    target.close()


def test_the_command_says_what_it_proved(tmp_path, blank_catalog, capsys):
    from stj_core.cli import outcome
    from stj_dataset.cli import app

    shutil.copyfile(blank_catalog, tmp_path / "one.sqlite")
    source = open_catalog(str(tmp_path / "one.sqlite"))
    fill(source)
    source.close()
    assert outcome(app, ["copy-catalog", "one.sqlite", "new/two.sqlite", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tables"]["images"]["rows"] == 14
    assert len(told["tables"]["images"]["digest"]) == 64
    assert outcome(app, ["copy-catalog", "new/two.sqlite", "three.sqlite"]) == 0
    assert told["tables"]["images"]["digest"][:16] in capsys.readouterr().out
    assert outcome(app, ["copy-catalog", "one.sqlite", "three.sqlite"]) == 1
    assert outcome(app, ["copy-catalog", "nowhere.sqlite", "four.sqlite"]) == 1
    assert not (tmp_path / "four.sqlite").exists()
