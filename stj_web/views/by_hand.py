"""Tags and groups by hand over REST: each act is taken back as a whole."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, jsonify

from stj_catalog.acts import acts_page
from stj_catalog.by_hand import Regrouped, tell, undo_act
from stj_catalog.tags import LONGEST_TAG, TAG_PATTERN, count_tags, tag_pictures
from stj_core.vocabulary import Act
from stj_web import params, security
from stj_web.errors import RefusalError
from stj_web.filters import reviewer
from stj_web.studio import studio

pages = Blueprint("by_hand", __name__)
_ROOT = "/api/v1"


@pages.get(f"{_ROOT}/tags")
def tags() -> Response:
    """Every tag that some picture carries."""
    counts = count_tags(studio().catalog)
    return jsonify(tags=[{"tag": tag, "images": number} for tag, number in counts.items()])


@pages.post(f"{_ROOT}/tags")
@security.writes
def add_tags() -> tuple[Response, int]:
    """Give pictures a tag, or take it from them: all of them, or none."""
    body = params.body()
    action = params.words(body, "action") or Act.TAG.value
    if action not in (Act.TAG, Act.UNTAG):
        raise RefusalError(400, "bad_request", f"action is tag or untag; got {action[:40]}.")
    done = tag_pictures(
        studio().catalog,
        params.numbers(body, "pictures"),
        _tag(body, "tag"),
        reviewer=params.words(body, "reviewer") or reviewer(),
        take=action == Act.UNTAG,
    )
    return jsonify(act=done.act, tag=done.tag, changed=done.changed, unchanged=done.unchanged), 201


@pages.post(f"{_ROOT}/groups")
@security.writes
def add_groups() -> tuple[Response, int]:
    """Say that pictures are the same, of one group or apart, or split them off."""
    body = params.body()
    here = studio()
    done = tell(
        here.catalog,
        params.numbers(body, "pictures"),
        params.words(body, "action") or "",
        reviewer=params.words(body, "reviewer") or reviewer(),
        thresholds=here.thresholds,
    )
    return jsonify(_regrouped(done)), 201


@pages.get(f"{_ROOT}/acts")
def acts() -> Response:
    """A page of acts, those taken back too."""
    limit = params.limit()
    found = acts_page(studio().catalog, image=params.whole("image"), after=params.whole("after"), limit=limit)
    return jsonify(acts=found, next=found[-1]["id"] if len(found) == limit else None)


@pages.delete(f"{_ROOT}/acts/<{params.ID}:act_id>")
@security.writes
def undo(act_id: int) -> Response:
    """Take an act back as a whole."""
    return jsonify(_regrouped(undo_act(studio().catalog, act_id, studio().thresholds)))


def _regrouped(done: Regrouped) -> dict[str, Any]:
    return {
        "act": done.act,
        "pairs": done.pairs,
        "groups": [{"image_id": row, "group_id": group} for row, group in sorted(done.groups.items())],
        "changed": [
            {"image_id": row, "before": before, "after": after} for row, (before, after) in sorted(done.changed.items())
        ],
        "still_together": done.still,
    }


def _tag(body: Any, name: str) -> str:  # noqa: ANN401 - the JSON object that was sent
    """The tag of a JSON object as it was sent: what is none is refused, never mended.

    Raises:
        RefusalError: it is none.
    """
    value = body.get(name)
    if not isinstance(value, str) or len(value) > LONGEST_TAG or not re.fullmatch(TAG_PATTERN, value):
        said = repr(value)[:80]
        raise RefusalError(
            400,
            "bad_request",
            f"{name} is a line of 1 to {LONGEST_TAG} printed characters without a comma; got {said}.",
        )
    return value
