"""The OpenAPI document of the REST interface; a test sends requests by it and holds the answers against it."""

from __future__ import annotations

from typing import Any

from stj_catalog.by_hand import SPLIT
from stj_catalog.tags import LONGEST_TAG, TAG_PATTERN
from stj_core.vocabulary import SPLITS, TOLD, Action, Status
from stj_web.params import MOST_AT_ONCE, NO_CLASS
from stj_web.predictions import JUDGED, SORTS

Json = dict[str, Any]
_LARGEST = 2**31 - 1
_ID: Json = {"type": "integer", "minimum": 1, "maximum": _LARGEST}
_COUNT: Json = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_TEXT: Json = {"type": ["string", "null"]}
_NUMBER: Json = {"type": ["integer", "null"]}
_ANY: Json = {"type": "object", "additionalProperties": True}


def document(version: str, max_files: int) -> Json:
    """The interface's description as a JSON document.

    Args:
        version: of STJ.
        max_files: pictures in one request at most.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "STJ studio",
            "version": version,
            "description": (
                "Pictures, their provenance, decisions, training runs and answers. A page of a list begins after `after`; "
                "`next` is the `after` of the page behind it, or null. Every error has the one shape `Error`. "
                "Where the studio listens to more than its own machine, writes need `Authorization: Bearer TOKEN`."
            ),
        },
        "paths": _paths(max_files),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Error": {"description": "What went wrong, in one sentence.", "content": _json(_ref("Error"))}
            },
        },
    }


def _paths(max_files: int) -> Json:
    after = _query("after", _COUNT, "the last row of the page before this one")
    limit = _query("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "rows on a page")
    image_id, crawl_id, review_id = (_path(name, _ID) for name in ("image_id", "crawl_id", "review_id"))
    name = _path("name", {"type": "string", "minLength": 1, "maxLength": 255})
    return {
        "/api/v1/health": {"get": _get("Whether the studio works, and with what.", "Health", [], failing=())},
        "/api/v1/openapi.json": {"get": _get("This document.", None, [], failing=())},
        "/api/v1/classify": {"post": _classify(max_files)},
        "/api/v1/images": {
            "get": _get("A page of pictures, newest first.", "Images", [*_filters(), *_model_filters(), after, limit])
        },
        "/api/v1/images/{image_id}": {
            "get": _get(
                "One picture with all that is known of it.",
                "WholeImage",
                [image_id],
                failing=("400", "404", "410", "503"),
            )
        },
        "/api/v1/images/{image_id}/sightings": {
            "get": _get("A page of one picture's sightings.", "Sightings", [image_id, after, limit])
        },
        "/api/v1/sightings": {
            "get": _get(
                "A page of sightings, newest first.",
                "Sightings",
                [_query("image", _COUNT, "of this picture"), _query("crawl", _COUNT, "of this crawl"), after, limit],
            )
        },
        "/api/v1/trace": {
            "get": _get(
                "What became of an address, an ASIN, a checksum or a picture's number.",
                "Trace",
                [
                    {
                        **_query("q", {"type": "string", "minLength": 1, "maxLength": 2000}, "the word"),
                        "required": True,
                    }
                ],
            )
        },
        "/api/v1/reviews": {
            "get": _get(
                "A page of decisions, newest first.", "Reviews", [_query("image", _COUNT, "about it"), after, limit]
            ),
            "post": _decide(),
        },
        "/api/v1/reviews/batch": {"post": _decide_many()},
        "/api/v1/reviews/undo": {"post": _undo_many()},
        "/api/v1/reviews/{review_id}": {
            "delete": {
                "summary": "Take a decision back; it stays on record.",
                "operationId": "undo_review",
                "parameters": [review_id],
                "security": [{}, {"token": []}],
                "responses": _responses("Decided", "200", failing=("401", "403", "404", "409", "503")),
            }
        },
        "/api/v1/tags": {
            "get": _get("Every tag and how many pictures carry it.", "Tags", [], failing=("400", "503")),
            "post": _act(
                "add_tags", "Give pictures a tag, or take it from them; or none of them.", _tag_body(), "Tagged"
            ),
        },
        "/api/v1/groups": {
            "post": _act(
                "add_groups",
                "Say that pictures are the same, of one group or apart, or split them off from their groups.",
                _group_body(),
                "Regrouped",
            )
        },
        "/api/v1/acts": {
            "get": _get("A page of acts, newest first.", "Acts", [_query("image", _COUNT, "about it"), after, limit])
        },
        "/api/v1/acts/{act_id}": {
            "delete": {
                "summary": "Take an act back as a whole; it stays on record.",
                "operationId": "undo_act",
                "parameters": [_path("act_id", _ID)],
                "security": [{}, {"token": []}],
                "responses": _responses("Regrouped", "200", failing=("401", "403", "404", "409", "503")),
            }
        },
        "/api/v1/runs": {"get": _get("Every training run, newest first.", "Runs", [], failing=())},
        "/api/v1/runs/{name}": {"get": _get("One training run.", "Run", [name], failing=("404", "503"))},
        "/api/v1/crawls": {"get": _get("A page of crawls, newest first.", "Crawls", [after, limit])},
        "/api/v1/crawls/{crawl_id}": {"get": _get("How one crawl stands.", "Crawl", [crawl_id])},
    }


def _filters() -> list[Json]:
    short = {"type": "string", "maxLength": 100}
    return [
        _query(
            "status", {"type": "string", "enum": [status.value for status in Status]}, "the word that they ended in"
        ),
        _query(
            "label",
            {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 1_000_000}, {"const": NO_CLASS}]},
            "the class; none for kept pictures of none of the classes",
        ),
        _query("reason", short, "why they are quarantined or rejected"),
        _query("crawl", _COUNT, "sighted in this crawl"),
        _query("source", {"type": "string", "maxLength": 200}, "of this brand or imported source"),
        _query("text", {"type": "string", "maxLength": 200}, "part of a title or an address, or an ASIN"),
        _query("group", _COUNT, "members of this group"),
        _query("tag", {"type": "string", "maxLength": LONGEST_TAG}, "that carry this tag, in whatever case"),
    ]


def _model_filters() -> list[Json]:
    """What a run must say of the pictures, and the order; `after` is then a place in that order."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    label = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
    return [
        _query("run", {"type": "string", "maxLength": 255}, "whose predictions count; the newest run's if not given"),
        _query("judged", {"type": "string", "enum": list(JUDGED)}, "as test pictures, or out of fold"),
        _query("answer", {"type": "string", "maxLength": 100}, "a class's short name, unsure or none"),
        _query("guess", label, "the likeliest class"),
        _query("true", label, "the class that they were learned or tested under"),
        _query("right", {"type": "string", "enum": ["yes", "no"]}, "whether the likeliest class is that one"),
        _query("split", {"type": "string", "enum": [str(split) for split in SPLITS]}, "of the run's dataset"),
        _query("shop", {"type": "string", "maxLength": 200}, "the source, as the run's dataset names it"),
        _query("sure_from", share, "the likeliest class's probability is not below this"),
        _query("sure_to", share, "nor above this"),
        _query("sort", {"type": "string", "enum": list(SORTS)}, "the order; newest first if not given"),
    ]


def _classify(max_files: int) -> Json:
    picture = {"type": "string", "contentMediaType": "application/octet-stream"}
    fields = {
        "files": {"type": "array", "items": picture, "minItems": 1, "maxItems": max_files},
        "run": {"type": "string", "description": "a run's name; the newest if not given"},
        "explain": {"type": "string", "enum": ["0", "1"], "description": "say where the network looked, too"},
    }
    schema = {"type": "object", "properties": fields, "required": ["files"]}
    return {
        "summary": "Judge one picture or several.",
        "operationId": "classify",
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        "responses": _responses("Answers", "200", failing=("400", "403", "404", "413", "415", "429", "503")),
    }


def _decide() -> Json:
    said = {
        "image_id": _ID,
        "seen": {**_COUNT, "description": "the newest standing decision you saw; 0 for none"},
        "reason": _TEXT,
        "reviewer": _TEXT,
    }
    needed = ["image_id", "action"]
    label = {**said, "action": {"const": "label"}, "label": {**_COUNT, "description": "the class"}}
    others = [str(action) for action in Action if action is not Action.LABEL]
    other = {**said, "action": {"enum": others}, "label": {"type": "null"}}
    body = {
        "oneOf": [
            {"type": "object", "properties": label, "required": [*needed, "label"]},
            {"type": "object", "properties": other, "required": needed},
        ]
    }
    return {
        "summary": "Decide about a picture; refused with 409 if somebody decided since you looked.",
        "operationId": "add_review",
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _responses("Decided", "201", failing=("400", "401", "403", "404", "409", "415", "503")),
    }


def _decide_many() -> Json:
    picture = _object({"image_id": _ID})
    picture["properties"]["seen"] = {**_COUNT, "description": "the newest standing decision you saw; 0 for none"}
    said = {
        "pictures": {"type": "array", "items": picture, "minItems": 1, "maxItems": MOST_AT_ONCE},
        "reason": _TEXT,
        "reviewer": _TEXT,
    }
    label = {**said, "action": {"const": "label"}, "label": {**_COUNT, "description": "the class"}}
    others = [str(action) for action in Action if action is not Action.LABEL]
    other = {**said, "action": {"enum": others}, "label": {"type": "null"}}
    body = {
        "oneOf": [
            {"type": "object", "properties": label, "required": ["pictures", "action", "label"]},
            {"type": "object", "properties": other, "required": ["pictures", "action"]},
        ]
    }
    return {
        "summary": "Decide the same about many pictures, or about none: 409 if somebody decided about one meanwhile.",
        "operationId": "add_reviews",
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _responses("DecidedMany", "201", failing=("400", "401", "403", "404", "409", "415", "503")),
    }


def _undo_many() -> Json:
    body = _object({"reviews": {"type": "array", "items": _ID, "minItems": 1, "maxItems": MOST_AT_ONCE}})
    return {
        "summary": "Take some decisions back, or none; they stay on record.",
        "operationId": "undo_reviews",
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _responses("DecidedMany", "200", failing=("400", "401", "403", "404", "409", "415", "503")),
    }


def _tag_body() -> Json:
    body = _object(
        {
            "pictures": _some_pictures(),
            "tag": {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG, "pattern": TAG_PATTERN},
        }
    )
    body["properties"] |= {"action": {"enum": ["tag", "untag", None]}, "reviewer": _TEXT}
    return body


def _group_body() -> Json:
    body = _object({"pictures": _some_pictures(), "action": {"enum": [*(str(word) for word in TOLD), SPLIT]}})
    body["properties"]["reviewer"] = _TEXT
    return body


def _some_pictures() -> Json:
    return {"type": "array", "items": _ID, "minItems": 1, "maxItems": MOST_AT_ONCE}


def _act(name: str, summary: str, body: Json, schema: str) -> Json:
    return {
        "summary": summary,
        "operationId": name,
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _responses(schema, "201", failing=("400", "401", "403", "404", "409", "415", "503")),
    }


def _schemas() -> Json:
    return {
        "Error": _object(
            {
                "error": _object(
                    {"status": {"type": "integer"}, "kind": {"type": "string"}, "message": {"type": "string"}}
                )
            }
        ),
        "Health": _object(
            {
                "status": {"const": "ok"},
                "version": {"type": "string"},
                "catalog": {"type": "boolean"},
                "run": _TEXT,
                "loaded": _TEXT,
            }
        ),
        "Answers": _object({"run": {"type": "string"}, "answers": _list("Answer")}),
        "Answer": _object(
            {
                "file": {"type": "string"},
                "answer": {**_TEXT, "description": "a class's short name, unsure or none"},
                "label": _NUMBER,
                "probabilities": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
                "out_of_scope": {"type": ["number", "null"], "description": "cosine distance to what was learned"},
                "error": _TEXT,
                "reason": {**_TEXT, "description": "a word for the error"},
                "nearest": _list("NearestPicture"),
                "learned": {
                    "description": "the split and class of these very bytes in the run's dataset; null for a new picture",
                    "oneOf": [_object({"split": {"type": "string"}, "label": _NUMBER}), {"type": "null"}],
                },
                "explanation": {**_TEXT, "description": "a PNG as a data address: where the network looked"},
            }
        ),
        "NearestPicture": _object(
            {
                **{
                    name: {"type": "string"} for name in ("sha256", "title", "asin", "product_url", "page", "thumbnail")
                },
                "distance": {"type": "number"},
                "label": _NUMBER,
            }
        ),
        "Tile": _object(
            {
                "id": _ID,
                "status": {"type": "string", "description": "a word of `status` above, or of another version of STJ"},
                **dict.fromkeys(("reason", "sha256", "path", "title", "asin", "thumbnail"), _TEXT),
                **dict.fromkeys(("label", "width", "height", "duplicate_of", "distance", "group_id"), _NUMBER),
                "tags": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "Tags": _object({"tags": {"type": "array", "items": _object({"tag": {"type": "string"}, "images": _COUNT})}}),
        "Act": _object(
            {
                "id": _ID,
                "action": {"type": "string", "description": "tag, untag, same, group or apart"},
                "reviewer": {"type": "string"},
                "made_at": {"type": "string"},
                "undone_at": _TEXT,
            }
        ),
        "Acts": _object(
            {
                "acts": {
                    "type": "array",
                    "items": {"allOf": [_ref("Act"), _object({"tag": _TEXT, "pictures": _COUNT, "pairs": _COUNT})]},
                },
                "next": _NUMBER,
            }
        ),
        "Tagged": _object(
            {
                "act": {"oneOf": [_ref("Act"), {"type": "null"}]},
                "tag": {"type": "string", "description": "as it is written"},
                "changed": {"type": "array", "items": _ID},
                "unchanged": _COUNT,
            }
        ),
        "Regrouped": _object(
            {
                "act": {"oneOf": [_ref("Act"), {"type": "null"}]},
                "pairs": _COUNT,
                "groups": {"type": "array", "items": _object({"image_id": _ID, "group_id": _ID})},
                "changed": {
                    "type": "array",
                    "items": _object({"image_id": _ID, "before": {"type": "string"}, "after": {"type": "string"}}),
                },
                "still_together": {**_COUNT, "description": "pairs told apart that stay in one group all the same"},
            }
        ),
        "Images": _object(
            {
                "images": {
                    "type": "array",
                    "items": {
                        "allOf": [_ref("Tile"), _object({"model": {"oneOf": [_ref("Prediction"), {"type": "null"}]}})]
                    },
                },
                "next": _NUMBER,
            }
        ),
        "Prediction": _object(
            {
                "run": {"type": "string"},
                "judged": {"enum": list(JUDGED)},
                "answer": {"type": "string"},
                "guess": _COUNT,
                "probability": {"type": "number", "description": "of the likeliest class"},
                "right": {"type": "boolean"},
                "label": {**_NUMBER, "description": "the class that it was learned or tested under"},
                "split": {"type": "string"},
                "source": {"type": "string"},
                "out_of_scope": {"type": ["number", "null"], "description": "how unlike all that was learned"},
            }
        ),
        "DecidedMany": _object({"decided": _list("Decided")}),
        "WholeImage": _object(
            {
                "image": _ANY,
                "sightings": _list("Sighting"),
                "sighted": _COUNT,
                "group": _list("Tile"),
                "neighbours": {"type": "array", "items": _object({"image": _ref("Tile"), "likeness": _ANY})},
                "reviews": _list("Review"),
                "exports": {"type": "array", "items": _ANY},
                "tags": {"type": "array", "items": {"type": "string"}},
                "told": {"type": "array", "items": _object({"image": _ref("Tile"), "word": {"type": "string"}})},
            }
        ),
        "Sighting": _object(
            {
                "id": _ID,
                "image_id": _NUMBER,
                "crawl_id": _ID,
                "position": _COUNT,
                "sponsored": {"type": "boolean"},
                "label": _NUMBER,
                **dict.fromkeys(("reason", "title", "asin", "image_url", "product_url", "page_url", "seen_at"), _TEXT),
            }
        ),
        "Sightings": _object({"sightings": _list("Sighting"), "next": _NUMBER}),
        "Review": _object(
            {
                "id": _ID,
                "image_id": _ID,
                "action": {"type": "string", "description": "label, keep, reject, or a word of another version of STJ"},
                "label": _NUMBER,
                "reviewer": {"type": "string"},
                "made_at": {"type": "string"},
                **dict.fromkeys(("reason", "undone_at"), _TEXT),
            }
        ),
        "Reviews": _object({"reviews": _list("Review"), "next": _NUMBER}),
        "Decided": _object(
            {
                "review": _ref("Review"),
                "image": _object({"id": _ID, "status": {"type": "string"}, "label": _NUMBER, "reason": _TEXT}),
            }
        ),
        "Trace": _object(
            {
                "word": {"type": "string"},
                "kind": {"type": "string", "enum": ["address", "asin", "checksum", "row", "title"]},
                "pictures": _list("Tile"),
                "bare": _list("Sighting"),
                "product": {"type": ["object", "null"]},
                "page": {"type": ["object", "null"]},
            }
        ),
        "Runs": _object({"runs": _list("RunEntry"), "latest": _TEXT}),
        "RunEntry": _object(
            {
                "name": {"type": "string"},
                "status": {"enum": ["finished", "training", "interrupted", "broken"]},
                "reason": {**_TEXT, "description": "what is wrong with it, or how far it is"},
                "recipe": {"type": "string"},
                "dataset_digest": {"type": "string"},
                "figures": _ANY,
                "config": _ANY,
            }
        ),
        "Run": {"allOf": [_ref("RunEntry"), _object({"history": {"type": ["array", "null"], "items": _ANY}})]},
        "Crawls": _object({"crawls": {"type": "array", "items": _ANY}, "next": _NUMBER}),
        "Crawl": _object(
            {
                "id": _ID,
                "spider": {"type": "string"},
                "state": {"type": "string"},
                "cards": _COUNT,
                "pages": _COUNT,
                "new": _COUNT,
                "set_aside": _COUNT,
                "parser": _TEXT,
                "coverage": {"description": "number of its cards, and the share of them that had each field"},
                **dict.fromkeys(("images", "reasons", "verdicts", "pace", "page_states"), _ANY),
            }
        ),
    }


def _get(
    summary: str, schema: str | None, parameters: list[Json], failing: tuple[str, ...] = ("400", "404", "503")
) -> Json:
    name = summary.lower().rstrip(".").replace(",", "").replace("'", "").replace(" ", "_")
    return {
        "summary": summary,
        "operationId": f"get_{name}"[:60],
        "parameters": parameters,
        "responses": _responses(schema, "200", failing),
    }


def _responses(schema: str | None, status: str, failing: tuple[str, ...]) -> Json:
    good = _json(_ref(schema) if schema else _ANY)
    errors = {code: {"$ref": "#/components/responses/Error"} for code in failing}
    return {status: {"description": "Done.", "content": good}, **errors}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str) -> Json:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
