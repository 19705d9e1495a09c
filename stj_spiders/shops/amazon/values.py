"""Prices, ratings and counts as the shop writes them, in any of its languages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from price_parser import Price

from stj_core.remembered import remembered

_NUMBER = re.compile(r"\d{1,3}(?:[.,\s']\d{2,3})*(?![\d])|\d+")
# No shop has more products than that; a longer number is something else.
_MOST_DIGITS = 12
_REDUCTION = re.compile(r"\s*(?:[-−–]\s*\D{0,4}\d|save\b)|.*%", re.IGNORECASE)
_STARS = re.compile(r"\d(?:[.,]\d)?")
_ISO = {
    "₹": "INR", "Rs": "INR", "Rs.": "INR", "INR": "INR", "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP", "US$": "USD",
    "USD": "USD", "C$": "CAD", "CA$": "CAD", "CAD": "CAD", "A$": "AUD", "AU$": "AUD", "AUD": "AUD", "S$": "SGD", "SGD": "SGD",
    "R$": "BRL", "BRL": "BRL", "MX$": "MXN", "MXN": "MXN", "JPY": "JPY", "CNY": "CNY", "zł": "PLN", "PLN": "PLN", "TL": "TRY",
    "₺": "TRY", "AED": "AED", "SAR": "SAR", "SEK": "SEK", "EGP": "EGP",
}  # fmt: skip
# Signs that several countries share are read by the shop's host, and only there.
_BY_HOST = {
    ("$", "com"): "USD", ("$", "ca"): "CAD", ("$", "com.au"): "AUD", ("$", "com.mx"): "MXN", ("$", "sg"): "SGD",
    ("¥", "co.jp"): "JPY", ("￥", "co.jp"): "JPY", ("¥", "cn"): "CNY", ("￥", "cn"): "CNY", ("kr", "se"): "SEK",
}  # fmt: skip


@remembered
def read_price(text: str, url: str) -> tuple[float | None, str | None]:
    """The first amount in `text` and its currency as an ISO 4217 code.

    Of a range ("EUR 8,99 - EUR 16,99") it is the lower end. A sign that several currencies share and the host does not
    settle is returned as printed.
    """
    # A price is short; a longer text is something else, and not worth price-parser's regular expressions.
    said = text[:80]
    found = Price.fromstring(said)
    # "Free" has no digit, and what is taken off a price is none.
    if found.amount is None or not any(char.isdecimal() for char in said) or _REDUCTION.match(said):
        return None, None
    sign = found.currency
    if sign is None:
        return float(found.amount), None
    return float(found.amount), _ISO.get(sign) or _BY_HOST.get((sign, _country(url)), sign)


def _country(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.partition("amazon.")[2]


def read_rating(text: str | None) -> float | None:
    """Stars out of five: "3.9 out of 5 stars", "4,3 von 5 Sternen", "5つ星のうち4.2"; None for anything else."""
    numbers = [float(number.replace(",", ".")) for number in _STARS.findall((text or "")[:80])]
    if len(numbers) != 2 or 5.0 not in numbers:
        return None
    numbers.remove(5.0)
    return numbers[0] if 0 <= numbers[0] <= 5 else None


def read_total(text: str | None) -> int | None:
    """How many results a listing says it has: the largest number of "1-16 of 1,234 results"."""
    words = (text or "")[:200]
    found = [re.sub(r"\D", "", number) for number in _NUMBER.findall(words)]
    if not found or max(map(len, found)) > _MOST_DIGITS:
        return None
    return max(map(int, found))
