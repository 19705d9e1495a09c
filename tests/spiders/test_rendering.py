"""Listings that a script makes, shown to a real Chromium."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from stj_demo.behaviour import Behaviour
from stj_demo.shop import PracticeShop
from stj_spiders.rendering.browser import is_unwanted, launch_options
from tests.browser import needed_browser
from tests.spiders.conftest import Folder, pages_asked, pictures_asked
from tests.spiders.lying import canary, listing, lying_shop

OpenShop = Callable[..., PracticeShop]


@pytest.fixture
def chromium() -> None:
    """A browser, or the test is skipped."""
    needed_browser()


@pytest.mark.usefixtures("chromium")
def test_a_script_made_listing_is_rendered_and_its_pictures_are_not(folder: Folder, open_shop: OpenShop) -> None:
    """The plain response is judged first; cards come from the browser, every picture over plain HTTP, once."""
    shop = open_shop(per_class=9, behaviour=Behaviour(script_made=True, lazy_images=True))
    ended = folder.crawl("amazon_sarees", shop)
    assert ended.code == 0, ended.err
    assert "listing page 1 is made by a script: looking again with a browser" in ended.err
    row = folder.rows("SELECT * FROM pages")[0]
    assert (row["verdict"], row["cards"], row["state"]) == ("ok", 9, "done")
    assert row["rendered_by"].startswith("chromium ")
    assert len([path for path in pages_asked(shop) if path.startswith("/s?")]) == 2
    assert {picture.path("_SL640_"): 1 for one in shop.stock.listings[0] for picture in one.pictures[:1]} == dict(
        pictures_asked(shop)
    )
    assert all("STJ/" in asked.user_agent for asked in shop.requests), "the browser says who we are, too"


def test_never_means_never(folder: Folder, open_shop: OpenShop) -> None:
    """No browser is started, and the crawl says that it found nothing."""
    shop = open_shop(behaviour=Behaviour(script_made=True))
    ended = folder.crawl("amazon_sarees", shop, "-s", "STJ_RENDER=never")
    assert ended.code == 1
    assert ended.sentence == (
        f"{shop.origin}/s?rh=n%3A1968256031&fs=true shows no card: check the node of saree in labels.toml, "
        "or try -s STJ_RENDER=always."
    )
    assert pages_asked(shop) == ["/robots.txt", "/s?rh=n:1968256031&fs=true"]


@pytest.mark.medium
def test_without_a_browser_the_crawl_says_so(folder: Folder, open_shop: OpenShop) -> None:
    """One sentence with what to install, or what to set."""
    shop = open_shop(behaviour=Behaviour(script_made=True))
    nothing = folder.path / "bin"
    nothing.mkdir()
    ended = folder.crawl("amazon_sarees", shop, PATH=str(nothing), PLAYWRIGHT_BROWSERS_PATH=str(nothing))
    assert ended.code == 1
    assert ended.sentence.startswith("This listing is made by a script, and no browser can be started (")
    assert ended.sentence.endswith(
        "install Chromium (apt-get install chromium, or playwright install chromium), or use -s STJ_RENDER=never."
    )
    assert "Traceback" not in ended.err


class _Trap(BaseHTTPRequestHandler):
    """A listing that is harmless until a script runs; then it wants pictures, other hosts, and to know who we are."""

    asked: list[tuple[str, str]]
    elsewhere: str
    shell = """<html><head><title>Amazon.in</title></head><body><div class="s-main-slot s-result-list"></div>
<img src="/images/I/logo.jpg"><script src="http://{elsewhere}/spy.js"></script>
<script>fetch("http://{elsewhere}/beacon").catch(() => 0);
document.querySelector(".s-main-slot").outerHTML =
'<form action="/errors/validateCaptcha"><h4>Enter the characters you see below</h4><input id="captchacharacters"></form>';
</script></body></html>"""

    def do_GET(self) -> None:
        self.asked.append((str(self.headers["Host"]), self.path))
        missing = self.path == "/robots.txt"
        body = b"" if missing else self.shell.replace("{elsewhere}", self.elsewhere).encode()
        self.send_response(404 if missing else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at `asked`."""


@pytest.fixture
def trap() -> Iterator[SimpleNamespace]:
    """Two hosts of the same kind: the listing's, and another that it wants things from."""
    handler = type("Trap", (_Trap,), {"asked": [], "elsewhere": ""})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    names = [f"127.0.0.1:{server.server_address[1]}" for server in servers]
    handler.elsewhere = names[1]  # type: ignore[attr-defined]  # made above
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    yield SimpleNamespace(origin=f"http://{names[0]}", listing=names[0], elsewhere=names[1], asked=handler.asked)  # type: ignore[attr-defined]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.medium
@pytest.mark.usefixtures("chromium")
def test_a_challenge_met_in_the_browser_ends_it(folder: Folder, trap: SimpleNamespace) -> None:
    """It is a block like any other; other hosts and pictures are never asked for."""
    ended = folder.crawl("amazon_sarees", trap.origin, "-s", "STJ_BLOCKS=1")
    assert ended.code == 1
    assert "listing page 1 is a robot_check page" in ended.sentence
    row = folder.rows("SELECT * FROM pages")[0]
    assert (row["verdict"], row["state"]) == ("robot_check", "pending")
    assert row["rendered_by"].startswith("chromium ")
    assert {host for host, _ in trap.asked} == {trap.listing}
    assert {path.split("?")[0] for _, path in trap.asked} == {"/robots.txt", "/s"}


@pytest.mark.medium
@pytest.mark.usefixtures("chromium")
def test_the_browser_is_not_led_elsewhere_by_a_redirect_or_a_socket(folder: Folder) -> None:
    """Which no route sees: not by a frame, a fetch, a script's socket or a hint to connect."""
    with lying_shop() as shop, canary() as secret:
        away = f"127.0.0.1:{secret.port}"
        shop.answers["/away"] = (302, {"Location": f"http://{away}/internal"}, b"")
        shop.page(
            f"""<html><head><title>Amazon.in</title><link rel="preconnect" href="http://{away}">
            <link rel="dns-prefetch" href="http://{away}"></head>
            <body><div class="s-main-slot s-result-list"></div><iframe src="/away"></iframe><script>
            fetch("/away", {{mode: "no-cors"}}).catch(() => 0); fetch("http://{away}/x").catch(() => 0);
            try {{ new WebSocket("ws://{away}/socket") }} catch (_) {{}}
            navigator.sendBeacon("/away"); setTimeout(() => {{
            document.querySelector(".s-main-slot").innerHTML = `{listing([shop.image("one")]).decode()}`; }}, 1500);
            </script></body></html>""".encode()
        )
        ended = folder.crawl("amazon_sarees", shop.origin)
        assert folder.rows("SELECT rendered_by FROM pages")[0]["rendered_by"].startswith("chromium "), ended.err
        assert "/away" in shop.asked, "the page did what it could"
        assert secret.met == 0


@pytest.mark.medium
@pytest.mark.usefixtures("chromium")
def test_a_page_that_moves_elsewhere_in_the_browser_is_not_read(folder: Folder) -> None:
    """By a script that sends it away: the crawl ends with a sentence."""
    with lying_shop() as shop, canary() as secret:
        shop.page(
            f"""<html><head><title>Amazon.in</title></head><body><div class="s-main-slot s-result-list"></div>
            <script>location = "http://127.0.0.1:{secret.port}/s"</script></body></html>""".encode()
        )
        ended = folder.crawl("amazon_sarees", shop.origin)
        assert ended.code == 1
        assert secret.met == 0


def test_which_browser() -> None:
    """The first on the PATH, Playwright's own where there is none, and no sandbox only for root."""
    found = {"chromium-browser": "/opt/chromium-browser", "google-chrome": "/opt/chrome"}
    options = launch_options(which=found.get, root=False)
    assert options["executable_path"] == "/opt/chromium-browser"
    assert "--no-sandbox" not in options["args"]
    assert "--no-sandbox" in launch_options(which=found.get, root=True)["args"]
    assert "executable_path" not in launch_options(which=lambda _: None, root=False)
    assert {"--disable-gpu", "--disable-background-networking", "--disable-sync"} <= set(options["args"])


@pytest.mark.parametrize(
    ("url", "kind", "unwanted"),
    [
        ("https://www.shop.example/s/query?page=2", "fetch", False),
        ("https://cdn.shop.example/app.js", "script", False),
        ("https://ads.example/beacon", "fetch", True),
        ("https://www.shop.example/images/I/1.jpg", "image", True),
        ("https://www.shop.example/font.woff2", "font", True),
        ("https://www.shop.example/film.mp4", "media", True),
    ],
)
def test_what_the_browser_may_load(url: str, kind: str, unwanted: bool) -> None:
    """The listing's host and those of STJ_RENDER_HOSTS, and never a picture."""
    hosts = {"www.shop.example", "cdn.shop.example"}
    assert is_unwanted(SimpleNamespace(url=url, resource_type=kind), hosts) is unwanted
