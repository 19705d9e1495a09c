"""Crawls over HTTP: scrapyd as `make serve-crawls` starts it, on a free port."""

from __future__ import annotations

import base64
import configparser
import json
import re
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stj_core.errors import UsageError
from stj_core.service import make_credentials, read_credentials
from stj_demo.behaviour import Behaviour, Block
from stj_demo.shop import PracticeShop
from tests.conftest import ROOT
from tests.spiders.conftest import Folder, Running, pictures_asked, wait_for

pytest.importorskip("scrapyd", reason="needs pip install 'stj[service]'")
from twisted.web import error as twisted_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Twisted's own, on import
    from stj_spiders.service.app import refusal
    from stj_spiders.service.web import CheckedSchedule

OpenShop = Callable[..., PracticeShop]


@dataclass
class Service:
    """scrapyd's door."""

    url: str
    running: Running

    def ask(
        self,
        call: str,
        password: str = "open sesame",
        headers: dict[str, str] | None = None,
        user: str = "me",
        **data: str | list[str],
    ) -> dict[str, Any]:
        """One call; those that change something are POSTed."""
        sent = urllib.parse.urlencode(data, doseq=True)
        posted = call in {"schedule.json", "cancel.json", "addversion.json"}
        query, body = ("", sent.encode()) if posted else (f"?{sent}", None)
        request = urllib.request.Request(f"{self.url}/{call}{query}", data=body)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def state(self, job: str) -> str:
        """Pending, running or finished."""
        jobs = self.ask("listjobs.json", project="stj")
        return next(
            (state for state in ("pending", "running", "finished") for one in jobs[state] if one["id"] == job), "?"
        )

    def answers(self) -> bool:
        """Whether anybody is there."""
        assert self.running.process.poll() is None, self.running.process.communicate()
        try:
            self.ask("daemonstatus.json", password="")
        except urllib.error.HTTPError as answer:
            answer.close()
            return True
        except OSError:
            return False
        return True

    def is_up(self) -> bool:
        """Whether it answers."""
        assert self.running.process.poll() is None, self.running.process.communicate()
        try:
            return bool(self.ask("daemonstatus.json")["status"] == "ok")
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False


@pytest.fixture
def service(folder: Folder) -> Service:
    """The project's own scrapyd settings, with another port, and a user name and password."""
    command = [sys.executable, "-c", "import os; open('ended', 'w').write(os.environ['STJ_END_SENTENCE'])"]
    made = start_service(folder, "me", "open sesame", STJ_ON_END=json.dumps(command))
    wait_for(made.is_up)
    return made


def start_service(folder: Folder, username: str, password: str, **environment: str) -> Service:
    """Start scrapyd; it answers, be it with 401."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "scrapy.cfg")
    assert settings["scrapyd"]["bind_address"] == "127.0.0.1"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"http_port": str(port), "username": username, "password": password, "poll_interval": "0.2"}
    settings["scrapyd"].update(ours)
    with (folder.path / "scrapy.cfg").open("w") as file:
        settings.write(file)
    started = folder.start("scrapyd", "--pidfile=", "--logfile=scrapyd.log", **environment)
    made = Service(f"http://127.0.0.1:{port}", started)
    wait_for(made.answers)
    return made


@pytest.mark.medium
def test_a_crawl_is_scheduled_watched_cancelled_and_goes_on(
    folder: Folder, service: Service, open_shop: OpenShop
) -> None:
    """As docs/service.md tells it."""
    assert service.ask("listspiders.json", project="stj")["spiders"] == [
        "amazon_category",
        "amazon_jeans",
        "amazon_sarees",
        "amazon_trousers",
    ]
    shop = open_shop(per_class=40, behaviour=Behaviour(picture_delay_s=0.3))
    order = {"project": "stj", "spider": "amazon_sarees", "origin": shop.origin}
    job = service.ask("schedule.json", **order)["jobid"]
    wait_for(lambda: len(pictures_asked(shop)) >= 5)
    assert service.state(job) == "running"
    assert service.ask("cancel.json", project="stj", job=job)["prevstate"] == "running"
    wait_for(lambda: service.state(job) == "finished")
    assert folder.rows("SELECT state FROM crawls")[0]["state"] == "interrupted"
    assert len(pictures_asked(shop)) < 40
    logs = folder.path / "scrapyd" / "logs" / "stj"
    assert (
        (logs / "amazon_sarees" / f"{job}.log")
        .read_text()
        .endswith("Interrupted: the same command goes on from here.\n")
    )

    shop.behave(picture_delay_s=0.0)
    job = service.ask("schedule.json", **order, setting="STJ_SUMMARY=json")["jobid"]
    wait_for(lambda: service.state(job) == "finished")
    assert [row["state"] for row in folder.rows("SELECT state FROM crawls")] == ["finished"]
    assert {1} == set(pictures_asked(shop).values())
    assert "listing page 1: 40 cards: " in (logs / "amazon_sarees" / f"{job}.log").read_text()

    told = service.ask("status.json", project="stj", job=job)
    assert (told["currstate"], told["exit_code"], told["outcome"]) == ("finished", 0, "done")

    # What ended otherwise says so, with its last line.
    shop.behave(block=Block.ROBOT_CHECK)
    job = service.ask("schedule.json", **order, fresh="1", setting=["STJ_BLOCKS=1", "LOG_LEVEL=WARNING"])["jobid"]
    wait_for(lambda: service.state(job) == "finished")
    (told, *_) = (one for one in service.ask("listjobs.json", project="stj")["finished"] if one["id"] == job)
    assert (told["exit_code"], told["outcome"]) == (1, "failed")
    assert "turned us away" in told["last_line"]
    assert service.ask("status.json", job=job)["last_line"] == told["last_line"]
    assert "turned us away" in (folder.path / "ended").read_text()


ORDER = {"project": "stj", "spider": "amazon_sarees"}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"nosuch": "1"}, "There is no argument nosuch"),
        ({"limit": "many"}, "-a limit= takes a whole number of 1 or more, got 'many'."),
        ({"origin": "ftp://x"}, "STJ_ORIGIN cannot be 'ftp://x'"),
        ({"category": "jeans"}, "This spider crawls saree"),
        ({"spider": "amazon_hats"}, "There is no spider 'amazon_hats'"),
        ({"spider": "amazon_category"}, "amazon_category needs -a category=NAME"),
        ({"_version": "1"}, "There is no argument _version"),
        ({"jobid": "../../x"}, "A job's name has letters"),
        ({"limit": ["1", "2"]}, "An order says limit once."),
        ({"setting": 'FEEDS={"/tmp/x":{"format":"csv"}}'}, "no crawl takes the setting FEEDS"),
        ({"setting": "LOG_FILE=/tmp/x"}, "no crawl takes the setting LOG_FILE"),
        ({"setting": "ITEM_PIPELINES={}"}, "no crawl takes the setting ITEM_PIPELINES"),
        ({"setting": "SPIDER_MODULES=os"}, "no crawl takes the setting SPIDER_MODULES"),
        ({"setting": "COMMANDS_MODULE=os"}, "no crawl takes the setting COMMANDS_MODULE"),
        ({"setting": "ADDONS={}"}, "no crawl takes the setting ADDONS"),
        ({"setting": "TELNETCONSOLE_ENABLED=1"}, "no crawl takes the setting TELNETCONSOLE_ENABLED"),
        ({"setting": "ROBOTSTXT_OBEY=False"}, "no crawl takes the setting ROBOTSTXT_OBEY"),
        ({"setting": 'STJ_ON_END=["touch","x"]'}, "no crawl takes the setting STJ_ON_END"),
        ({"setting": "stj_page_seconds=1"}, "no crawl takes the setting stj_page_seconds"),
        ({"setting": "STJ_PAGE_SECONDS"}, "setting takes NAME=VALUE, got 'STJ_PAGE_SECONDS'."),
        ({"setting": "STJ_PAGE_SECONDS=soon"}, "STJ_PAGE_SECONDS must be a number, 0 or more, got 'soon'."),
        ({"setting": "STJ_NOSUCH=1"}, "no crawl takes the setting STJ_NOSUCH"),
        ({"setting": "DOWNLOAD_DELAY=__import__"}, "DOWNLOAD_DELAY must be a number"),
        ({"setting": "LOG_LEVEL=LOUD"}, "LOG_LEVEL must be one of"),
    ],
)
def test_an_order_that_cannot_be_crawled_is_refused(order: dict[str, Any], said: str) -> None:
    """Before a job is queued, in the sentence that the command line says."""
    fields = {**ORDER, **order}
    given = {
        name.encode(): [one.encode() for one in (value if isinstance(value, list) else [value])]
        for name, value in fields.items()
    }
    with pytest.raises(twisted_error.Error) as refusal:
        CheckedSchedule(SimpleNamespace()).render_POST(SimpleNamespace(args=given))
    assert refusal.value.status == b"400"
    assert said in refusal.value.message.decode()


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"host": "127.0.0.1:6800"}, True),
        ({"host": "localhost:6800"}, True),
        ({"host": "[::1]:6800"}, True),
        ({"host": "127.0.0.1:6800", "origin": "http://127.0.0.1:6800", "sec-fetch-site": "same-origin"}, True),
        ({"host": "127.0.0.1:6800", "sec-fetch-site": "none"}, True),
        ({"host": "127.0.0.1:6800", "referer": "http://127.0.0.1:6800/jobs"}, True),
        ({"host": "127.0.0.1:6800", "referer": "https://evil.example/page"}, False),
        ({"host": "127.0.0.1:6800", "origin": "http://[::1"}, False),
        ({"host": "evil.example@127.0.0.1:6800"}, False),
        ({"host": "127.0.0.1:6800/evil.example"}, False),
        ({"host": "[::1"}, False),
        ({"host": "evil.example"}, False),
        ({"host": "127.0.0.1.evil.example:6800"}, False),
        ({}, False),
        ({"host": "127.0.0.1:6800", "origin": "https://evil.example"}, False),
        ({"host": "127.0.0.1:6800", "origin": "http://127.0.0.1:8000"}, False),
        ({"host": "127.0.0.1:6800", "origin": "null"}, False),
        ({"host": "127.0.0.1:6800", "sec-fetch-site": "cross-site"}, False),
        ({"host": "127.0.0.1:6800", "sec-fetch-site": "same-site"}, False),
    ],
)
def test_nobody_is_let_in_whom_another_sites_page_sends(headers: dict[str, str], let_in: bool) -> None:
    """Nor under another name, as after DNS rebinding."""
    request: Any = SimpleNamespace(getHeader=headers.get)
    assert (refusal(request, frozenset({"127.0.0.1", "localhost", "::1"})) is None) is let_in


def test_a_password_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The same at the next start; a file that others may read is not trusted."""
    file = tmp_path / "scrapyd" / "password"
    made = make_credentials(file)
    assert made.made
    assert len(made.password) >= 24
    assert made.password not in repr(made)
    assert file.stat().st_mode & 0o777 == 0o600
    again = make_credentials(file)
    assert (again.user, again.password, again.made) == (made.user, made.password, False)
    file.chmod(0o644)
    with pytest.raises(UsageError, match="Others may read the password"):
        make_credentials(file)


def test_without_a_password_of_the_users_one_is_made_and_told_once(folder: Folder) -> None:
    """`make serve-crawls` in a folder that has none; a second start says nothing of it."""
    said = []
    for _ in range(2):
        service = start_service(folder, username="", password="")
        found = read_credentials(folder.path / "scrapyd" / "password")
        assert found is not None
        with pytest.raises(urllib.error.HTTPError, match="401"):
            service.ask("daemonstatus.json", password="")
        assert service.ask("daemonstatus.json", f"{found.password}", user=found.user)["status"] == "ok"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            service.ask("daemonstatus.json", found.password, {"Host": "evil.example"}, user=found.user)
        service.running.process.terminate()
        said.append(found.password in service.running.end().err)
    assert said == [True, False]


def test_strangers_stay_outside(service: Service) -> None:
    """Without the password nothing, and nobody uploads code."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        service.ask("daemonstatus.json", password="guess")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        service.ask("addversion.json", project="stj", version="1", egg="x")


# What a browser sends along when another site's page, another port's page or a rebound name asks.
FOREIGN = (
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "rebound.example:6800"},
)


def test_another_sites_page_can_order_nothing_though_the_browser_knows_the_password(service: Service) -> None:
    """As a real server answers real requests: every call is refused, nothing is queued, no answer may be read over there."""
    order = {"project": "stj", "spider": "amazon_sarees", "origin": "http://127.0.0.1:9"}
    for headers in FOREIGN:
        for call in ("schedule.json", "cancel.json", "listjobs.json", "daemonstatus.json", "addversion.json", "jobs"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                service.ask(call, headers=headers, **order)
            with refused.value as answer:
                assert answer.code == 403, (headers, call)
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    jobs = service.ask("listjobs.json", project="stj")
    assert [jobs[state] for state in ("pending", "running", "finished")] == [[], [], []]


@pytest.mark.medium
def test_the_studio_starts_a_crawl_watches_and_cancels_it(
    folder: Folder, service: Service, open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the service's user name and password in its address; cancelled, the crawl says that it was interrupted."""
    from stj_core.config import read_config
    from stj_web import create_app
    from stj_web.settings import WebConfig

    shop = open_shop(per_class=40, behaviour=Behaviour(picture_delay_s=0.3))
    monkeypatch.chdir(folder.path)
    monkeypatch.setenv("STJ_ORIGIN", shop.origin)
    app = create_app(read_config(), WebConfig(scrapyd=service.url.replace("//", "//me:open%20sesame@")))
    try:
        client = app.test_client()
        token = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/crawls").get_data(as_text=True))
        assert token is not None
        sent = {"csrf_token": token[1], "category": "saree"}
        assert client.post("/crawls/start", data=sent).status_code == 302
        wait_for(lambda: len(pictures_asked(shop)) >= 5)
        job = service.ask("listjobs.json", project="stj")["running"][0]["id"]
        page = client.get("/crawls").get_data(as_text=True)
        assert job in page
        assert "sesame" not in page
        told = client.get("/crawls/1/events", buffered=False)
        assert any("event: pulse" in chunk.decode() for chunk, _ in zip(told.response, range(3), strict=False))
        told.close()
        assert client.post("/crawls/cancel", data={"csrf_token": token[1], "job": job}).status_code == 302
        wait_for(lambda: service.state(job) == "finished")
        assert "interrupted" in client.get("/crawls/1").get_data(as_text=True)
    finally:
        app.extensions["stj"].close()
