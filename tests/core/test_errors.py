"""The drawn tree of errors is the real one, and every error has an exit code."""

from __future__ import annotations

import re

from stj_core import errors
from stj_core.errors import PictureError, StjError


def family(kind):
    return {kind, *(one for child in kind.__subclasses__() for one in family(child))}


def ours():
    return {one for one in family(StjError) if one.__module__ == errors.__name__}


def test_the_drawing_names_every_error_under_its_parent():
    lines = [line for line in errors.__doc__.splitlines() if re.search(r"\b\w+Error\b", line)]
    drawn = {}
    parents = []
    for line in lines:
        name = re.search(r"\w+Error\b", line)[0]
        depth = (line.index(name) - 4) // 4
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth else "Exception"
    assert drawn == {one.__name__: one.__mro__[1].__name__ for one in ours()}


def test_exit_codes_are_one_or_two():
    assert {one.exit_code for one in ours()} == {1, 2}


def test_every_picture_error_has_its_word():
    words = {one.__name__: one.reason for one in PictureError.__subclasses__() if one in ours()}
    assert words == {
        "NotAnImageError": "not_image",
        "TruncatedError": "truncated",
        "TooSmallError": "too_small",
        "TooLargeError": "too_large",
    }
