"""Over https only the shop itself is the shop: a certificate that nobody vouches for, or another host's, ends a crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.fronts import NGINX_BINARY, Front, nginx
from stj_demo.shop import PracticeShop
from tests.spiders.conftest import Folder

pytestmark = pytest.mark.skipif(NGINX_BINARY is None, reason="nginx is not installed")
SENTENCE = "its certificate is not one that this machine trusts for this host; if it should be, set SSL_CERT_FILE"
FAST = ("-s", "STJ_PAGE_SECONDS=0", "-s", "STJ_PICTURE_SECONDS=0", "-s", "STJ_IMAGE_SIZE=", "-s", "RETRY_TIMES=0")


@pytest.fixture
def front(tmp_path_factory: pytest.TempPathFactory, open_shop: Callable[..., PracticeShop]) -> Iterator[Front]:
    """A shop over TLS."""
    place: Path = tmp_path_factory.mktemp("nginx")
    with nginx(place, open_shop().origin) as (_, over_tls):
        yield over_tls


def test_a_certificate_that_is_vouched_for_is_taken(folder: Folder, front: Front) -> None:
    ended = folder.crawl("amazon_sarees", front.origin, *FAST, **front.trust())
    assert ended.code == 0, ended.err
    assert folder.files()


@pytest.mark.parametrize("kind", ["nobody vouches for it", "it is another host's"])
def test_any_other_ends_the_crawl_before_anything_is_asked_for(folder: Folder, front: Front, kind: str) -> None:
    elsewhere = kind == "it is another host's"
    origin = f"https://localhost:{urlsplit(front.origin).port}" if elsewhere else front.origin
    ended = folder.crawl("amazon_sarees", origin, *FAST, **(front.trust() if elsewhere else {"SSL_CERT_FILE": ""}))
    assert ended.code == 1
    assert SENTENCE in ended.sentence
    assert not folder.files()
    assert not folder.rows("SELECT 1 FROM pages WHERE state = 'done'")


def test_whoever_says_so_takes_any(folder: Folder, front: Front) -> None:
    ended = folder.crawl("amazon_sarees", front.origin, *FAST, "-s", "DOWNLOAD_VERIFY_CERTIFICATES=0")
    assert ended.code == 0, ended.err
    assert folder.files()
