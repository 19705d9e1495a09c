"""What kind of answer the shop gave: judged by its content first, and by its status only where the content is silent.

What a page *is* shows in its structure (a form that posts to `validateCaptcha`, a tile, a product title), never in words
that a review or a title may hold as well: a T-shirt called "Captcha" is a product. Words count only where a page has
neither cards nor a product, and only in its title and headings.
"""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from stj_spiders.shops.amazon.tiles import find_tiles
from stj_spiders.shops.html import by_id, condition, elements, read_tree, strings, text_of
from stj_spiders.shops.pages import Kind, Verdict

__all__ = ["Verdict", "judge", "promises_script"]

_CHALLENGE = re.compile(
    r"""
    /_sec/(?:verify|cp_challenge)        # Akamai: the browser proves itself by a script
    | \bbm-verify=                       # ... and by its reload
    | triggerInterstitialChallenge
    | sec-if-cpt-container
    | \bgokuProps\b | \bAwsWafIntegration\b | awsWafCookieDomainList   # AWS WAF
    | \b_cf_chl_opt\b | \bcf-chl-                                      # Cloudflare
    """,
    re.VERBOSE,
)
_ROBOT_WORDS = re.compile(
    r"^(?:robot check|.*\b(?:enter|type) the characters you see\b.*|geben sie die (?:angezeigten )?zeichen .*"
    r"|digite os caracteres .*|saisissez les caract.res .*|introduce los caracteres .*|bot check)",
    re.IGNORECASE,
)
_INTERSTITIAL_WORDS = re.compile(r"^(?:click|tap) the button below to continue shopping", re.IGNORECASE)
_UNAVAILABLE_WORDS = re.compile(
    r"^(?:sorry!? something went wrong|sorry! we couldn.t find that page|page not found|document not found"
    r"|looking for something\?|(?:http )?50[0234] .*|service (?:temporarily )?unavailable|too many requests|access denied"
    r"|dokument nicht gefunden|seite wurde nicht gefunden|es tut uns leid)",
    re.IGNORECASE,
)
_REFUSALS = frozenset({401, 403, 404, 407, 408, 410, 425, 429, 451})
_SCRIPTED = strings(
    '//script/text() | //script/@src | //meta/@content | //form/@action | //div[starts-with(@id, "sec-if")]/@id'
)
_CAPTCHA_FORM = elements('//form[contains(@action, "validateCaptcha")]')
_ASKS_TO_TYPE = condition('.//img | .//input[not(@type) or @type="text"]')
_CAPTCHA = condition('//input[@id="captchacharacters"] | //img[contains(@src, "/captcha/")]')
_SIGN_IN = condition(
    '//form[@name="signIn" or contains(@action, "/ap/signin")] | //input[@id="ap_email" or @id="ap_password"]'
)
_ERROR_PAGE = condition(
    '//a[contains(@href, "cs_503_") or contains(@href, "cs_404_") or contains(@href, "/dogsofamazon")]'
    ' | //img[contains(@src, "/images/G/") and contains(@src, "/error/")]'
)
_HEADINGS = elements("(//title | //h1 | //h2 | //h4)[position() <= 12]")
_SLOT = condition('//*[contains(@class, "s-main-slot") or contains(@class, "s-result-list")]')
_NOTHING_FOUND = condition(
    '//*[@data-component-type="s-no-results" or contains(@class, "s-no-results") or @id="noResultsTitle"]'
)
_MOUNT = condition(
    '//body//*[@id="root" or @id="app" or @id="__next" or @id="search-results"][not(*)][not(normalize-space())]'
)
_CARD_IN_TEMPLATE = condition("//template//*[@data-asin]")
_COUNTED = re.compile(r'"(?:totalResultCount|asinOnPageCount)"\s*:\s*(\d{1,12})')
_CARD_IN_SCRIPT = re.compile(r"""s-search-result\b(?!s)|data-asin|["']asin["']\s*:""")
_NEEDS_SCRIPT = re.compile(r"\b(?:java)?script\b", re.IGNORECASE)
_FEW_WORDS = 2_000


def judge(text: str, url: str = "", status: int = 200, kind: Kind = "listing") -> Verdict:
    """Judge an answer of the shop.

    Args:
        text: the decoded body, whatever it is.
        url: its address; a redirect to the sign-in page shows there too.
        status: its HTTP status, asked only where the content says nothing.
        kind: what was asked for: a `listing` without cards and a `product` without a product are not `ok`.
    """
    root = read_tree(text)
    return judge_tree(root, url, status, has_content=_has_content(root, text, kind))


def judge_tree(root: Element, url: str, status: int, *, has_content: bool) -> Verdict:
    """As `judge`, for a page that is parsed already; `has_content`: it holds cards, or a product."""
    if has_content:
        return Verdict.OK
    return _turned_away(root, url) or _by_status(status)


def promises_script(text: str) -> bool:
    """Whether an `empty` listing would get its cards from a script: worth one look with a browser.

    It says yes to a result slot that is there and bare, to results counted but not shown, to cards inside a script and
    to a page that is nothing but a script's mount; never to a page that says it found nothing, nor to a block.
    """
    root = read_tree(text)
    if next(root.iter("script"), None) is None or _turned_away(root, ""):
        return False
    if find_tiles(root, text) or has_product(root):
        return False
    counted = [int(number) for number in _COUNTED.findall(text)]
    if counted:
        return max(counted) > 0
    if _NOTHING_FOUND(root):
        return False
    return _SLOT(root) or _MOUNT(root) or _cards_in_script(root) or _asks_for_script(root)


def has_product(root: Element) -> bool:
    """Whether the page shows a product: its title, outside the hidden forms that repeat the id."""
    return product_title(root) is not None


def product_title(root: Element) -> str | None:
    """The title of the product that the page shows."""
    titles = (one for one in by_id(root, "productTitle", "ebooksProductTitle", "title") if one.tag != "input")
    return next(filter(None, map(text_of, titles)), None)


def _has_content(root: Element, text: str, kind: Kind) -> bool:
    return has_product(root) if kind == "product" else bool(find_tiles(root, text))


def _turned_away(root: Element, url: str) -> Verdict | None:
    """The block that this page is, by its structure, then by the words in its title and headings."""
    if any(_CHALLENGE.search(piece) for piece in _SCRIPTED(root)):
        return Verdict.CHALLENGE
    if _CAPTCHA(root):
        return Verdict.ROBOT_CHECK
    for form in _CAPTCHA_FORM(root):
        # The same form with nothing to read and type is only the "continue shopping" button.
        return Verdict.ROBOT_CHECK if _ASKS_TO_TYPE(form) else Verdict.INTERSTITIAL
    if "/ap/signin" in url or _SIGN_IN(root):
        return Verdict.SIGN_IN
    if _ERROR_PAGE(root):
        return Verdict.UNAVAILABLE
    return _by_headings(root)


def _by_headings(root: Element) -> Verdict | None:
    for heading in _HEADINGS(root):
        words = text_of(heading) or ""
        if _ROBOT_WORDS.search(words):
            return Verdict.ROBOT_CHECK
        if _INTERSTITIAL_WORDS.search(words):
            return Verdict.INTERSTITIAL
        if _UNAVAILABLE_WORDS.search(words):
            return Verdict.UNAVAILABLE
    return None


def _by_status(status: int) -> Verdict:
    if status >= 500 or status in _REFUSALS:
        return Verdict.UNAVAILABLE
    return Verdict.EMPTY


def _cards_in_script(root: Element) -> bool:
    return _CARD_IN_TEMPLATE(root) or any(_CARD_IN_SCRIPT.search(one.text or "") for one in root.iter("script"))


def _asks_for_script(root: Element) -> bool:
    """A page with hardly a word on it whose `<noscript>` asks for one."""
    asks = any(_NEEDS_SCRIPT.search(text_of(one) or "") for one in root.iter("noscript"))
    body = root.find(".//body")
    return asks and body is not None and len(text_of(body) or "") < _FEW_WORDS
