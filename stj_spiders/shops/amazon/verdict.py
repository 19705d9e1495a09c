"""What kind of answer the shop gave: judged by its content first, and by its status only where the content is silent.

What a page *is* shows in its structure (a form that posts to `validateCaptcha`, a tile, a product title), never in words
that a review or a title may hold as well: a T-shirt called "Captcha" is a product. Words count only where a page has
neither cards nor a product, and only in its title and headings.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml.etree import _Element as Element

from stj_spiders.shops.amazon.tiles import find_tiles
from stj_spiders.shops.html import (
    Tree,
    by_id,
    clean,
    condition,
    elements,
    is_whole,
    parse_html,
    read_tree,
    strings,
    text_of,
    title_of,
)
from stj_spiders.shops.pages import Kind, Verdict

__all__ = ["Verdict", "judge", "promises_script"]

_CHALLENGE = re.compile(
    r"""
    /_sec/(?:verify|cp_challenge)        # Akamai: the browser proves itself by a script
    | \bbm-verify=                       # ... and by its reload
    | triggerInterstitialChallenge
    | sec-if-cpt-container
    | \bgokuProps\b | \bAwsWafIntegration\b | awsWafCookieDomainList   # AWS WAF
    | \btoken\.awswaf\.com | \bcaptcha\.awswaf\.com | \bAwsWafCaptcha\b
    | \b_cf_chl_opt\b | \bcf-chl- | /cdn-cgi/challenge-platform/      # Cloudflare
    | \b_pxAppId\b | \b_pxCaptcha | /captcha\.px-c(?:loud|dn)\.net | \bpx-captcha | \bperimeterx\.net   # PerimeterX
    | \bcaptcha-delivery\.com | \bdatadome\b                       # DataDome
    | _Incapsula_Resource | \bincap_ses_                             # Incapsula
    | \bKPSDK\b | /ips\.js\?                                        # Kasada
    | \bvalidate\.perfdrive\.com | \bsucuri_cloudproxy_js\b         # Radware, Sucuri
    | \bbobcmn\b | ^/TSPD/                                           # F5
    | _____tmd_____/punish | \bx5secdata\b                           # Alibaba
    | \bqueue-it\.net/                                              # a waiting room
    | \bhcaptcha\.com/ | \brecaptcha/(?:api|enterprise)\b | \bchallenges\.cloudflare\.com/   # the services themselves
    | \bgeetest\.com/ | \barkoselabs\.com/ | \bfrc-captcha\b | \bfriendlycaptcha\b
    """,
    re.VERBOSE,
)
# Each of the patterns above holds one of these, which are looked for twenty times faster.
_CHALLENGE_MARKS = (
    *(
        "/_sec/",
        "bm-verify",
        "triggerInterstitial",
        "sec-if-cpt",
        "gokuProps",
        "AwsWaf",
        "awswaf",
        "_cf_chl_opt",
        "cf-chl-",
    ),
    *(
        "challenge-platform",
        "_px",
        "px-c",
        "perimeterx",
        "captcha-delivery",
        "datadome",
        "_Incapsula",
        "incap_ses_",
        "KPSDK",
    ),
    *(
        "/ips.js?",
        "perfdrive",
        "sucuri_",
        "bobcmn",
        "/TSPD/",
        "_tmd_",
        "x5secdata",
        "queue-it",
        "hcaptcha",
        "recaptcha/",
    ),
    *("challenges.cloudflare", "geetest", "arkoselabs", "frc-captcha", "friendlycaptcha"),
)
_ROBOT_WORDS = re.compile(
    r"^(?:robot check|.*\b(?:enter|type) the characters you see\b.*|geben sie die (?:angezeigten )?zeichen .*"
    r"|digite os caracteres .*|saisissez les caract.res .*|introduce los caracteres .*|bot check|just a moment\W*$"
    r"|attention required|human verification|security (?:check|verification)|verify(?:ing)? you are human|.*\bre?captcha\b.*"
    r"|you have been blocked|sorry, you have been blocked|request rejected|pardon our interruption"
    r"|your access to this site has been limited|.*\bfirewall\b.*)",
    re.IGNORECASE,
)
_INTERSTITIAL_WORDS = re.compile(r"^(?:click|tap) the button below to continue shopping", re.IGNORECASE)
_UNAVAILABLE_WORDS = re.compile(
    r"^(?:sorry!? something went wrong|sorry! we couldn.t find that page|page not found|document not found"
    r"|looking for something\?|(?:(?:http|error) )?(?:50[0234]|52\d) .*|service (?:temporarily )?unavailable|access denied"
    r"|(?:(?:http|error) )?4\d\d\W+(?:bad request|unauthorized|forbidden|not acceptable|too many requests|i'm a teapot)"
    r"|(?:bad request|unauthorized|forbidden|too many requests|you are being rate limited|rate limit(?:ed)?)\W*$"
    r"|(?:site |scheduled )?maintenance\W*$|we(?:'ll|’ll| will) be (?:right )?back|oops\W+something went wrong"
    r"|(?:you are (?:now )?in )?(?:the |a )?(?:line|queue|waiting room)\W*$"
    r"|dokument nicht gefunden|seite wurde nicht gefunden|es tut uns leid)",
    re.IGNORECASE,
)
# Anywhere on a page that has hardly anything else to say.
_ROBOT_SENTENCES = re.compile(
    r"\bnot a robot\b|\b(?:are|if) you (?:are )?(?:a )?(?:robot|human)\b|\bverify (?:that )?you(?:'re| are|’re) (?:a )?human\b"
    r"|\bhuman verification\b|\b(?:enter|type) the characters you see\b|\bunusual (?:traffic|activity)\b"
    r"|\bautomated (?:access|requests?|traffic)\b|\bpress (?:&|and) hold\b|\bpardon our interruption\b"
    r"|\brequest unsuccessful\. incapsula\b|\bincapsula incident id\b|\brequested url was rejected\b|\byour support id is\b"
    r"|\benable js and disable any ad blocker\b|\bare you a (?:human|robot)\b|\bblocked by (?:our |the )?(?:security|network)\b"
    r"|\b(?:too many|(?:rate )?limit(?:ed)? (?:your )?)requests\b|\bplaced? (?:you )?in (?:a |the )?(?:waiting room|queue)\b"
    r"|\bchecking (?:if the site connection is secure|your browser)\b|\benable javascript and cookies to continue\b"
    r"|\baccess to this page has been denied\b|\byou have been blocked\b|\bbot (?:detected|detection|check)\b"
    r"|\bsolve (?:the|this) puzzle\b|\bcomplete (?:the|this) (?:security check|captcha)\b"
    r"|\bkein roboter\b|\bpas un robot\b|\bno (?:eres|es usted|soy) un robot\b|\bnon sei un robot\b|\bnão é um robô\b"
    r"|रोबोट नहीं|ロボットでない|不是机器人|不是機器人|验证您是真人",
    re.IGNORECASE,
)
_NOTHING_WORDS = re.compile(
    r"no results for\b|0 results\b|(?:showing )?results from all departments\b"
    r"|your search\b[^<>]{0,200}\bdid not match any products\b|keine ergebnisse für\b|ergebnisse aus allen kategorien\b"
    r"|aucun résultat pour\b|no hay resultados para\b|nessun risultato per\b",
    re.IGNORECASE,
)
# Their beginnings in either case: looked for in a megabyte twenty times faster than the pattern.
_NOTHING_SAID = (
    *("o results for", "0 results", "esults from all departments", "id not match any products", "eine Ergebnisse für"),
    *("rgebnisse aus allen Kategorien", "ucun résultat pour", "o hay resultados para", "essun risultato per"),
)
_SAY = frozenset(["h1", "h2", "h3", "h4", "span", "p", "div"])
_HIDDEN = re.compile(r"\b(?:aok-hidden|a-hidden|hidden)\b|display:\s*none", re.IGNORECASE)
_CHALLENGE_STATUS = 202
_SCRIPTED = strings(
    "//script/text() | //script/@src | //iframe/@src | //meta/@content | //form/@action"
    ' | //div[starts-with(@id, "sec-if")]/@id | //*[contains(@class, "captcha")]/@class'
)
_REFRESHES = strings('//meta[translate(@http-equiv, "REFSH", "refsh") = "refresh"]/@content')
_REFRESH = re.compile(r"""url\s*=\s*["']?(?P<to>[^"'\s]{1,2000})""", re.IGNORECASE)
_MOVES = re.compile(
    r"""\blocation(?:\s*\.\s*href)?\s*=(?!=)\s*["'](?P<to>[^"'\n]{1,2000})["']"""
    r"""|\blocation\s*\.\s*(?:replace|assign)\s*\(\s*["'](?P<to_>[^"'\n]{1,2000})["']"""
)
_CAPTCHA_FORM = elements('//form[contains(@action, "validateCaptcha")]')
_ASKS_TO_TYPE = condition('.//img | .//input[not(@type) or @type="text"]')
_CAPTCHA = condition('//input[@id="captchacharacters"] | //img[contains(@src, "/captcha/")]')
_SIGN_IN = condition(
    '//form[@name="signIn" or contains(@action, "/ap/signin")] | //input[@id="ap_email" or @id="ap_password"]'
)
_WANTS_PASSWORD = condition('//form[.//input[@type="password"]]')
_ERROR_PAGE = condition(
    '//a[contains(@href, "cs_503_") or contains(@href, "cs_404_") or contains(@href, "/dogsofamazon")]'
    ' | //img[contains(@src, "/images/G/") and contains(@src, "/error/")]'
)
_HEADINGS = elements("(//title | //h1 | //h2 | //h4)[position() <= 12]")
_SLOT = condition('//*[contains(@class, "s-main-slot") or contains(@class, "s-result-list")]')
_NOTHING_FOUND = condition(
    '//*[@data-component-type="s-no-results" or contains(@class, "s-no-results") or @id="noResultsTitle"]'
)
# One of these is in the text of such a page; a walk over the tree costs eight times as much.
_NOTHING_MARKS = ("s-no-results", "noResultsTitle")
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
    tree = parse_html(text)
    if kind == "product":
        return judge_tree(tree, text, url, status, has_content=has_product(tree.root))
    if is_whole(tree, text) and found_nothing(tree.root, text):
        return Verdict.EMPTY
    return judge_tree(tree, text, url, status, has_content=bool(find_tiles(tree.root, text)))


def judge_tree(tree: Tree, text: str, url: str, status: int, *, has_content: bool) -> Verdict:
    """As `judge`, for a page that is parsed already; `has_content`: it holds cards, or a product."""
    whole = is_whole(tree, text)
    if has_content:
        return Verdict.OK if whole else Verdict.INCOMPLETE
    away = _turned_away(tree.root, url) or _by_status(status)
    return away or (Verdict.EMPTY if whole else Verdict.INCOMPLETE)


def found_nothing(root: Element, text: str) -> bool:
    """Whether a listing says that it has nothing; the tiles it may show then are of other departments."""
    if any(mark in text for mark in _NOTHING_MARKS) and _NOTHING_FOUND(root):
        return True
    return any(words in text for words in _NOTHING_SAID) and _says_nothing_found(root)


def _says_nothing_found(root: Element) -> bool:
    """Whether the words stand above the first tile, where a reader sees them."""
    hidden: set[Element] = set()
    for element in root.iter():
        if element in hidden:
            continue
        if element.get("data-asin"):
            return False
        if element.tag == "template" or _HIDDEN.search(f"{element.get('class') or ''} {element.get('style') or ''}"):
            hidden.update(element.iter())
        elif element.tag in _SAY and _NOTHING_WORDS.match(clean(element.text) or ""):
            return True
    return False


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
    return next(filter(None, map(title_of, titles)), None)


def _turned_away(root: Element, url: str) -> Verdict | None:
    """The block that this page is, by its structure, then by the words in its title and headings."""
    if any(map(_is_challenge, _SCRIPTED(root))):
        return Verdict.CHALLENGE
    if _CAPTCHA(root):
        return Verdict.ROBOT_CHECK
    for form in _CAPTCHA_FORM(root):
        # The same form with nothing to read and type is only the "continue shopping" button.
        return Verdict.ROBOT_CHECK if _ASKS_TO_TYPE(form) else Verdict.INTERSTITIAL
    by_address = _by_address(url) or _by_way_on(root)
    if by_address or _SIGN_IN(root):
        return by_address or Verdict.SIGN_IN
    if _ERROR_PAGE(root):
        return Verdict.UNAVAILABLE
    return _by_headings(root) or _by_sentences(root)


def _is_challenge(piece: str) -> bool:
    return any(mark in piece for mark in _CHALLENGE_MARKS) and _CHALLENGE.search(piece) is not None


def _by_address(url: str) -> Verdict | None:
    """The block that a redirect led to; nothing but the address is needed to know it."""
    try:
        path = urlsplit(url).path.lower()
    except ValueError:
        return None
    if "/errors/validatecaptcha" in path or "/captcha" in path:
        return Verdict.ROBOT_CHECK
    return Verdict.SIGN_IN if path.startswith(("/ap/signin", "/ap/cvf", "/ap/challenge", "/ap/mfa")) else None


def _by_way_on(root: Element) -> Verdict | None:
    """The block that a page with hardly a word on it sends its reader to, by a `<meta>` that refreshes or by a script."""
    ways = [found["to"] for content in _REFRESHES(root) if (found := _REFRESH.search(content))]
    ways += [
        found["to"] or found["to_"] for script in root.iter("script") for found in _MOVES.finditer(script.text or "")
    ]
    blocks = list(filter(None, map(_by_address, ways)))
    return blocks[0] if blocks and len(_words(root)) < _FEW_WORDS else None


def _words(root: Element) -> str:
    body = root.find(".//body")
    return text_of(root if body is None else body) or ""


def _by_sentences(root: Element) -> Verdict | None:
    """A robot check that says so in a paragraph, or a form that wants a password; a page of more words may hold either."""
    words = _words(root)
    if len(words) >= _FEW_WORDS:
        return None
    if _ROBOT_SENTENCES.search(words):
        return Verdict.ROBOT_CHECK
    return Verdict.SIGN_IN if _WANTS_PASSWORD(root) and not _SLOT(root) else None


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


def _by_status(status: int) -> Verdict | None:
    if status == _CHALLENGE_STATUS:
        return Verdict.CHALLENGE  # AWS WAF's, whose page is a script or nothing
    return Verdict.UNAVAILABLE if status >= 400 else None


def _cards_in_script(root: Element) -> bool:
    return _CARD_IN_TEMPLATE(root) or any(_CARD_IN_SCRIPT.search(one.text or "") for one in root.iter("script"))


def _asks_for_script(root: Element) -> bool:
    """A page with hardly a word on it whose `<noscript>` asks for one."""
    asks = any(_NEEDS_SCRIPT.search(text_of(one) or "") for one in root.iter("noscript"))
    body = root.find(".//body")
    return asks and body is not None and len(text_of(body) or "") < _FEW_WORDS
