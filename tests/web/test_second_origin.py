"""A page of another origin, in the browser of somebody who uses the studio: it changes nothing and reads nothing."""

from __future__ import annotations

import functools
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.browser import needed_browser
from tests.dataset.filling import Shelf

from .conftest import MakeApp, Serve, form_token

# What browsers send along with a request that a page of another site, or of another port of this machine, makes.
FOREIGN = (
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost:9999", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Referer": "https://evil.example/page"},
    {"Sec-Fetch-Site": "cross-site"},
)
# The kinds of body that a form or a fetch without preflight can send.
BODIES: tuple[dict[str, Any], ...] = (
    {"data": {"image_id": "1", "decision": "reject", "seen": "0", "sure": "1", "category": "saree", "job": "x"}},
    {"data": {"files": (b"x", "x.png")}, "content_type": "multipart/form-data"},
    {"data": '{"image_id": 1, "action": "reject", "seen": 0}', "content_type": "text/plain"},
    {"json": {"image_id": 1, "action": "reject", "seen": 0}},
    {"data": b""},
)


def writing_routes(app: Flask) -> list[tuple[str, str]]:
    """Every method and path that may change something."""
    found = []
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for name in rule.arguments:
            start = path.index("<")
            end = path.index(">") + 1
            path = path[:start] + ("1" if "id" in name else "x") + path[end:]
        found += [(method, path) for method in rule.methods or () if method not in {"GET", "HEAD", "OPTIONS"}]
    return sorted(found)


def state(place: Path) -> dict[str, str]:
    """What is on the disk: the rows of the catalogue and the bytes of everything else."""
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        rows = "\n".join(connection.iterdump())
    files = [file for file in (place / "images").rglob("*") if file.is_file()]
    return {"catalogue": hashlib.sha256(rows.encode()).hexdigest()} | {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


@pytest.mark.medium
def test_no_route_that_writes_does_so_for_a_page_of_another_origin(make_app: MakeApp, shelf: Shelf) -> None:
    """Whatever routes there are: each way of sending, each kind of body, with the cookie of the person who uses the studio."""
    app = make_app()
    client = app.test_client()
    form_token(client)  # the cookie is there, as in that person's browser
    before, routes = state(shelf.root), writing_routes(app)
    assert len(routes) >= 14
    for method, path in routes:
        for headers in FOREIGN:
            for body in BODIES:
                answer = client.open(path, method=method, headers=headers, **body)
                assert answer.status_code in {400, 403, 404, 405}, (method, path, headers, body, answer.status_code)
    assert before == state(shelf.root)


def test_no_answer_lets_another_origin_read_it(make_app: MakeApp, shelf: Shelf) -> None:
    """Neither an answer nor a preflight, whatever is asked for."""
    app = make_app()
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.arguments or rule.endpoint == "static":
            continue
        for method in (rule.methods or set()) - {"POST", "DELETE", "PUT"}:
            asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            answer = client.open(rule.rule, method=method, headers=asked)
            allowed = [name for name, _ in answer.headers if name.lower().startswith("access-control")]
            assert allowed == [], (method, rule.rule)
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", rule.rule


@pytest.mark.medium
def test_reading_changes_nothing(make_app: MakeApp, shelf: Shelf) -> None:
    """A link or an image of another page can make any GET: none of them writes to the catalogue or the store."""
    app = make_app()
    client, before = app.test_client(), state(shelf.root)
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint != "static" and "events" not in rule.rule:
            _, path = next(iter(paths_of(rule.rule, rule.arguments)))
            client.get(path, headers={"Sec-Fetch-Site": "cross-site"}, buffered=True)
    assert before == state(shelf.root)


def paths_of(rule: str, names: set[str]) -> Iterator[tuple[str, str]]:
    path = rule
    for _ in names:
        start, end = path.index("<"), path.index(">") + 1
        path = path[:start] + "1" + path[end:]
    yield rule, path


ATTACK = """<!doctype html><title>a page in another tab</title><iframe name="sink"></iframe>
<script>
const studio = new URLSearchParams(location.search).get('studio');
const read = [];
async function attempt(name, options, path) {
  try { const answer = await fetch(studio + path, options); read.push([name, answer.type, (await answer.text()).length]); }
  catch (error) { read.push([name, 'failed', 0]); }
}
function form(path, kind, fields) {
  const made = document.createElement('form');
  Object.assign(made, {method: 'post', action: studio + path, enctype: kind, target: 'sink'});
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement('input'); field.name = name; field.value = value; made.append(field);
  }
  document.body.append(made); made.submit();
}
window.attack = async () => {
  const decision = JSON.stringify({image_id: 1, action: 'reject', seen: 0});
  for (const mode of ['no-cors', 'cors']) for (const credentials of ['include', 'omit']) {
    await attempt('post', {mode, credentials, method: 'POST', body: decision}, '/api/v1/reviews');
    await attempt('read', {mode, credentials}, '/api/v1/images');
    await attempt('page', {mode, credentials}, '/classify');
  }
  await attempt('json', {credentials: 'include', method: 'POST', body: decision,
    headers: {'Content-Type': 'application/json'}}, '/api/v1/reviews');
  for (const kind of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'])
    for (const path of ['/review/decide', '/review/undo', '/crawls/start', '/pictures/1/forget', '/logout']) {
      form(path, kind, {image_id: '1', decision: 'reject', seen: '0', sure: '1', category: 'saree'});
      await new Promise(done => setTimeout(done, 30));
    }
  const picture = new Image();
  const seen = new Promise(done => { picture.onload = () => done(picture.width); picture.onerror = () => done(0); });
  picture.src = studio + '/pictures/1/tile.jpg';
  return {read, picture: await seen};
};
</script>"""


@pytest.fixture
def other_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another server of this machine: its pages are of another origin, and yet get the studio's cookies."""
    place = tmp_path_factory.mktemp("other")
    (place / "index.html").write_text(ATTACK, encoding="utf-8")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.medium
def test_a_real_browser_keeps_a_page_of_another_port_out(shelf: Shelf, serve: Serve, other_port: str) -> None:
    """Forms, fetches with and without cookies, and a picture, from a tab beside the studio's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    options = needed_browser()
    studio, before = serve(), state(shelf.root)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(**options)
        context = browser.new_context()
        own = context.new_page()
        own.goto(studio + "/classify")
        assert context.cookies(studio), "the studio's cookie is there, for any port of this machine"
        other = context.new_page()
        other.goto(f"{other_port}/?studio={studio}")
        found = other.evaluate("window.attack()")
        context.close()
        browser.close()
    assert len(found["read"]) == 13
    assert [one for one in found["read"] if one[2]] == [], "nothing was read"
    assert found["picture"] == 0
    assert before == state(shelf.root)
