"""Kinds of pages that were read wrongly once: brands that are none, pictures of nobody, ends that are none, and bot walls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stj_spiders.shops.amazon.brands import brand_in
from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import judge, promises_script
from stj_spiders.shops.html import parse_html
from stj_spiders.shops.pages import BLOCKS, READ, Ending, Listing, Verdict
from stj_spiders.storable import storable_listing
from stj_spiders.walk import Answer, Step, judge_listing, judge_product
from tests.spiders.lying_shop import asin_of, listing, tile

URL = "https://www.amazon.in/s?rh=n%3A1968256031"
GREY = '<div class="a-row a-size-base a-color-secondary">{}</div>'
HEADING = '<h2 class="a-size-mini s-line-clamp-1"><span class="a-size-base-plus a-color-base">{}</span></h2>'
NOT_BRANDS = [
    "24 Nov 2023", "Nov 24, 2023", "November 2023", "2019", "2023-11-24", "24/11/2023", "3. Mai 2018", "2023年11月24日",
    "0.5 Ounce (Pack of 1)", "Pack of 2", "2 Count", "500 ml", "1.5 l", "100 g", "5.5 Inches", "6 m", "32GB", "1 Pair",
    "CarbonWise certified", "Climate Pledge Friendly", "Global Recycled Standard Certification", "GOTS zertifiziert",
    "Best Seller", "#1 Best Seller", "Amazon's Choice", "Limited time deal", "Save 10%", "20% off", "₹1,299", "Rs. 499",
    "4.1 out of 5 stars", "1,234 ratings", "2 sizes", "+3 colors/patterns", "Options: 3 sizes", "In stock", "FREE delivery",
    "Sponsored", "by Ida Nadel", "von Ida Nadel", "Paperback", "Ida Nadel | 3 May 2018", "Size: M", "Colour: Blue",
    "Generic", "Unbranded", "N/A", "unknown", "Does not apply", "-", "12345", "…", "", "https://shop.example", "a" * 80,
    "Men", "Women", "Men's", "Boys", "Unisex", "Unisex Adult", "M", "XL", "3XL", "Free Size", "Extra Large", "Waist 32",
    "Saree", "Women's Sarees", "Pure Silk", "100% Cotton", "Blue", "Multicolour", "Slim Fit", "Regular Fit", "Casual",
    "4.2", "(1,234)", "4.2 (1,234)", "★ 4.2", "1 of 5", "Page 1", "New Arrivals", "Trending", "Amazon Prime", "Prime",
    "Made in India", "Imported", "M.R.P: ₹1,299", "MRP 1299", "Diwali Offer", "Buy 2 get 1 free", "No Cost EMI", "Tomorrow",
    "Currently unavailable", "Add to cart", "See more", "Shop now", "Visit the Store", "Official Store", "Brand", "Brand: Mor",
    "GOTS", "OEKO-TEX STANDARD 100", "Handloom Mark", "B0ABCDEFGH", "SKU-12345", "Model: 123", "Style 1234", "Größe L",
    "Ida Nadel (Author)", "Ida Nadel, 2019", "2nd Edition", "Audio CD", "Sold by Mor", "Illustrated by Ida Nadel",
    "प्रायोजित", "मुफ़्त डिलीवरी", "बेस्ट सेलर", "रु 499", "4.5 5 में से स्टार", "रंग: लाल", "ベストセラー", "Más vendido",
    "Visit the Mor Store", "Besuche den Mor-Store", "Visita la tienda de Mor", "Visiter la boutique Mor", "W32/L34",
    "EU 42", "UK 10",
    "XXL-3XL", "5.5 mtr", "120 GSM", "Machine Wash", "Hand Wash Only", "Art Silk", "Better Cotton Initiative", "Cradle to Cradle",
    "B0ABCDEFGH.", "INR 499", "Monday, October 12", "Autumn/Winter 2024", "Winter Collection", "Latest Design", "Just launched",
    "Ends in 02:13:44", "+5 colours", "+ 12 other colors", "Featured from our brands", "Wishlist", "Try before you buy",
    "Ad", "#ad",
    "Comes with blouse piece", "A lovely saree for every woman.", "The best jeans I ever bought", "Light and soft material",
    "Handmade in Jaipur", "Women-owned", "Clothing, Shoes & Jewellery", "Customers frequently viewed", "Noch 3 Stück auf Lager",
    "Livraison gratuite", "送料無料", "Neu", "साड़ी", "महिलाओं के लिए", "फ्री साइज़", "Image 1", "Loading...", "Coming soon",
    "Renewed",
    "ISBN 9783161484100", "Eligible for Prime", "Werbung", "Fashion",
    "undefined", "NaN", "[object Object]", "{{brand}}", "&nbsp;",
    "one two three four five six seven eight nine",
]  # fmt: skip
BRANDS = [
    "3M", "7 For All Mankind", "Levi's", "Tern & Sons", "H&M", "Koel Weaves", "24 Seven", "Mor", "studio TR", "HÅLM",
    "Data Analyst & Business Analytics Tees", "May", "Marks & Spencer", "Max", "U.S. POLO ASSN.", "कोयल", "L'Oréal Paris",
    "W", "AND", "Next", "Red Tape", "Cotton Culture", "Kids Ville", "Free People", "Amazon Essentials", "5.11 Tactical",
    "Five Star", "Star Trek", "W for Woman", "ONLY", "Only & Sons", "Best Western", "Off-White", "Rose Petal",
    "Black Beauty", "G-Star RAW",
    "The Indian Garage Co", "Go Colors", "Urbano Fashion", "Om Shantam sarees", "90s Kid", "United Colors of Benetton",
    "Women Fashion World", "20Dresses",
]  # fmt: skip


@pytest.mark.parametrize("printed", NOT_BRANDS)
def test_what_is_no_name_is_no_brand(printed: str) -> None:
    """On a card, where a brand would stand, and on a product's own page."""
    assert brand_in(printed) is None
    card = parse_listing(listing([tile(1, "Cotton kurta", above=GREY.format(HEADING.format(printed)))]), URL).cards[0]
    assert (card.brand, card.title) == (None, "Cotton kurta")
    page = (
        f'<span id="productTitle">Kurta</span><table><tr class="po-brand"><td>Brand</td><td>{printed}</td></tr></table>'
    )
    assert parse_product(page, URL).brand is None


@pytest.mark.parametrize("name", BRANDS)
def test_what_is_a_name_may_be_a_brand(name: str) -> None:
    assert brand_in(name) == name
    printed = name.replace("&", "&amp;")
    tiles = [tile(1, "Cotton kurta", above=GREY.format(HEADING.format(printed)))]
    assert parse_listing(listing(tiles), URL).cards[0].brand == name


@pytest.mark.parametrize(
    "chip",
    [
        "Floral", "Fresh", "Blue", "Slim Fit", "Cotton Blend", "Ida Nadel", "Vegan",
        '<div class="a-row a-color-base"><span class="a-size-base a-color-base">Floral</span></div>',
        '<span class="a-size-base a-color-secondary a-text-normal">Regular</span>',
    ],
)  # fmt: skip
def test_what_stands_below_the_title_is_no_brand(chip: str) -> None:
    """Scents, colours, fits, materials and authors have the brand's type, and not its place."""
    for inner in (chip, f"<span>{chip}</span>"):
        assert parse_listing(listing([tile(1, "Rose perfume", below=GREY.format(inner))]), URL).cards[0].brand is None


def test_a_row_above_the_title_is_a_brand_if_something_else_says_so() -> None:
    """The title, the picture's description or the product's address begins with it."""
    row = GREY.format('<span class="a-size-base-plus a-color-base">{}</span>')
    said = [tile(1, "Mor slim jeans", above=row.format("Mor")), tile(2, "Slim jeans", above=row.format("Overall"))]
    assert [card.brand for card in parse_listing(listing(said), URL).cards] == ["Mor", None]


@pytest.mark.parametrize("end", ["", "</div></div></div>", "<span>", "<ul><li>", "<b><i>", "<table><tr><td>"])
def test_one_badly_closed_card_keeps_the_cards_after_it(end: str) -> None:
    """Too few end tags or too many: every card has its own title, picture and price."""
    tiles = [tile(n, end=end if n == 4 else "</div>") for n in range(1, 11)]
    read = parse_listing(listing(tiles, following="/s?page=2"), URL)
    assert [card.asin for card in read.cards] == [asin_of(n) for n in range(1, 11)]
    assert [card.title for card in read.cards] == [f"Silk saree number {n}" for n in range(1, 11)]
    assert [card.price for card in read.cards] == [float(n) for n in range(1, 11)]
    assert [f"p{n:08d}" in (card.image_key or "") for n, card in enumerate(read.cards, 1)] == [True] * 10
    assert read.next_url == "https://www.amazon.in/s?page=2"


@pytest.mark.parametrize("wrap", ["i", "div", "b", "em", "section"])
def test_a_card_that_is_nested_too_deep_costs_no_other_card(wrap: str) -> None:
    deep = f"<{wrap}>" * 300 + "x" + f"</{wrap}>" * 300
    tiles = [tile(n, below=deep if n == 4 else "") for n in range(1, 11)]
    read = parse_listing(listing(tiles, following="/s?page=2"), URL)
    assert ([card.asin for card in read.cards], bool(read.next_url)) == ([asin_of(n) for n in range(1, 11)], True)


def test_tags_that_had_to_go_make_a_page_incomplete() -> None:
    """What was lost with them nobody knows."""
    deep = '<div class="x">' * 300
    assert parse_html(f"<html><body>{deep}</body></html>").cut
    read = parse_listing(listing([deep, tile(1)]), URL)
    assert (read.verdict, read.cards, read.ending) == (Verdict.INCOMPLETE, (), None)


@pytest.mark.parametrize("number", ["../../../x", "B0';DROP--", "ＡＢＣＤＥＦＧＨＩＪ", "B00000001", "b000000001"])
def test_a_result_without_a_products_number_is_counted(number: str) -> None:
    """It is no card, and not passed over in silence; a widget without any number is no result at all."""
    widget = '<div data-asin="" data-component-type="s-search-result" class="s-result-item">More results</div>'
    read = parse_listing(listing([tile(1), tile(2).replace(asin_of(2), number), widget, tile(3)]), URL)
    assert ([card.asin for card in read.cards], read.nameless) == ([asin_of(1), asin_of(3)], 1)


@pytest.mark.parametrize(
    "address",
    [
        "https://m.media-amazon.com/images/I/01RmK+J4pJL._AC_UL320_.gif",
        "https://m.media-amazon.com/images/I/01RmK%2BJ4pJL.gif",
        "https://images-na.ssl-images-amazon.com/images/I/01x5nhxXwFL._SL75_.gif",
        "https://images-na.ssl-images-amazon.com/images/G/01/x-site/icons/no-img-sm._CB192198896_.gif",
        "https://shop.example/images/I/no-image-available.jpg",
        "https://shop.example/static/placeholder.png",
        "https://shop.example/img/image_coming_soon.png",
    ],
)
def test_the_shops_own_picture_is_no_picture(address: str) -> None:
    card = parse_listing(listing([tile(1, image=address)]), URL).cards[0]
    assert (card.image_url, card.image_key) == (None, None)


def test_one_picture_under_many_products_is_nobodys() -> None:
    """In whatever size; two products may well share one, and an advertisement repeats its product's."""
    shared = [tile(n, image=f"/images/I/71sharedL._AC_UL{n}20_.jpg") for n in (1, 2, 3)]
    twice = [tile(n, image="/images/I/71twinsL._AC_UL320_.jpg") for n in (4, 5)]
    repeated = [tile(6).replace('data-index="6"', f'data-index="{place}"') for place in (6, 7, 8)]
    read = parse_listing(listing([*shared, *twice, *repeated]), URL)
    assert [card.image_url is not None for card in read.cards] == [False] * 3 + [True] * 5


@pytest.mark.parametrize(
    "says",
    [
        '<div class="s-no-results">Nothing.</div>',
        '<div data-component-type="s-no-results"></div>',
        "<h2>Results from all departments</h2>",
        "<h3>No results for <span>saree</span> in Clothing.</h3>",
        "<span>No results for your filters in Sarees.</span>",
        "<p>Your search sarees did not match any products.</p>",
        "<h1>0 results for sarees</h1>",
        "<span>Keine Ergebnisse für Sari</span>",
    ],
)
def test_tiles_of_other_departments_are_not_the_listings(says: str) -> None:
    read = parse_listing(listing([says, *(tile(n, "Steel bottle") for n in (1, 2, 3))]), URL)
    assert (read.verdict, read.cards, read.next_url, read.ending) == (Verdict.EMPTY, (), None, Ending.NO_RESULTS)


@pytest.mark.parametrize(
    "words",
    [
        '<div class="aok-hidden">No results for your search</div>',
        '<div style="display: none"><span>No results for that</span></div>',
        "<template><span>No results for that</span></template>",
        "<script>var none = '<span>No results for </span>';</script>",
    ],
)
def test_words_that_nobody_sees_say_nothing(words: str) -> None:
    assert len(parse_listing(listing([words, tile(1)]), URL).cards) == 1
    assert len(parse_listing(listing([tile(1, "Results from all departments"), tile(2)]), URL).cards) == 2


WHOLE = listing([tile(n) for n in range(1, 5)])


@pytest.mark.parametrize("keep", [0, 0.05, 0.3, 0.7, 0.95])
def test_a_page_that_was_cut_is_incomplete(keep: float) -> None:
    cut = WHOLE[: int(len(WHOLE) * keep)]
    read = parse_listing(cut, URL)
    assert (read.verdict, read.cards, read.next_url, read.ending) == (Verdict.INCOMPLETE, (), None, None)
    assert judge(cut, URL) is Verdict.INCOMPLETE
    assert not promises_script("")


@pytest.mark.parametrize(
    "broken",
    [
        lambda page: page.replace("<body>", "<body><script>var end = '</html>';</script>")[:-400],
        lambda page: page.replace("<body>", "<body><!-- </html> -->")[:-400],
        lambda page: page.replace("<body>", '<body><iframe srcdoc="<html></html>"></iframe>')[:-400],
        lambda page: page[: page.index("data-index", 900) + 5] + "</div></body></html>",
        lambda page: page[: page.index('src="', 900) + 9] + "</div></body></html>",
        lambda page: page[: page.index('src="', 900) + 9] + "\n</body>\n</html>\n",
        lambda page: page[: page.index("<img", 900) + 3] + "</body></html>",
        lambda page: page[: page.index("</span>", 900)] + "<!-- </body></html>",
        lambda page: page[len(page) // 2 :],
        lambda page: page[page.index("</span>", 900) :],
    ],
    ids=[
        *(
            "its end in a script",
            "its end in a comment",
            "its end in a frame",
            "an attribute's name",
            "an attribute's value",
        ),
        *("and line feeds", "a tag's name", "a comment that is open", "its second half", "its end alone"),
    ],
)
def test_a_page_that_lacks_a_part_is_incomplete_whatever_end_it_shows(broken: Callable[[str], str]) -> None:
    """An end tag counts where a reader of the page meets it, and no tag is open there; and a page has a beginning."""
    page = broken(WHOLE.replace("</span></div>", "</span>\n</div>"))
    assert parse_listing(page, URL).verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize(
    "end", ["</html>", "</HTML >", "</html><!-- 12 ms -->", "</html>\n<script>var a = 1 < 2;</script>"]
)
def test_a_whole_page_may_end_in_its_own_way(end: str) -> None:
    page = WHOLE.replace("</html>", end).replace(
        "<body>", "<body><p>1 < 2 and <b>so on</b></p><script>'</html>'</script>"
    )
    assert parse_listing(page, URL).ending is Ending.NEXT_DISABLED


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "javascript:void(0)",
        "ftp://www.amazon.in/s",
        "https://",
        "https://www.amazon.in:99999/s",
        "http://[/s",
    ],
)
def test_a_next_page_that_cannot_be_asked_for_is_no_end(address: str) -> None:
    """Neither is a link without an address, or one that is too long or holds what no address holds."""
    long = "/s?page=2&x=" + "y" * 9_000
    for following in (address, long, "https://www.amazon.in\t.evil.example/s"):
        page = listing([tile(1)], following=following)
        read = storable_listing(parse_listing(page, URL))
        assert (read.verdict, len(read.cards), read.next_url, read.ending) == (Verdict.OK, 1, None, None)
        answer = judge_listing(read, 200, URL, size=len(page))
        assert answer.step is Step.AGAIN
        assert answer.why.startswith("names ")
    bare = listing([tile(1)], following="X").replace(' href="X"', "")
    assert judge_listing(storable_listing(parse_listing(bare, URL)), 200, URL, size=1).step is Step.AGAIN
    disabled = listing([tile(1)], following="#").replace("<a class", '<a aria-disabled="true" class')
    assert parse_listing(disabled, URL).ending is Ending.NEXT_DISABLED


def test_a_part_of_a_page_is_asked_for_again() -> None:
    read = parse_listing(WHOLE, URL, 206)
    assert judge_listing(read, 206, URL, size=1) == Answer(Step.AGAIN, "came in part only (status 206)")
    product = parse_product('<html><body><span id="productTitle">Saree</span></body></html>', URL, 206)
    assert judge_product(product, 206, size=1).step is Step.AGAIN


def test_how_a_listing_says_that_it_ends() -> None:
    assert parse_listing(WHOLE, URL).ending is Ending.NEXT_DISABLED
    assert parse_listing(listing([tile(1)], pager=False), URL).ending is Ending.NO_NEXT
    assert parse_listing(listing([tile(1)], following="/s?page=2"), URL).ending is None
    assert parse_listing(tile(1), URL).ending is None, "a fragment says nothing"
    assert parse_listing("<html><body></body></html>", URL).ending is None


WALLS = {
    "AWS WAF": ('<script src="https://x.token.awswaf.com/x/challenge.js"></script>', Verdict.CHALLENGE),
    "PerimeterX": ('<script>window._pxAppId = "PX1";</script><div id="px-captcha"></div>', Verdict.CHALLENGE),
    "DataDome": ('<script src="https://ct.captcha-delivery.com/c.js"></script>', Verdict.CHALLENGE),
    "Incapsula": ('<script src="/_Incapsula_Resource?SWJIYLWA=1"></script>', Verdict.CHALLENGE),
    "hCaptcha": ('<script src="https://js.hcaptcha.com/1/api.js"></script>', Verdict.CHALLENGE),
    "reCaptcha": ('<script src="https://www.google.com/recaptcha/api.js"></script>', Verdict.CHALLENGE),
    "Turnstile": ('<script src="https://challenges.cloudflare.com/turnstile/v0/api.js"></script>', Verdict.CHALLENGE),
    "a paragraph": ("<p>Sorry, we just need to make sure you're not a robot.</p>", Verdict.ROBOT_CHECK),
    "a sentence": ("<div>Please verify you are a human to continue.</div>", Verdict.ROBOT_CHECK),
    "press and hold": ("<p>Press &amp; Hold to confirm</p>", Verdict.ROBOT_CHECK),
    "traffic": ("<p>Our systems have detected unusual traffic.</p>", Verdict.ROBOT_CHECK),
    "denied": ("<p>Access to this page has been denied.</p>", Verdict.ROBOT_CHECK),
    "Just a moment": ("<h1>Just a moment...</h1>", Verdict.ROBOT_CHECK),
    "Cloudflare": ("<h1>Sorry, you have been blocked</h1><p>Ray ID: 7</p>", Verdict.ROBOT_CHECK),
    "rate limited": ("<h1>Error 1015</h1><h2>You are being rate limited</h2>", Verdict.UNAVAILABLE),
    "DataDome's words": ("<p>Please enable JS and disable any ad blocker</p>", Verdict.ROBOT_CHECK),
    "DataDome's frame": ('<iframe src="https://geo.captcha-delivery.com/captcha/"></iframe>', Verdict.CHALLENGE),
    "Incapsula's frame": ('<iframe src="/_Incapsula_Resource?CWUDNSAI=9"></iframe>', Verdict.CHALLENGE),
    "HUMAN": ('<script src="//client.perimeterx.net/PX1/main.min.js"></script>', Verdict.CHALLENGE),
    "F5": ("<p>The requested URL was rejected. Your support ID is: 1</p>", Verdict.ROBOT_CHECK),
    "F5's script": ('<script>window["bobcmn"] = "1";</script>', Verdict.CHALLENGE),
    "Queue-it": ('<script src="https://static.queue-it.net/script/x.js"></script>', Verdict.CHALLENGE),
    "a queue": ("<h1>You are in the queue</h1>", Verdict.UNAVAILABLE),
    "Geetest": ('<script src="https://static.geetest.com/v4/gt4.js"></script>', Verdict.CHALLENGE),
    "Arkose": ('<script src="https://client-api.arkoselabs.com/v2/api.js"></script>', Verdict.CHALLENGE),
    "Friendly Captcha": ('<div class="frc-captcha"></div>', Verdict.CHALLENGE),
    "Alibaba": ('<script>var u = "/_____tmd_____/punish?x5secdata=1"</script>', Verdict.CHALLENGE),
    "a firewall": ("<h1>Web Application Firewall</h1>", Verdict.ROBOT_CHECK),
    "429 in words": ("<center><h1>429 Too Many Requests</h1></center>", Verdict.UNAVAILABLE),
    "403 in words": ("<center><h1>403 Forbidden</h1></center>", Verdict.UNAVAILABLE),
    "maintenance": ("<h1>Maintenance</h1>", Verdict.UNAVAILABLE),
    "another sign-in": ('<form action="/login"><input name="p" type="password"></form>', Verdict.SIGN_IN),
    "Japanese": ("<p>お客様がロボットでないことを確認させていただく必要があります。</p>", Verdict.ROBOT_CHECK),
    "German": ("<p>Bitte bestätigen Sie, dass Sie kein Roboter sind.</p>", Verdict.ROBOT_CHECK),
}


@pytest.mark.parametrize("name", WALLS)
@pytest.mark.parametrize("status", [200, 202, 403])
def test_a_bot_wall_is_a_block(name: str, status: int) -> None:
    body, verdict = WALLS[name]
    text = f"<html><head><title>Amazon.in</title></head><body>{body}</body></html>"
    assert judge(text, URL, status) is verdict
    assert judge(text, URL, status, "product") is verdict
    # The same on a page with cards is no block: a title may say anything.
    assert parse_listing(WHOLE.replace("</body>", f"{body}</body>"), URL, status).verdict is Verdict.OK


@pytest.mark.parametrize("path", ["/errors/validateCaptcha?x=1", "/ap/signin?x=1", "/ap/cvf/request", "/captcha/v2"])
def test_a_redirect_tells_by_its_address(path: str) -> None:
    assert judge("", f"https://www.amazon.in{path}") in BLOCKS
    assert judge("<html></html>", f"https://www.amazon.in/s?k={path}") is Verdict.EMPTY


_CAPTCHA, _SIGN_IN = "/errors/validateCaptcha?x=1", "https://www.amazon.in/ap/signin?openid=1"


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (f'<meta http-equiv="Refresh" content="0; URL={_CAPTCHA}">', Verdict.ROBOT_CHECK),
        (f"<meta http-equiv=refresh content=\"5;url='{_SIGN_IN}'\">", Verdict.SIGN_IN),
        (f'<script>window.location.href = "{_CAPTCHA}";</script>', Verdict.ROBOT_CHECK),
        (f"<script>top.location='{_SIGN_IN}'</script>", Verdict.SIGN_IN),
        (f'<script>setTimeout(() => document.location.replace("{_CAPTCHA}"), 9)</script>', Verdict.ROBOT_CHECK),
        ('<meta http-equiv="refresh" content="300">', Verdict.EMPTY),
        (f'<script>var captcha = "{_CAPTCHA}"; if (location == "{_SIGN_IN}") stay()</script>', Verdict.EMPTY),
    ],
)
def test_a_page_that_sends_its_reader_to_a_block_is_one(head: str, verdict: Verdict) -> None:
    assert judge(f"<html><head>{head}</head><body>One moment</body></html>") is verdict


def test_a_page_of_many_words_or_cards_may_lead_to_a_sign_in() -> None:
    leave = f'<script>function leave() {{ location.href = "{_SIGN_IN}" }}</script></body>'
    assert judge(listing([tile(1)]).replace("</body>", leave, 1)) is Verdict.OK
    assert judge(f"<html><body><p>{'Our terms of use. ' * 200}</p>{leave}</html>") is Verdict.EMPTY


@pytest.mark.parametrize("status", [202, 400, 401, 403, 405, 406, 418, 429, 451, 500, 503, 511])
def test_a_bare_status_that_refuses_is_a_block(status: int) -> None:
    assert parse_listing("", URL, status).verdict in BLOCKS


def test_every_verdict_leads_somewhere() -> None:
    """Read, asked again, or turned away: no word is forgotten when one is added."""
    for verdict in Verdict:
        step = judge_listing(Listing(verdict, None, None, (), Ending.NO_NEXT), 200, URL, size=1).step
        expected = {Verdict.OK: Step.READ, Verdict.EMPTY: Step.AGAIN, Verdict.INCOMPLETE: Step.AGAIN}
        assert step is expected.get(verdict, Step.BLOCKED)
        assert (verdict in READ) + (verdict in BLOCKS) + (verdict is Verdict.INCOMPLETE) == 1


@pytest.mark.parametrize(
    "link",
    [
        '<a class="renamed" href="{}">Weiter</a>',
        '<a rel="next" href="{}&amp;qid=17">→</a>',
        '<span class="pager">1</span><a href="{}">2</a><a href="/s?rh=n%3A1968256031&amp;page=3">3</a>',
        '<a class="load-more" href="{}">Show more results</a>',
    ],
)
def test_a_listing_that_links_to_its_next_page_does_not_end_whatever_the_link_is_called(link: str) -> None:
    body = listing([tile(1)], pager=False).replace(
        "</body>", link.format("/s?rh=n%3A1968256031&amp;page=2") + "</body>"
    )
    read = parse_listing(body, URL)
    assert (read.next_url or "").startswith("https://www.amazon.in/s?rh=n%3A1968256031&page=2")
    assert read.ending is None


@pytest.mark.parametrize(
    "link",
    [
        "/s?rh=n%3A1968256031&amp;page=1",
        "/s?rh=n%3A1968256031&amp;page=3",
        "/s?k=shoes&amp;rh=n%3A5&amp;page=2",
        "/b?page=2",
        "/s?page=x",
    ],
)
def test_a_link_to_another_page_or_listing_is_no_next_page(link: str) -> None:
    body = listing([tile(1)], pager=False).replace("</body>", f'<a href="{link}">2</a></body>')
    read = parse_listing(body, URL)
    assert (read.next_url, read.ending) == (None, Ending.NO_NEXT)


def test_a_disabled_next_is_the_end_though_the_page_links_to_later_numbers() -> None:
    body = listing([tile(1)]).replace("</body>", '<a href="/s?rh=n%3A1968256031&amp;page=2">2</a></body>')
    assert parse_listing(body, URL).ending is Ending.NEXT_DISABLED


def test_a_result_inside_another_ones_element_is_a_card_by_its_own_number() -> None:
    inner = tile(2).replace(' data-index="2"', "")
    read = parse_listing(listing([tile(1, below=inner)]), URL)
    assert [(card.asin, card.title) for card in read.cards] == [(asin_of(n), f"Silk saree number {n}") for n in (1, 2)]


@pytest.mark.parametrize("apart", ["<br>", "<br/>", "</span><div></div>", "<p>"])
def test_lines_of_a_title_part_its_words(apart: str) -> None:
    heading = f'<a href="/x/dp/{asin_of(1)}"><h2><span>Silk{apart}Saree</h2></a>'
    assert parse_listing(listing([tile(1, "", above=heading)]), URL).cards[0].title == "Silk Saree"


@pytest.mark.parametrize("said", ["FREE", "-₹499", "Save ₹50", "20% off", "₹"])
def test_what_is_no_price_is_none(said: str) -> None:
    price = f'<span class="a-price"><span class="a-offscreen">{said}</span></span>'
    body = listing([tile(1)]).replace('<span class="a-price"><span class="a-offscreen">₹1</span></span>', price)
    card = parse_listing(body, URL).cards[0]
    assert (card.price, card.currency) == (None, None)
