"""What predict is given: every file is answered, or named with the reason; nothing is passed over in silence."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from stj_core.errors import PictureError, TooLargeError, UsageError
from stj_images.decode import MAX_BYTES
from stj_model.inputs import collect, shown
from tests.model.conftest import draw


def test_a_folder_is_answered_whatever_its_pictures_are_called(tmp_path: Path):
    folder = tmp_path / "shop"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.jfif", "b.JPE", "c.pjpeg", "no-ending", "deep/er/d.WebP", "e.txt.png"):
        (folder / name).write_bytes(draw(0, 0))
    for name in ("notes.txt", ".hidden.jpg", "Thumbs.db"):
        (folder / name).write_bytes(b"no picture")
    found = collect([str(folder)])
    assert {Path(name).relative_to(folder).as_posix() for name in found.names} == {
        "a.jfif",
        "b.JPE",
        "c.pjpeg",
        "no-ending",
        "deep/er/d.WebP",
        "e.txt.png",
    }
    assert {Path(one.name).name for one in found.passed_over} == {"notes.txt", ".hidden.jpg", "Thumbs.db"}
    assert all(picture.read() == draw(0, 0) for picture in found.pictures)


@pytest.mark.parametrize(
    "lines", [b"a.jpg\r\nb c.jpg\r\n", b"\xef\xbb\xbfa.jpg\nb c.jpg", b"a.jpg\0b c.jpg\0", b"\n\na.jpg\n \nb c.jpg\n\n"]
)
def test_names_on_stdin_may_end_as_on_any_system(lines: bytes):
    assert collect(["-"], lines).names == ["a.jpg", "b c.jpg"]


def test_an_archive_is_answered_member_by_member(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("in/a.jpg", draw(0, 0))
        archive.writestr("in/readme.txt", b"no picture")
        archive.writestr("__MACOSX/in/._a.jpg", b"no picture")
        archive.writestr("unnamed", draw(1, 0))
    (tmp_path / "torn.zip").write_bytes((tmp_path / "some.zip").read_bytes()[:40])
    found = collect([str(tmp_path / "some.zip"), str(tmp_path / "torn.zip")])
    assert [name.removeprefix(f"{tmp_path}/") for name in found.names] == [
        "some.zip/in/a.jpg",
        "some.zip/unnamed",
        "torn.zip",
    ]
    assert found.pictures[1].read() == draw(1, 0)
    with pytest.raises(PictureError, match="Cannot read the archive"):
        found.pictures[2].read()
    assert len(found.passed_over) == 2


def test_an_archive_cannot_unfold_without_bounds(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(MAX_BYTES + 10))
    with pytest.raises(TooLargeError, match="has over 20 MiB"):
        collect([str(tmp_path / "bomb.zip")]).pictures[0].read()


def test_a_pattern_is_looked_up_where_the_shell_did_not(tmp_path: Path):
    for name in ("b.png", "a.png", "c[1].png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert [Path(name).name for name in collect([str(tmp_path / "?.png")]).names] == ["a.png", "b.png"]
    assert [Path(name).name for name in collect([str(tmp_path / "c[1].png")]).names] == ["c[1].png"]
    nothing = collect([str(tmp_path / "*.gif")])
    with pytest.raises(PictureError, match="No file matches"):
        nothing.pictures[0].read()


def test_what_cannot_be_read_is_an_answer_and_not_left_out(tmp_path: Path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    for what, why in ((folder, "Cannot read"), (tmp_path / "pipe.jpg", "no regular file"), ("a\0b", "Cannot read")):
        (picture,) = collect([str(what)]).pictures
        with pytest.raises(PictureError, match=why):
            picture.read()


def test_a_name_that_is_no_utf8_can_be_printed_and_stored(tmp_path: Path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Image.new("RGB", (8, 8)).save(os.fsdecode(raw))
    found = collect([os.fsdecode(raw)])
    assert found.names[0].endswith("caf\\xe9.png")
    found.names[0].encode("utf-8")
    assert found.pictures[0].read()
    assert shown("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"


def test_an_address_is_refused():
    with pytest.raises(UsageError, match="is an address, not a file"):
        collect(["https://example.org/a.jpg"])
