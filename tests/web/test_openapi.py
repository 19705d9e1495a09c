"""The OpenAPI document and the routes say the same; schemathesis asks by the document and holds the answers against it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from stj_catalog.catalog import open_catalog
from stj_catalog.tags import TAG_PATTERN
from stj_core import __version__
from stj_core.config import read_config
from stj_web import create_app
from stj_web.openapi import document
from stj_web.settings import WebConfig

from .conftest import MakeApp


def test_every_route_is_documented_and_every_document_a_route(make_app: MakeApp) -> None:
    routes = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method)
        for rule in make_app().url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.methods
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = document(__version__, 32)["paths"]
    assert routes == {(path, method.upper()) for path, methods in described.items() for method in methods}
    names = [one["operationId"] for methods in described.values() for one in methods.values()]
    assert len(set(names)) == len(names)


@pytest.fixture
def api(stocked: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    shutil.copyfile(stocked / "catalog.sqlite", tmp_path / "catalog.sqlite")
    shutil.copytree(stocked / "images", tmp_path / "images")
    monkeypatch.setenv("STJ_RUNS", str(trained))
    open_catalog(str(tmp_path / "catalog.sqlite")).close()
    app = create_app(read_config(), WebConfig(scrapyd=""))
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    app.extensions["stj"].close()


def _tag_in(body: Any) -> Any:
    return body.get("tag") if isinstance(body, dict) else None


@pytest.mark.medium
@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
def test_the_answers_are_what_the_document_says(api: Any, mode: schemathesis.GenerationMode) -> None:
    asked = 0
    for found in api.get_all_operations():
        operation = found.ok()
        if mode is schemathesis.GenerationMode.NEGATIVE and not (
            operation.query or operation.path_parameters or operation.body
        ):
            continue  # nothing can be wrong about a request without parameters

        @settings(
            max_examples=6, suppress_health_check=list(HealthCheck), deadline=None, database=None, derandomize=True
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            answer = case.call()
            # "Too large" is a refusal too, which schemathesis does not count as one; and in a form a wrong value for a file,
            # such as null, arrives as a file of four bytes.
            in_form = case.media_type == "multipart/form-data"
            sent_files = in_form and isinstance(case.body, dict) and "files" in case.body
            spared = [negative_data_rejection] if answer.status_code == 413 or sent_files else []
            # It knows the length of a tag, and now and then writes one that its pattern forbids.
            if not re.search(TAG_PATTERN, str(_tag_in(case.body) or "tag")):
                spared.append(positive_data_acceptance)
            case.validate_response(answer, excluded_checks=spared)

        check()
    assert asked > 40
