"""How a crawl ends when the shop lies: it may fail, and it never says that it did its job when it did not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.spiders.conftest import Ended, Folder
from tests.spiders.lying_shop import LyingShop, asin_of, listing, once, saying, tile
from tests.spiders.servers import Answer, serving

GARMENTS = ("saree", "trousers", "jeans")
FAST = ("-s", "STJ_COOL_SECONDS=0.1", "-s", "STJ_BLOCKS=2", "-s", "RETRY_TIMES=1", "-s", "DOWNLOAD_TIMEOUT=5")


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    lying = LyingShop()
    with serving(lying) as server:
        lying.server = server
        yield lying


def crawl(folder: Folder, shop: LyingShop, *options: str) -> Ended:
    assert shop.server is not None
    return folder.crawl("amazon_sarees", shop.server.origin, *FAST, "-s", "STJ_SUMMARY=json", *options)


def state(folder: Folder) -> tuple[str, str | None]:
    row = folder.rows("SELECT state, reason FROM crawls ORDER BY id DESC LIMIT 1")[0]
    return row["state"], row["reason"]


def page_states(folder: Folder) -> list[tuple[int, str]]:
    return [(row["number"], row["state"]) for row in folder.rows("SELECT number, state FROM pages ORDER BY number")]


def cut(answer: Answer) -> Answer:
    return Answer(answer.body[: len(answer.body) // 2])


# What comes on page 2 of 3, and a word of the sentence that tells it.
NO_END = {
    "without cards": (saying("<html><body><p>Hm.</p></body></html>"), "shows no card"),
    "zero bytes": (saying(b""), "came without a single byte (status 200)"),
    "no content": (saying(b"", 204), "came without a single byte (status 204)"),
    "a cut body": (cut, "came without its end"),
    "gzip twice": (
        lambda honest: Answer(gzip.compress(gzip.compress(honest.body)), headers={"Content-Encoding": "gzip"}),
        "shows no card",
    ),
    "gzip without its header": (lambda honest: Answer(gzip.compress(honest.body)), "shows no card"),
    "too deep": (
        lambda honest: Answer(
            honest.body.replace(b'class="s-main', b">" + b'<div class="x">' * 400 + b'<div class="s-main')
        ),
        "nested deeper",
    ),
    "a next page that is itself": (
        lambda honest: Answer(honest.body.replace(b"page=3", b"page=2")),
        "names itself as the next page",
    ),
    "a page without its beginning": (lambda honest: Answer(honest.body[300:]), "came without its end or its beginning"),
    "a part": (lambda honest: Answer(honest.body, 206), "came in part only (status 206)"),
    "a next page that nobody can ask for": (
        lambda honest: Answer(honest.body.replace(b'href="/s?', b'href="file:///s?')),
        "as the next page, which is no address of a page",
    ),
    "a piece of a page": (
        lambda honest: Answer(tile(77).encode()),
        "is a piece of a page",
    ),
}


@pytest.mark.medium
@pytest.mark.parametrize("names", [tuple(NO_END)[n : n + 3] for n in range(0, len(NO_END), 3)], ids=", ".join)
def test_a_page_that_is_no_end_is_asked_again_and_then_interrupts_the_crawl(
    folder: Folder, shop: LyingShop, names: tuple[str, ...]
) -> None:
    """Exit 1 and a sentence, the page pending; the same command goes on there, and finishes."""
    assert shop.server is not None
    shop.pages, shop.total = 3, "1-4 of over 1,000 results"
    shop.lies = {(garment, 2): NO_END[name][0] for garment, name in zip(GARMENTS, names, strict=True)}
    command = ("stj_spiders", "-a", f"origin={shop.server.origin}", "-s", "STJ_SUMMARY=json", *FAST)
    ended = folder.start(*command).end()
    assert (ended.code, {one["state"] for one in ended.summary}) == (1, {"interrupted"}), ended.err
    sentences = ended.err.strip().splitlines()[-3:]
    for name in names:
        told = [one for one in sentences if NO_END[name][1] in one]
        assert told, (name, sentences)
        assert told[0].startswith("Listing page 2 of ")
        assert "3 times in a row: the same command goes on there." in told[0]
    assert page_states(folder) == [(1, "done")] * 3 + [(2, "pending")] * 3
    assert shop.server.count("page=2") == 9
    shop.lies.clear()
    again = folder.start(*command).end()
    assert (again.code, [one["cards"] for one in again.summary]) == (0, [12, 12, 12]), again.err
    assert {row["n"] for row in folder.rows("SELECT count(*) AS n FROM crawls")} == {3}


@pytest.mark.medium
def test_a_lie_that_is_told_once_does_not_end_the_crawl(folder: Folder, shop: LyingShop) -> None:
    shop.lies = {1: once(cut, 2), 2: once(saying(b""))}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["cards"]) == (0, 8), ended.err
    assert "asking again" in ended.err


@pytest.mark.medium
def test_a_listing_that_goes_in_circles_ends(folder: Folder, shop: LyingShop) -> None:
    """The last page's "next" leads to itself under a new address: one look shows that nothing is new there."""
    shop.lies[2] = lambda honest: Answer(
        listing([tile(n) for n in range(2000, 2004)], following="/s?page=2&qid=99").encode()
    )
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["pages"]) == (0, "finished", 3), ended.err
    assert "shows nothing that earlier pages did not" in ended.err
    # What is known from another crawl is no circle.
    shop.lies.clear()
    assert crawl(folder, shop).summary["cards"] == 8


@pytest.mark.medium
def test_old_cards_with_new_advertisements_are_a_circle(folder: Folder, shop: LyingShop) -> None:
    """What the shop is paid to show changes with every look; the listing does not go on for that."""
    paid = tile(77, "Saree number 77").replace("s-result-item s-asin", "s-result-item s-asin AdHolder")
    tiles = [tile(n, f"Saree number {n}") for n in (1002, 1000, 1003, 1001)]
    shop.pages = 9
    shop.lies[2] = saying(listing([paid, *tiles], following="/s?rh=n%3A1968256031&page=3"))
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["pages"]) == (0, "finished", 2), ended.err
    assert shop.server is not None
    assert shop.server.count("page=3") == 0


@pytest.mark.medium
@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_not_there_is_the_end_or_a_wrong_node(folder: Folder, shop: LyingShop, status: int) -> None:
    """On page 1 the category's node is wrong, which is said; later the listing ends there."""
    gone = saying("<html><head><title>Page Not Found</title></head><body></body></html>", status)
    shop.lies[1] = gone
    wrong = crawl(folder, shop)
    assert (wrong.code, state(folder)[0]) == (1, "empty")
    assert wrong.sentence.endswith(f"answers {status}: check the node of saree in labels.toml.")
    assert "turned us away" not in wrong.err
    shop.lies = {2: gone}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["crawl"], ended.summary["state"], ended.summary["cards"]) == (0, 2, "finished", 4)


@pytest.mark.medium
def test_no_results_are_an_end_and_on_page_one_nothing_at_all(folder: Folder, shop: LyingShop) -> None:
    """Whatever other departments' tiles stand below: they are not the category's."""
    other = [tile(n, "Steel bottle") for n in (1, 2, 3)]
    nothing = (
        '<div class="s-no-results" data-component-type="s-no-results"><span>No results for your filters.</span></div>'
    )
    body = listing([nothing, "<h2>Results from all departments</h2>", *other], pager=False)
    shop.lies[1] = saying(body)
    ended = crawl(folder, shop)
    assert (ended.code, state(folder)[0], folder.rows("SELECT 1 FROM sightings")) == (1, "empty", [])
    assert "says that it has no results: check the node of saree" in ended.sentence
    shop.lies = {2: saying(body)}
    assert (crawl(folder, shop).code, state(folder)[0]) == (0, "finished")
    assert folder.rows("SELECT count(*) AS n FROM sightings")[0]["n"] == 4


@pytest.mark.medium
@pytest.mark.parametrize("status", [403, 405])
def test_pictures_that_are_refused_one_after_another_are_a_block(folder: Folder, shop: LyingShop, status: int) -> None:
    """The crawl does not run through the list to say that it finished; once they are served it goes on."""
    shop.cards = 12
    shop.lies["picture"] = saying(b"", status)
    ended = crawl(folder, shop, "-s", "STJ_PICTURES_AT_ONCE=2")
    assert (ended.code, state(folder)[0]) == (1, "blocked"), ended.err
    assert f"one picture after another answered {status}" in ended.sentence
    assert shop.server is not None
    assert shop.server.count("/images/") < 12
    shop.lies.clear()
    again = crawl(folder, shop)
    assert (again.code, again.summary["images"]) == (0, {"kept": 24}), again.err


@pytest.mark.medium
def test_a_page_in_a_pictures_place_is_no_block_unless_it_says_so(folder: Folder, shop: LyingShop) -> None:
    """Whatever is wrong with it: cut, empty, an error's; one picture after another."""
    shop.cards = 6
    bodies = (
        "<html><body>Not here",
        "<html>",
        "<html><head><title>404 Not Found</title></head></html>",
        "<!doctype html><p>Hm",
    )
    for n, body in enumerate(bodies * 2):
        shop.lies[f"p{1000 + n if n < 6 else 1994 + n:08d}"] = saying(body, 200 if n % 2 else 404)
    ended = crawl(folder, shop, "-s", "STJ_PICTURES_AT_ONCE=1")
    assert (ended.code, ended.summary["images"]) == (0, {"kept": 4, "rejected": 8}), ended.err
    assert "turned us away" not in ended.err


@pytest.mark.medium
def test_one_picture_that_is_refused_is_about_that_picture(folder: Folder, shop: LyingShop) -> None:
    shop.lies = {f"p{n:08d}": saying(b"", 403) for n in (1001, 2002)}
    ended = crawl(folder, shop, "-s", "STJ_PICTURES_AT_ONCE=1")
    assert (ended.code, ended.summary["images"]) == (0, {"kept": 6, "rejected": 2}), ended.err
    assert "turned us away" not in ended.err


@pytest.mark.medium
def test_a_crawl_that_can_use_no_picture_did_not_do_its_job(folder: Folder, shop: LyingShop) -> None:
    """Neither those that are not there nor those of another kind of garment."""
    shop.lies["picture"] = saying(b"", 404)
    ended = crawl(folder, shop)
    assert (ended.code, state(folder)[0]) == (1, "empty")
    assert ended.sentence == (
        "No picture of 8 cards could be kept (8 http_error): look into that, then give the same command again."
    )
    shop.lies.clear()
    assert crawl(folder, shop).summary["images"] == {"kept": 8}


@pytest.mark.medium
@pytest.mark.parametrize("path", ["/errors/validateCaptcha?amzn=1", "/ap/signin?openid=1"])
def test_a_redirect_to_a_captcha_is_a_block_whatever_robots_say(folder: Folder, shop: LyingShop, path: str) -> None:
    """robots.txt forbids to look at it; that is no word about the listing."""
    shop.lies[2] = saying(b"", 302, Location=path)
    assert shop.server is not None
    honest = shop.server.answer
    rules = b"User-agent: *\nDisallow: /errors/validateCaptcha\nDisallow: /ap/signin\n"
    shop.server.answer = lambda asked: Answer(rules, content_type="text/plain") if "robots" in asked else honest(asked)
    ended = crawl(folder, shop)
    assert (ended.code, state(folder)[0]) == (1, "blocked"), ended.err
    assert "turned us away (listing page 2 is a" in ended.sentence
    assert shop.server.count(path.partition("?")[0]) == 0


@pytest.mark.medium
def test_a_firewalls_challenge_is_a_block(folder: Folder, shop: LyingShop) -> None:
    shop.lies[2] = saying(b"", 202, x_amzn_waf_action="challenge")
    ended = crawl(folder, shop)
    assert (ended.code, state(folder)[0]) == (1, "blocked")
    assert "listing page 2 is a challenge page" in ended.sentence


@pytest.mark.medium
def test_what_broke_once_is_asked_again_by_a_later_crawl(folder: Folder, shop: LyingShop) -> None:
    """Half a file, another file's words and a wrong length; and nothing else is asked again."""
    shop.lies = {
        "p00001000": lambda honest: Answer(honest.body[:-300], content_type="image/jpeg"),
        "p00001001": saying(b"<html><body>soon</body></html>"),
        "p00001002": lambda honest: Answer(honest.body, headers={"Content-Length": str(10**12)}),
        "p00001003": lambda honest: Answer(gzip.compress(honest.body)[:-40], headers={"Content-Encoding": "gzip"}),
    }
    first = crawl(folder, shop)
    assert (first.code, first.summary["images"]) == (0, {"kept": 4, "rejected": 4}), first.err
    shop.lies.clear()
    assert shop.server is not None
    shop.server.asked.clear()
    again = crawl(folder, shop)
    assert (again.code, again.summary["images"]) == (0, {"kept": 8}), again.err
    assert shop.server.count("/images/") == 4


@pytest.mark.medium
def test_the_shops_own_picture_is_nobodys(folder: Folder, shop: LyingShop) -> None:
    """One address under many products, a known id, or one file under as many addresses: kept as no product's picture."""
    tiles = [
        *(tile(n, image="/images/I/71nobodysL._AC_UL320_.jpg") for n in (1, 2, 3)),
        tile(4, image="/images/I/01RmK+J4pJL._AC_UL320_.gif"),
        *(tile(n) for n in (5, 6, 7, 8, 9)),
    ]
    shop.pages = 1
    shop.lies = {1: saying(listing(tiles))}
    same = Answer(b"", content_type="image/jpeg")
    for n in (6, 7, 8):
        shop.lies[f"p{n:08d}"] = lambda honest: Answer(same.body, content_type="image/jpeg")
    assert shop.server is not None
    same.body = shop("/images/I/p00000099.jpg").body
    ended = crawl(folder, shop)
    assert ended.code == 0, ended.err
    rows = folder.rows("SELECT asin, status, reason FROM image_provenance ORDER BY position")
    found = {row["asin"]: (row["status"], row["reason"]) for row in rows}
    assert {found[asin_of(n)] for n in (1, 2, 3, 4)} == {(None, "no_image")}
    assert {found[asin_of(n)] for n in (6, 7, 8)} == {("rejected", "placeholder")}
    assert {found[asin_of(n)] for n in (5, 9)} == {("kept", None)}
