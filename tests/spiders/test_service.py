"""Crawls over HTTP: scrapyd as `make serve-crawls` starts it, on a free port."""

from __future__ import annotations

import base64
import configparser
import json
import re
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from stj_demo.behaviour import Behaviour
from stj_demo.shop import PracticeShop
from tests.conftest import ROOT
from tests.spiders.conftest import Folder, Running, pictures_asked, wait_for

pytest.importorskip("scrapyd", reason="needs pip install 'stj[service]'")
OpenShop = Callable[..., PracticeShop]


@dataclass
class Service:
    """scrapyd's door."""

    url: str
    running: Running

    def ask(self, call: str, password: str = "open sesame", **data: str) -> dict[str, Any]:
        """One call; those that change something are POSTed."""
        sent = urllib.parse.urlencode(data)
        posted = call in {"schedule.json", "cancel.json", "addversion.json"}
        query, body = ("", sent.encode()) if posted else (f"?{sent}", None)
        request = urllib.request.Request(f"{self.url}/{call}{query}", data=body)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"me:{password}".encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def state(self, job: str) -> str:
        """Pending, running or finished."""
        jobs = self.ask("listjobs.json", project="stj")
        return next(
            (state for state in ("pending", "running", "finished") for one in jobs[state] if one["id"] == job), "?"
        )

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
    settings = configparser.ConfigParser()
    settings.read(ROOT / "scrapy.cfg")
    assert settings["scrapyd"]["bind_address"] == "127.0.0.1"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"http_port": str(port), "username": "me", "password": "open sesame", "poll_interval": "0.2"}
    settings["scrapyd"].update(ours)
    with (folder.path / "scrapy.cfg").open("w") as file:
        settings.write(file)
    shutil.rmtree(folder.path / "scrapyd", ignore_errors=True)
    made = Service(f"http://127.0.0.1:{port}", folder.start("scrapyd", "--pidfile=", "--logfile=scrapyd.log"))
    wait_for(made.is_up)
    return made


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

    job = service.ask("schedule.json", project="stj", spider="amazon_jeans", limit="many")["jobid"]
    wait_for(lambda: service.state(job) == "finished")
    assert (
        "-a limit= takes a whole number of 1 or more, got 'many'." in (logs / "amazon_jeans" / f"{job}.log").read_text()
    )


def test_strangers_stay_outside(service: Service) -> None:
    """Without the password nothing, and nobody uploads code."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        service.ask("daemonstatus.json", password="guess")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        service.ask("addversion.json", project="stj", version="1", egg="x")


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
