"""Every page answers, with nothing there and with everything; none carries a script or style of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from stj_catalog.crawls import begin_crawl, end_crawl
from stj_catalog.schema import pages
from stj_catalog.stats import count_all
from stj_core.labels import load_labels
from stj_core.vocabulary import CrawlState
from stj_web.filters import moment
from tests.dataset.filling import Shelf

from .conftest import MakeApp

PAGES = [
    "/",
    "/classify",
    "/catalogue",
    "/catalogue?status=kept&label=0&text=saree&crawl=1&source=Acme&reason=",
    "/catalogue?status=rejected",
    "/duplicates",
    "/why",
    "/why?q=B000000900",
    "/why?q=https://example.org/images/I/nothing.jpg",
    "/review",
    *(
        f"/review?queue={queue}&view={view}"
        for queue in ("suspects", "quarantine", "groups", "kept")
        for view in ("one", "grid")
    ),
    "/datasets",
    "/runs",
    "/compare",
    "/crawls",
    "/login",
]


class Strict(HTMLParser):
    """Collects what the content policy would block, and pictures or fields without words."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.wrong.append(f"inline {tag}")
        self.wrong += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "img" and "alt" not in given:
            self.wrong.append("img without alt")
        if "id" in given:
            self.ids.append(str(given["id"]))


def check(text: str) -> None:
    parser = Strict()
    parser.feed(text)
    assert parser.wrong == []
    assert len(set(parser.ids)) == len(parser.ids)
    assert "Traceback" not in text


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_where_nothing_is_there(client: FlaskClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    check(answer.get_data(as_text=True))


@pytest.mark.medium
def test_every_page_answers_where_something_is_there(client: FlaskClient, shelf: Shelf, runs: object) -> None:
    names = [one["name"] for one in client.get("/api/v1/runs").json["runs"]]
    more = ["/pictures/1", "/crawls/1", f"/runs/{names[0]}", f"/compare?run={names[0]}&run={names[1]}"]
    for page in [*PAGES, *more]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        check(answer.get_data(as_text=True))


def test_the_classes_of_the_overview_add_up_to_all_pictures(client: FlaskClient, shelf: Shelf) -> None:
    """Pictures of none of the classes stand there, too."""
    said = {"image_id": 1, "action": "none", "seen": 0}
    assert client.post("/api/v1/reviews", json=said).status_code == 201
    page = client.get("/").get_data(as_text=True)
    rows = dict(re.findall(r"<tr><th scope=.row.>(.*?)</th>.*?(\d+) of \d+</td></tr>", page))
    assert rows["none of the classes"] == "1"
    kept = re.search(r"status=kept[^>]*><b>(\d+)</b>", page)
    assert kept is not None
    assert sum(map(int, rows.values())) == int(kept[1])


@pytest.mark.parametrize(("kind", "told"), [("listing", "page 1032"), ("product", "product page")])
def test_a_sighting_on_a_products_own_page_has_no_number_of_the_listing(
    client: FlaskClient, shelf: Shelf, kind: str, told: str
) -> None:
    with shelf.catalog.write() as connection:
        connection.execute(update(pages).values(kind=kind, number=1032))
    shown = client.get("/pictures/1").get_data(as_text=True)
    assert (told in shown, shown.count("1032")) == (True, int(kind == "listing"))


@pytest.mark.parametrize(("seconds", "told"), [(30, "just now"), (100, "2 minutes ago"), (5_401, "2 hours ago")])
def test_a_moment_of_today_is_told_in_words(seconds: int, told: str) -> None:
    assert moment((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == told


def test_a_card_of_a_group_shows_all_its_pictures(client: FlaskClient, shelf: Shelf) -> None:
    said = {"pictures": [1, 2, 3], "action": "group"}
    assert client.post("/api/v1/groups", json=said).status_code == 201
    page = client.get("/review?queue=groups").get_data(as_text=True)
    check(page)
    families = re.findall(r'<ul class="family" aria-label="(.*?)">(.*?)</ul>', page, re.DOTALL)
    assert [words for words, _ in families] == ["3 pictures of this group"] * 3
    for at, (_, family) in enumerate(families):
        shown = re.findall(r"<li( class=.this.[^>]*)?><a href=./pictures/(\d+).", family)
        assert [number for _, number in shown] == ["1", "2", "3"]
        assert [bool(mark) for mark, _ in shown] == [place == at for place in range(3)]
    assert "family" not in client.get("/review?queue=groups&view=grid").get_data(as_text=True)


def test_an_empty_studio_says_what_to_do(client: FlaskClient) -> None:
    assert "scrapy crawl amazon_sarees" in client.get("/").get_data(as_text=True)
    assert "stj-model train" in client.get("/classify").get_data(as_text=True)
    assert "stj-dataset export" in client.get("/datasets").get_data(as_text=True)


def test_every_answer_carries_the_security_headers(client: FlaskClient, shelf: Shelf) -> None:
    for page in ("/", "/pictures/1/tile.jpg", "/nothing", "/api/v1/images", "/static/studio.css", "/metrics"):
        headers = client.get(page, buffered=True).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], page
        assert "unsafe" not in headers["Content-Security-Policy"], page
        assert headers["X-Content-Type-Options"] == "nosniff", page
        assert headers["X-Frame-Options"] == "SAMEORIGIN", page
        assert headers["Referrer-Policy"] == "same-origin", page


def test_a_hostile_title_stays_text(client: FlaskClient, shelf: Shelf) -> None:
    from tests.dataset.filling import item

    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    shelf.add([item(0, 950, title=evil, brand=evil)], crawl="third")
    number = client.get("/api/v1/images?limit=1").json["images"][0]["id"]
    for page in (
        "/catalogue",
        f"/pictures/{number}",
        "/review?queue=kept",
        "/why?q=B000000950",
        f"/catalogue?text={evil}",
    ):
        text = client.get(page).get_data(as_text=True)
        check(text)
        assert "<script>alert" not in text


def test_only_the_webs_own_schemes_become_links(make_app: MakeApp) -> None:
    from stj_web.filters import outside

    assert "<a href" in outside("https://example.org/x", "x")
    for address in ("javascript:alert(1)", "data:text/html,x", "//evil", "http://[broken", "vbscript:x"):
        assert "<a" not in outside(address, "x")


def test_help_imports_neither_flask_nor_tensorflow() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom stj_web.cli import app\nfrom stj_core.cli import outcome\n"
        "assert outcome(app, ['--help']) == 0\n"
        "heavy = {'flask', 'tensorflow', 'keras', 'sqlalchemy', 'numpy', 'PIL'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Serve the studio" in re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize("state", [one for one in CrawlState if one is not CrawlState.RUNNING])
def test_the_live_page_of_a_crawl_that_ended_in_whatever_way_asks_no_more(
    make_app: MakeApp, shelf: Shelf, state: CrawlState
) -> None:
    category = load_labels()[0]
    crawl = begin_crawl(
        shelf.catalog, spider="late", category=category, origin="http://a", settings={}, first_url="http://a/s"
    )
    end_crawl(shelf.catalog, crawl.id, state)
    told = make_app().test_client().get(f"/crawls/{crawl.id}/events").get_data(as_text=True)
    assert told.endswith("event: over\ndata: {}\n\n")


def test_every_status_that_occurs_stands_in_the_legend_and_no_other(make_app: MakeApp, shelf: Shelf) -> None:
    counts = {status for (_, status), n in count_all(shelf.catalog).images.items() if n}
    legend = make_app().test_client().get("/").get_data(as_text=True).split('<p class="legend">')[1].split("</p>")[0]
    assert set(re.findall(r'class="key (\w+)"', legend)) == counts
