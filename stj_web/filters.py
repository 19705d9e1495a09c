"""How numbers, times and words are written in the pages, and what every page knows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request, session, url_for
from markupsafe import Markup

from stj_catalog.decisions import said
from stj_catalog.reviews import user_name
from stj_core.cli import counted
from stj_core.clock import seconds_since
from stj_core.vocabulary import Action, Status, why
from stj_model.runs import SPLIT_NAMES
from stj_web import security
from stj_web.charts import bar, confusion, curves, stacked
from stj_web.studio import studio

STATUSES = tuple(status.value for status in Status)


def register_words(app: Flask) -> None:
    """Give the templates their filters and what every page knows."""
    app.jinja_env.filters.update(
        number=number,
        counted=counted,
        percent=percent,
        moment=moment,
        bytes=size,
        short=short,
        said=said,
        words=words,
        why=why,
        css=css_word,
        setting=setting,
    )
    app.jinja_env.globals.update(bar=bar, stacked=stacked, curves=curves, confusion=confusion, statuses=STATUSES)
    app.jinja_env.globals.update(outside=outside, actions=tuple(action.value for action in Action))
    app.context_processor(_every_page)


def number(value: float | None) -> str:
    """A number with commas: 12,345."""
    return "–" if value is None else f"{value:,}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent: 98.4 %."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def moment(stamp: str | None) -> str:
    """2026-05-01 10:00, in UTC; less than a day ago in words."""
    if not stamp:
        return "–"
    try:
        then = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    seconds = seconds_since(then)
    if 0 <= seconds < 90:
        return "just now"
    if 0 <= seconds < 5_400:
        return f"{counted(round(seconds / 60), 'minute')} ago"
    if 0 <= seconds < 86_400:
        return f"{counted(round(seconds / 3600), 'hour')} ago"
    return then.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def size(count: int | None) -> str:
    """A size in bytes for people: 1.2 MB."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def short(text: str | None, length: int = 12) -> str:
    """The beginning of a checksum."""
    return "–" if not text else f"{text[:length]}…" if len(text) > length else text


def setting(value: object, most: int = 500) -> str:
    """A setting as JSON for people, cut where it is very long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def words(text: str | None) -> str:
    """A word of the catalogue for people: label_conflict is label conflict."""
    return "" if not text else str(text).replace("_", " ")


def split_name(split: str) -> str:
    """What a run was judged on, for people."""
    return SPLIT_NAMES.get(split, split)


def css_word(text: object) -> str:
    """A word of the catalogue as one CSS class: an unknown one must not become two, or another's."""
    return re.sub(r"[^a-z0-9_-]+", "-", str(text).lower())


def outside(address: str | None, text: str | None = None) -> Markup:
    """A link away from the studio; only the web's own schemes become one, whatever a page once claimed."""
    if not address:
        return Markup("")
    shown = text or address
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"http", "https"}:
        return Markup("<code>{}</code>").format(shown)
    return Markup('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>').format(address, shown)


def reviewer() -> str:
    """Whose name decisions carry."""
    return str(session.get("reviewer") or studio().web.reviewer or user_name() or "somebody")


def _every_page() -> dict[str, Any]:
    here = studio()
    return {
        "names": here.names,
        "may_write": security.may_write(),
        "token_wanted": bool(here.web.token),
        "reviewer": reviewer(),
        "section": _section(),
        "query": query,
        "here": request.full_path.rstrip("?"),
        "list_as": list_as,
        "list_in": list_in,
        "split_name": split_name,
    }


def _section() -> str:
    """The place of the navigation that this page belongs to."""
    blueprint = (request.blueprint or "").split(".")[0]
    if request.endpoint == "maps.like" or blueprint in ("selection", "by_hand"):
        return "catalogue"
    return "runs" if blueprint == "maps" else blueprint


def list_as(kind: str, endpoint: str) -> str:
    """The address of the whole list that this page shows, as a file."""
    kept = {name: value for name, value in request.args.items() if value and name not in ("after", "before", "limit")}
    return url_for(endpoint, kind=kind, **(request.view_args or {}), **kept)  # type: ignore[arg-type]  # text all through


def list_in(endpoint: str, **more: str) -> str:
    """The address of another page about the list that this page shows."""
    kept = {name: value for name, value in request.args.items() if value and name not in ("after", "before", "limit")}
    return url_for(endpoint, **kept, **more)  # type: ignore[arg-type]  # text all through


def query(**changes: Any) -> str:  # noqa: ANN401 - any value that an address can carry
    """This page's address with some of its query changed; None takes a part away."""
    now: dict[str, Any] = request.args.to_dict()
    now.update(changes)
    kept = {name: value for name, value in now.items() if value not in (None, "")}
    return url_for(request.endpoint or "home.home", **(request.view_args or {}), **kept)
