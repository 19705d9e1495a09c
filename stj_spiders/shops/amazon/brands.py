"""What may be a brand: a name, and none of the other things that the shop prints in a brand's place.

On real pages that is where scents, sizes, dates, authors, certificates and ribbons stand as well. A wrong brand is worse
than none: datasets are balanced and held out by it.
"""

from __future__ import annotations

import re

from stj_core.remembered import remembered
from stj_spiders.shops.html import clean

_MOST_CHARACTERS = 60
_MOST_WORDS = 8
# Words of which a name may have some, and never only: of whom, what, how large, of what, and what shops say of anything.
_GENERAL_WORDS = """
    men man mens women woman womens ladies lady girl girls boy boys kid kids baby babies infant toddler unisex adult adults
    his her male female teen teens s m l xs xl xxl xxxl xxxxl small medium large extra plus regular free size sizes one
    x waist length inch tall short petite grade age ages year years month months page
    saree sarees sari saris blouse blouses piece pieces jean jeans trouser trousers pant pants chino chinos shirt shirts kurta
    kurtas clothing clothes apparel garment garments ethnic dress dresses lehenga dupatta material unstitched stitched
    cotton silk linen wool woollen denim polyester viscose rayon georgette chiffon satin crepe net velvet leather banarasi
    kanjivaram blend mix mixed pure handloom handmade handwoven woven printed embroidered embellished solid plain striped
    checked floral fit slim skinny straight loose relaxed tapered bootcut stretch stretchable stretchy casual formal party
    wedding festive festival office daily sleeve sleeves half full high low rise mid
    red blue green black white grey gray pink yellow orange purple maroon navy beige brown gold golden silver cream multicolor
    multicolour multi color colour colored coloured light dark
    new arrival arrivals release releases latest trending trendy hot popular top best seller sellers bestseller bestselling
    selling rated choice amazon amazon's prime fulfilled verified certified premium quality original genuine imported local
    assorted combo offer offers sale discount deal deals exclusive exclusively special limited edition value pick
    brand brands branded store stores shop official visit follow author authors see view show more all now learn add cart
    basket bag buy options option other others buying choices results result products product items item page
    your our this is not no non un
    eco friendly organic sustainable recycled vegan fairtrade business english hindi german french tamil language
    eu uk us in fr de it cn asia intl gsm meter meters metre metres mtr mtrs yards inches cm
    winter summer spring autumn fall season seasons collection latest design designs launch launched just coming soon festive
    edit drop look quick art faux viscose modal lycra elastane spandex nylon tencel jute khadi
    wash hand machine dry clean care ethnic wear fashion comfortable breathable traditional bridal multicoloured multicolored
    image images video play photo picture loading compare wishlist department departments category categories
    unscented scented fragrance renewed refurbished owned used new tested pre order preorder seller sellers authorised authorized
    ad ads advertisement anzeige werbung publicidad annonce reklame gesponsert neu nouveau nouveauté nuevo novedad novità
    tbd tba todo test sample default html
"""
_GENERAL = frozenset(_GENERAL_WORDS.split())
_BETWEEN = frozenset(
    ["the", "a", "an", "and", "or", "of", "for", "in", "on", "with", "without", "from", "by", "at", "to"]
)
# Words of other scripts, whose vowel signs part them where no space does: whole phrases.
_GENERAL_PHRASES = re.compile(
    r"(?:(?:महिलाओं?|पुरुषों?|लड़कियों?|लड़कों?|बच्चों?|लेडीज़?|साड़ी|साड़ियां|साड़ियाँ|जींस|जीन्स|पैंट|पतलून|कुर्ता|कुर्ती|ब्लाउज़?|सूती|कॉटन|रेशमी?"
    r"|सिल्क|नीला|नीली|लाल|हरा|हरी|काला|काली|सफ़?ेद|पीला|पीली|गुलाबी|फ्री|साइज़?|नया|नई|के लिए|और|का|की|के)\s*)+"
    r"|送料無料|新品|レディース|メンズ|サリー|ジーンズ|包邮|女装|男装|முகப்பு|சேலை|புடவை"
)
# The shop's own words for "nobody's", and what a page prints where it meant to print a name.
_NOBODY = re.compile(
    r"(?:generic|un-?branded|non-?brand(?:ed)?|no[ -]?brand|no name|unknown|none|null|nil|undefined|nan|true|false|n\.?/?a\.?"
    r"|miscellaneous|various|multiple|not applicable|does not apply|not (?:available|specified)|[-–—]+)\.?|\[object object\]",
    re.IGNORECASE,
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
    r"|\bsustainab|\bcompact by design\b|\boeko-?tex\b|^gots$|\btextile standard\b|\bfair ?trade\b"
    r"|\b(?:silk|handloom|wool) ?mark\b"
    r"|\bbest\s*sellers?\b|\bamazon.s choice\b|\bpicks?$|\btop (?:reviewed|rated)\b|\bhighly rated\b|\blimited[- ]time\b"
    r"|\bdeals?$|\bdeal of\b|\bcoupon\b|^save\s+(?:\S*\d|extra|up|more|big)|\d\s*% ?off\b|\boffers?$|\bsale$|\bbuy \d|\bget \d"
    r"|\bemi\b|\bm\.?\s?r\.?\s?p\b|\bgreat \w+ festival\b|\bcash on\b|\bpay on\b|\breturn(?:s|able)?$|\breturns?\b.*\bdays?\b"
    r"|\b(?:in|out of) stock\b|\bonly \d+ left|\bbought in past\b|\bfree (?:delivery|shipping)\b|\bget it\b|\bdeliver"
    r"|\bships?\s(?:to|from)\b|\b(?:dispatched|sold|fulfilled|shipped|illustrated|written|translated|directed) (?:by|from)\b"
    r"|^(?:today|tomorrow)\b|\bunavailable\b|\bavailable\b|\bmay vary\b|\bmade in\b|\bimported\b"
    r"|\d\s*stars?\b|\bout of 5\b|\bratings?\b|\breviews?\b|\bresults?\b|\boptions?:?\b|\bcolou?rs?/patterns?\b|\bsizes?\b"
    r"|\bsponsored\b|\bage range\b|\b(?:ages?|suitable for)\s+\d|^\d+(?:st|nd|rd|th) edition\b|\bedition$"
    r"|\((?:author|editor|illustrator|translator|director|actor|artist|narrator|publisher)s?\)|,\s*(?:19|20)\d\d$"
    r"|\bpaperback\b|\bhardcover\b|\bkindle\b|\baudiobook\b|^audible\b|^audio cd$|^vinyl$|\bbinding$|\bblu-ray\b|\bDVD\b"
    r"|^(?:visit (?:the|our)|besuchen?|visiter? (?:la|le|notre)|visita (?:la|lo|el)|visite a)\b"
    r"|^(?:see|shop|view) (?:all|more|the)\b"
    r"|^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,|^(?:ends?|starts?|expires?) in\b"
    r"|\b(?:inr|usd|eur|gbp)\s*\d"
    r"|^\+?\s*\d+\s*(?:more|other)?\s*colou?rs?\b|^(?:comes|perfect|ideal|suitable|great|best) (?:with|for)\b"
    r"|\bfrom our brands\b"
    r"|^(?:customers?|frequently) |\bbefore you buy\b"
    r"|^(?:subscribe|eligible|join|try)\b.*\b(?:save|prime|free|for)\b"
    r"|^hand-?picked$|^hand wash\b|^dry clean\b|^handmade in\b"
    r"|\b(?:isbn|ean|upc|gtin)\b|\b(?:recycled|cotton|wool|textile|organic) (?:standard|initiative|exchange)\b"
    r"|\bcradle to cradle\b"
    r"|\b(?:noch|nur) \d+ stück|\bkostenlos|\bgratui?t|\benvío\b|\blivraison\b|\blieferung\b|\bshoes & |\bhome & kitchen\b"
    r"|^(?:women|small|minority|veteran|family)[- ]owned\b|^(?:amazon )?renewed$|^#\w+|^used -"
    r"|^(?:w|waist)\s?\d+\s?[/x×-]\s?(?:l|length)?\s?\d+$"
    r"|^(?:\d?x{0,4}[sml]|[sml])\s*[-/–]\s*(?:\d?x{0,4}[sml]|[sml])$"
    r"|\bsku\b|^B0[A-Z0-9]{8}\.?$"
    r"|^(?:style|model|item|article|art|ref|no|gr"
    r"|size|taille|größe|talla|taglia)\b\.?[\s#:-]*(?:no\.?\s*)?(?:\d|[XSML]+$)"
    r"|meilleure vente|más vendido|più venduto|meistverkauft|ベストセラー|最佳卖家|畅销|热卖"
    r"|बेस्ट ?सेलर|सबसे ज़्यादा|प्रायोजित|डिलीवरी|में निर्मित|मेड इन|में से|स्टार|द्वारा$|^लेखक|(?:^|\s)रु"
    r"|^(?:by|von|di|door|av|od|por)\s|₹|€|£|\$\s*\d|\brs\.?\s*\d|https?:|www\.|[|@<>{}%$★☆]|&\w+;|\S[:：](?:\s|$)",
    re.IGNORECASE,
)
_OF = re.compile(r"^\W*\d[\d.,]*\s*(?:of|/|von|sur|de|di|में से)\s*\d", re.IGNORECASE)
# Names that would be measures if they were not written just so.
_NAMES = frozenset(["3M"])
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]+(?:['’]s\b)?")


def brand_in(printed: str | None) -> str | None:
    """`printed` if it can be a brand's name, else None.

    Brands with digits are brands (3M, 7 For All Mankind); what is nothing but a measure, a date or a number is not.
    """
    return _brand_in(printed) if printed else None


@remembered
def _brand_in(printed: str) -> str | None:
    name = clean(printed)
    if name is None or len(name) > _MOST_CHARACTERS or len(name.split()) > _MOST_WORDS or not _LETTER.search(name):
        return None
    if name in _NAMES:
        return name
    if _NOBODY.fullmatch(name) or _GENERAL_PHRASES.fullmatch(name) or _says_nothing(name) or _is_sentence(name):
        return None
    if any(kind.search(name) for kind in (_DATE, _MEASURE, _PACK, _OF, _SAID)):
        return None
    return name


def _says_nothing(name: str) -> bool:
    """Whether every word of a name is a general one, or a number: "Men", "XL", "Pure Silk", "New arrivals", "Shop now"."""
    words = {word.removesuffix("'s") for word in _WORD.findall(name.lower().replace("’", "'"))} - _BETWEEN
    return bool(words) and all(word in _GENERAL or word.isdigit() for word in words)


def _is_sentence(name: str) -> bool:
    """Whether it is said of a product: many words, most of them small, or words that end with a full stop."""
    words = name.split()
    small = sum(word[0].islower() for word in words)
    return len(words) >= 4 and (small * 2 > len(words) or (name.endswith(".") and small > 0))


def starts_with_brand(text: str | None, brand: str) -> bool:
    """Whether a title, a picture's description or the words of an address begin with the brand."""
    return _letters(text or "").startswith(_letters(brand))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
