"""Exports with the proof of their split and their contact sheets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template

from stj_catalog.exports import export_sheet, export_story, newest_exports
from stj_core.vocabulary import SPLITS
from stj_web import params
from stj_web.errors import not_found
from stj_web.forgetting import told_of
from stj_web.studio import studio
from stj_web.tables import KINDS, download

pages = Blueprint("datasets", __name__)


@pages.get("/datasets")
def datasets() -> str:
    """Every export, newest first."""
    catalog = studio().catalog_or_none
    found = newest_exports(catalog) if catalog else []
    return render_template("datasets.html", exports=[one | {"there": _document(one) is not None} for one in found])


@pages.get(f"/datasets/<{params.ID}:export_id>")
def dataset(export_id: int) -> str:
    """One export."""
    catalog = studio().catalog
    story = studio().remembered(("export", export_id), lambda: export_story(catalog, export_id))
    if story is None:
        raise not_found(f"There is no export {export_id}: the catalogue knows those of the list.")
    split = params.choice("split", (*SPLITS, "withheld"))
    limit = params.limit()
    sheet = export_sheet(
        catalog, export_id, split=split, label=params.whole("label"), after=params.whole("after"), limit=limit
    )
    after = sheet[-1].tile.id if len(sheet) == limit else None
    return render_template(
        "dataset.html", story=story, document=_document(story), sheet=sheet, split=split, after=after
    )


@pages.get(f"/datasets/<{params.ID}:export_id>.<{KINDS}>")
def download_dataset(export_id: int, kind: str) -> Response:
    """The pictures of an export that the address asks for, as a file."""
    catalog = studio().catalog
    if export_story(catalog, export_id) is None:
        raise not_found(f"There is no export {export_id}: the catalogue knows those of the list.")
    split = params.choice("split", (*SPLITS, "withheld"))
    label = params.whole("label")

    def rows() -> Iterator[dict[str, Any]]:
        after: int | None = None
        while sheet := export_sheet(catalog, export_id, split=split, label=label, after=after, limit=500):
            yield from (
                told_of(replace(line.tile, status=line.status)) | {"split": line.split or "withheld"} for line in sheet
            )
            after = sheet[-1].tile.id

    return download(kind, f"dataset-{export_id}", ("id", "sha256", "split", "label", "status", "title", "asin"), rows())


def _document(story: dict[str, Any]) -> dict[str, Any] | None:
    """The folder's `dataset.json`, if the folder is still this export."""
    try:
        found = json.loads((Path(story["out"]) / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("digest") == story["digest"] else None
