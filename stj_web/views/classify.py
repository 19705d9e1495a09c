"""Classify uploaded pictures: a form for everybody, and the same answers as JSON for the page's script."""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, render_template, request

from stj_images.decode import MAX_BYTES
from stj_web.classifier import JudgedUpload, Upload
from stj_web.errors import RefusalError
from stj_web.security import classify_limit
from stj_web.studio import Studio, studio

pages = Blueprint("classify", __name__)


@pages.get("/classify")
def form() -> str:
    """The page where pictures are dropped."""
    return render_template("classify.html", **_page(studio()))


@pages.post("/classify")
@classify_limit
def answer() -> str:
    """The answers as a page, for a browser without scripts."""
    here = studio()
    run, judged = judge(here, explain=True, preview=True)
    shown = [_shown(one) for one in judged]
    return render_template("classify.html", **_page(here) | {"answers": shown, "run": run})


def judge(here: Studio, *, explain: bool, preview: bool = False) -> tuple[str, list[JudgedUpload]]:
    """Judge the files of this request.

    Raises:
        RefusalError: there is none, or there are too many.
    """
    uploads = read_uploads(here.web.max_files)
    wanted = request.form.get("run") or None
    return here.classifier.judge(uploads, run=wanted, explain=explain, preview=preview)


def read_uploads(most: int) -> list[Upload]:
    """The files of this request, as bytes.

    Raises:
        RefusalError: there is none, or there are too many.
    """
    files = [file for name in ("files", "file") for file in request.files.getlist(name)]
    given = [
        Upload(_name(file.filename, place), file.stream.read()) for place, file in enumerate(files, 1) if file.filename
    ]
    if not given:
        raise RefusalError(400, "no_file", "No picture was sent: choose one, as the form's field “files”.")
    if len(given) > most:
        raise RefusalError(400, "too_many_files", f"{len(given)} pictures were sent at once: {most} are taken.")
    return given


def as_json(judged: JudgedUpload, run: str) -> dict[str, Any]:
    """An answer in the REST interface: the shape of `stj-model predict`, and what is near."""
    return judged.answer.as_json() | {
        "reason": judged.reason,
        "nearest": [one.as_json(run) for one in judged.nearest],
        "learned": {"split": judged.learned.split, "label": judged.learned.label} if judged.learned else None,
        "explanation": _inline(judged.heat, "image/png") or None,
    }


def _shown(judged: JudgedUpload) -> dict[str, Any]:
    """An answer with the picture itself, for a page without scripts."""
    return {
        "judged": judged,
        "preview": _inline(judged.preview, "image/jpeg"),
        "heat": _inline(judged.heat, "image/png"),
    }


def _inline(data: bytes | None, kind: str) -> str:
    """A picture as a data address; empty where there is none."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}" if data else ""


def _page(here: Studio) -> dict[str, Any]:
    latest = here.runs.latest()
    names = here.runs.names()
    story = here.runs.entry(latest) if latest else None
    return {
        "answers": [],
        "run": latest,
        "runs": names,
        "story": story,
        "most": here.web.max_files,
        "mb": MAX_BYTES >> 20,
    }


def _name(given: str | None, place: int) -> str:
    """What to call an upload in its answer: the last part of its name, for reading only."""
    last = (given or "").replace("\\", "/").rsplit("/", 1)[-1]
    readable = "".join(letter for letter in last if letter.isprintable())[:120]
    return readable or f"picture {place}"
