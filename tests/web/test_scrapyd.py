"""Crawls over scrapyd's HTTP interface, against a stand-in that answers as scrapyd 1.6 does."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest

from stj_core.service import make_credentials
from stj_core.shops.shop import SHOPS
from stj_web import jobs
from stj_web.scrapyd import Scrapyd

from .conftest import MakeApp, form_token

JOB = {"id": "6487ec79947edab326d6db28a2d86511", "spider": "amazon_sarees", "project": "stj"}


class StandIn(BaseHTTPRequestHandler):
    """Remembers what was asked."""

    asked: ClassVar[list[tuple[str, dict[str, list[str]]]]] = []
    refuse = ""
    logins: ClassVar[list[str | None]] = []
    finished: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        self.answer({"status": "ok", "pending": [], "running": [JOB], "finished": self.finished})

    def do_POST(self) -> None:
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        type(self).asked.append((self.path, fields))
        self.answer(
            {"status": "error", "message": self.refuse} if self.refuse else {"status": "ok", "jobid": JOB["id"]}
        )

    def answer(self, document: dict[str, Any]) -> None:
        self.logins.append(self.headers["Authorization"])
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def scrapyd() -> Iterator[str]:
    StandIn.asked, StandIn.refuse, StandIn.logins, StandIn.finished = [], "", [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_crawl_is_queued_with_its_arguments(make_app: MakeApp, scrapyd: str) -> None:
    client = make_app(scrapyd=scrapyd).test_client()
    token = form_token(client, "/crawls")
    fields = {"csrf_token": token, "category": "saree", "pages": "3", "limit": "50", "fresh": "1", "permission": "yes"}
    assert client.post("/crawls/start", data=fields).status_code == 302
    path, sent = StandIn.asked[0]
    assert path == "/schedule.json"
    assert sent == {
        "project": ["stj"],
        "spider": ["amazon_sarees"],
        "origin": ["https://www.amazon.in"],
        "pages": ["3"],
        "limit": ["50"],
        "fresh": ["1"],
    }
    assert "is queued (job 6487ec79)" in client.get("/crawls").get_data(as_text=True)


def test_only_a_known_job_is_cancelled(make_app: MakeApp, scrapyd: str) -> None:
    client = make_app(scrapyd=scrapyd).test_client()
    token = form_token(client, "/crawls")
    assert client.post("/crawls/cancel", data={"csrf_token": token, "job": "other"}).status_code == 404
    assert StandIn.asked == []
    assert client.post("/crawls/cancel", data={"csrf_token": token, "job": JOB["id"]}).status_code == 302
    assert StandIn.asked == [("/cancel.json", {"project": ["stj"], "job": [JOB["id"]]})]


@pytest.mark.parametrize(
    "change",
    [{"category": "shoes"}, {"permission": ""}, {"pages": "0"}, {"pages": "x"}, {"limit": "-1"}, {"pages": "9" * 30}],
)
def test_what_cannot_be_crawled_is_not_queued(make_app: MakeApp, scrapyd: str, change: dict[str, str]) -> None:
    client = make_app(scrapyd=scrapyd).test_client()
    fields = {"csrf_token": form_token(client, "/crawls"), "category": "saree", "permission": "yes"} | change
    assert client.post("/crawls/start", data=fields).status_code == 400
    assert StandIn.asked == []


def test_a_refusal_is_said_in_its_last_line(make_app: MakeApp, scrapyd: str) -> None:
    StandIn.refuse = "Traceback (most recent call last):\n  ...\nspider 'amazon_sarees' not found"
    client = make_app(scrapyd=scrapyd).test_client()
    fields = {"csrf_token": form_token(client, "/crawls"), "category": "saree", "permission": "yes"}
    answer = client.post("/crawls/start", data=fields)
    assert answer.status_code == 502
    text = answer.get_data(as_text=True)
    assert "not found" in text
    assert "Traceback" not in text


def test_without_scrapyd_a_crawl_is_a_job_of_this_machine(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "command_of", lambda *_: [sys.executable, "-c", "print(1)"])
    client = make_app(scrapyd="http://127.0.0.1:9").test_client()
    text = client.get("/crawls").get_data(as_text=True)
    assert "scrapy crawl amazon_sarees" in text
    assert "no scrapyd answers at http://127.0.0.1:9" in text
    fields = {"csrf_token": form_token(client), "category": "saree", "pages": "2", "permission": "yes"}
    answer = client.post("/crawls/start", data=fields)
    assert answer.headers["Location"] == "/jobs/1"
    page = client.get("/crawls").get_data(as_text=True)
    assert "Crawl Saree" in page


def test_a_password_goes_to_the_service_and_to_nobody_else(make_app: MakeApp) -> None:
    client = make_app(scrapyd="http://me:open-sesame@127.0.0.1:9").test_client()
    token = form_token(client, "/crawls")
    answer = client.post("/crawls/cancel", data={"csrf_token": token, "job": "x"})
    assert answer.status_code == 404
    said = answer.get_data(as_text=True) + client.get("/crawls").get_data(as_text=True)
    assert "open-sesame" not in said
    assert "http://127.0.0.1:9" in said


def test_a_category_without_a_spider_of_its_own_is_named_to_its_shops_spider(
    make_app: MakeApp, scrapyd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHOPS, "corner", SHOPS["amazon"])
    block = '[[category]]\nlabel = {}\nslug = "{}"\nname = "{}"\nnode = "7"\nshop = "{}"\n'
    (tmp_path / "labels.toml").write_text(
        block.format(0, "mug", "Mug", "corner") + block.format(1, "kurta", "Kurta", "amazon")
    )
    monkeypatch.setenv("STJ_LABELS", str(tmp_path / "labels.toml"))
    client = make_app(scrapyd=scrapyd).test_client()
    for slug in ("mug", "kurta"):
        fields = {"csrf_token": form_token(client, "/crawls"), "category": slug, "permission": "yes"}
        assert client.post("/crawls/start", data=fields).status_code == 302
    sent = [(one["spider"], one["category"]) for _, one in StandIn.asked]
    assert sent == [(["corner_category"], ["mug"]), (["amazon_category"], ["kurta"])]


def test_the_services_own_password_is_found_beside_it(make_app: MakeApp, scrapyd: str, tmp_path: Path) -> None:
    """Where the service of the same folder made one, and only for this machine; one in the address counts first."""
    found = make_credentials(tmp_path / "scrapyd" / "password")
    client = make_app(scrapyd=scrapyd).test_client()
    fields = {"csrf_token": form_token(client, "/crawls"), "category": "saree", "permission": "yes"}
    assert client.post("/crawls/start", data=fields).status_code == 302
    expected = base64.b64encode(f"{found.user}:{found.password}".encode()).decode()
    assert f"Basic {expected}" == StandIn.logins[-1]
    assert found.password not in client.get("/crawls").get_data(as_text=True)
    client = make_app(scrapyd=scrapyd.replace("//", "//me:mine@")).test_client()
    client.get("/crawls")
    assert StandIn.logins[-1] == f"Basic {base64.b64encode(b'me:mine').decode()}"
    assert Scrapyd("http://crawls.example:6800", "stj").address == "http://crawls.example:6800"


def test_a_job_says_how_it_ended(make_app: MakeApp, scrapyd: str) -> None:
    """Its last line, as text."""
    StandIn.finished = [{**JOB, "end_time": "now", "outcome": "failed", "last_line": "turned <b>us</b> away"}]
    text = make_app(scrapyd=scrapyd).test_client().get("/crawls").get_data(as_text=True)
    assert "failed" in text
    assert "turned &lt;b&gt;us&lt;/b&gt; away" in text
