"""What the documentation says of the catalogue is what is there, and every query in it runs."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from docs.catalog_pages import catalog_md, metadata_yaml
from docs.make import PAGES, stale_pages
from docs.queries import GALLERY, QUERIES
from stj_catalog.schema import VIEWS, metadata
from tests.catalog.crawling import print_of
from tests.catalog.test_incremental import WORLD, crawl_in_order

ROWS = {
    "counts": 7,
    "reasons": 4,
    "duplicates": 4,
    "crawls": 3,
    "groups": 5,
    "conflicts": 4,
    "look-alikes": 0,
    "sources": 2,
    "products": 7,
    "sponsored": 8,
    "smallest": 11,
    "origin": 1,
}


def test_the_pages_are_fresh():
    assert [page for page in stale_pages() if page in PAGES] == []


def test_every_table_view_and_question_is_on_the_page():
    page = catalog_md()
    wanted = [*metadata.tables, *VIEWS, *(query.question for query in QUERIES)]
    assert [name for name in wanted if f"### {name}\n" not in page] == []
    assert len(QUERIES) >= 10


def test_every_table_says_what_it_holds():
    assert [table.name for table in metadata.sorted_tables if not table.comment] == []


def test_every_query_answers(catalog):
    crawl_in_order(catalog, WORLD, per_page=3)
    found = {}
    with catalog.read() as connection:
        for query in QUERIES:
            values = {"sha256": print_of(2).sha256} if query.name == "origin" else query.example
            found[query.name] = len(connection.execute(text(query.sql), values).all())
    assert found == {query.name: ROWS[query.name] for query in QUERIES}


def test_the_gallery_answers_on_sqlite(catalog):
    if not catalog.is_sqlite:
        pytest.skip("Datasette reads SQLite only")
    crawl_in_order(catalog, WORLD, per_page=3)
    with catalog.read() as connection:
        rows = connection.execute(text(GALLERY.sql), GALLERY.example).all()
    assert rows[0].picture.startswith('{"img_src":"/images/')


def test_datasette_gets_facets_and_queries():
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(metadata_yaml())["databases"]["catalog"]
    assert read["tables"].keys() == {*metadata.tables, *VIEWS}
    assert read["tables"]["images"]["facets"][0] == "status"
    assert read["queries"]["counts"]["sql"] == QUERIES[0].sql.strip()
