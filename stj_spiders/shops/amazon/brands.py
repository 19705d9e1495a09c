"""What may be a brand: a name, and none of the other things that the shop prints in a brand's place.

On real pages that is where scents, sizes, dates, authors, certificates and ribbons stand as well. A wrong brand is worse
than none: datasets are balanced and held out by it.
"""

from __future__ import annotations

import re

from stj_spiders.shops.html import clean

_MOST_CHARACTERS = 60
_MOST_WORDS = 8
# The shop's own words for "nobody's".
_NOBODY = frozenset(
    [
        *(
            "generic",
            "unbranded",
            "unknown",
            "none",
            "null",
            "n/a",
            "na",
            "nil",
            "nobrand",
            "no-brand",
            "no brand",
            "no name",
        ),
        *(
            "other",
            "others",
            "miscellaneous",
            "various",
            "multiple",
            "not applicable",
            "does not apply",
            "not available",
        ),
        *("not specified", "-", "--"),
    ]
)
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin"
    "|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre"
    "|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
)
_DATE = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?[.,]?\s+(?:de\s+)?(?:{_MONTHS})\b|\b(?:{_MONTHS})\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}"
    rf"|\b(?:{_MONTHS})\.?\s+(?:de\s+)?(?:19|20)\d\d\b|\b\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{2,4}}\b|\d+\s*年|^(?:19|20)\d\d$",
    re.IGNORECASE,
)
_UNITS = (
    "fl\\.?\\s*oz|ounces?|oz|pounds?|lbs?|grams?|g|kg|kilograms?|mg|ml|millilit(?:er|re)s?|l|lit(?:er|re)s?|cl|cm|mm|m"
    "|met(?:er|re)s?|inch(?:es)?|in|ft|feet|yards?|yd|counts?|ct|packs?|pieces?|pcs?|pairs?|sets?|units?|gb|tb|mb|mah|w"
    "|watts?|v|volts?|hz|k|st(?:ü|u)ck|sheets?|tablets?|capsules?|months?|years?|yrs?|days?|hours?|wash(?:es)?|%|[\"”'’]"
)
_MEASURE = re.compile(rf"^\W*\d[\d.,/x×\s-]*\s*(?:{_UNITS})(?![a-z])", re.IGNORECASE)
_PACK = re.compile(r"\b(?:pack|set|combo|box|case|lot)\s+of\s+\d+\b|\b\d+\s*[-x]?\s*(?:pack|count)\b", re.IGNORECASE)
# Certificates, ribbons, prices, deliveries and other things that are said of a product.
_SAID = re.compile(
    r"\bcertifi(?:ed|cate|cation|cado|é)\b|\bzertifi|\bclimate\b.*\b(?:pledge|friendly)\b|\bcarbon\s*(?:neutral|trust)"
    r"|\bsustainab|\bcompact by design\b|\bbest\s*sellers?\b|\bamazon.s choice\b|\boverall pick\b|\btop (?:reviewed|rated)"
    r"|\bhighly rated\b|\blimited[- ]time\b|\bdeal\b|\bcoupon\b|\bsave\s+\d|\d\s*% ?off\b|\bin stock\b|\bout of stock\b"
    r"|\bonly \d+ left|\bbought in past\b|\bfree (?:delivery|shipping)\b|\bget it by\b|\bdeliver|\bships? to\b|\bstars?\b"
    r"|\bratings?\b|\breviews?\b|\bresults?\b|\boptions?:?\b|\bcolou?rs?/patterns?\b|\bavailable\b|\bsizes?\b|\bsponsored\b"
    r"|\bage range\b|\b(?:ages?|suitable for)\s+\d|\bpaperback\b|\bhardcover\b|\bkindle\b|\baudiobook\b|\bblu-ray\b|\bDVD\b"
    r"|\b(?:size|scent|flavou?r|colou?r|material|style|pattern|format|fit type|item form)\s*:"
    r"|^(?:by|von|di|door|av|od|por)\s|₹|€|£|\$\s*\d|\brs\.?\s*\d|https?:|www\.|\||@",
    re.IGNORECASE,
)
# Names that would be measures if they were not written just so.
_NAMES = frozenset(["3M"])
_LETTER = re.compile(r"[^\W_]")


def brand_in(printed: str | None) -> str | None:
    """`printed` if it can be a brand's name, else None.

    Brands with digits are brands (3M, 7 For All Mankind); what is nothing but a measure, a date or a number is not.
    """
    name = clean(printed)
    if name is None or len(name) > _MOST_CHARACTERS or len(name.split()) > _MOST_WORDS or not _LETTER.search(name):
        return None
    if name in _NAMES:
        return name
    if name.lower().strip(" .") in _NOBODY or name.replace(" ", "").isdigit():
        return None
    if any(kind.search(name) for kind in (_DATE, _MEASURE, _PACK, _SAID)):
        return None
    return name


def starts_with_brand(text: str | None, brand: str) -> bool:
    """Whether a title, a picture's description or the words of an address begin with the brand."""
    return _letters(text or "").startswith(_letters(brand))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
