"""A shop of a few drawings, shared by the tests that only look."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stj_demo.shop import PracticeShop


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fetch(url: str, data: bytes | None = None) -> Got:
    """One request, as it is answered: no redirects followed, no status an exception, no proxy."""
    opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data, {"User-Agent": "tests/1"})
    try:
        with opener.open(request, timeout=10) as answer:
            return Got(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Got(error.code, dict(error.headers), error.read())


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawings")


@pytest.fixture(scope="session")
def shop(drawings: Path) -> Iterator[PracticeShop]:
    with PracticeShop(per_class=60, cache=drawings) as shop:
        yield shop


@pytest.fixture
def open_shop(drawings: Path) -> Iterator[Callable[..., PracticeShop]]:
    """Opens shops that are closed after the test."""
    shops: list[PracticeShop] = []

    def open_one(**options) -> PracticeShop:
        shops.append(PracticeShop(**{"per_class": 60, "cache": drawings} | options).__enter__())
        return shops[-1]

    yield open_one
    for shop in shops:
        shop.close()


@pytest.fixture
def garments(shared: Path) -> Path:
    return shared / "garments"
