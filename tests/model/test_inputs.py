"""What predict is given: every file is answered, or named with the reason; nothing is passed over in silence."""

from __future__ import annotations

import os
import resource
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from stj_core.errors import PictureError, TooLargeError, UsageError
from stj_images.decode import MAX_BYTES
from stj_model.fetching import UrlInput
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


def test_addresses_stand_among_files_and_other_schemes_are_answered_with_why(tmp_path: Path):
    (tmp_path / "a b.png").write_bytes(draw(0, 0))
    given = ["https://example.org/a.jpg", "ftp://example.org/a.jpg", "data:image/png;base64,AAAA", "S3://bucket/a.jpg"]
    found = collect([*given, (tmp_path / "a b.png").as_uri()])
    assert found.names == [*given, str(tmp_path / "a b.png")]
    assert isinstance(found.pictures[0], UrlInput)
    for picture, scheme in zip(found.pictures[1:4], ("ftp", "data", "s3"), strict=True):
        with pytest.raises(PictureError, match=f"is an address of {scheme}: only http and https are asked"):
            picture.read()
    assert found.pictures[4].read() == draw(0, 0)


def test_stdin_can_be_read_once():
    with pytest.raises(UsageError) as raised:
        collect(["-", "-"], b"a.jpg")
    assert str(raised.value) == "- was given twice, and stdin can be read once: leave one of them out."


@pytest.mark.parametrize("line", ["'{}'", '"{}"', "  {} ", "\t{}", "{}"])
def test_a_line_of_a_list_may_be_quoted_or_indented(tmp_path: Path, line: str):
    file = tmp_path / "a b's.png"
    file.write_bytes(draw(0, 0))
    assert collect(["-"], line.format(file).encode()).names == [str(file)]


def test_a_name_that_has_quotes_of_its_own_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("'a.png'").write_bytes(draw(0, 0))
    Path("a.png").write_bytes(draw(0, 1))
    assert collect(["-"], b"'a.png'\na.png\n").names == ["'a.png'", "a.png"]


def test_a_list_in_utf_16_and_a_home_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ü.png").write_bytes(draw(0, 0))
    for kind in ("utf-16", "utf-16-be", "utf-8-sig"):
        mark = "\ufeff" if kind == "utf-16-be" else ""
        assert collect(["-"], f"{mark}~/ü.png\r\nb.jpg\r\n".encode(kind)).names == [str(tmp_path / "ü.png"), "b.jpg"]


def test_more_archives_than_a_process_may_have_files_open(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(60):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("a.jpg", draw(0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, hard))  # noqa: PTH208 - numbers only
    try:
        found = collect([str(tmp_path)])
        assert [picture.read() for picture in found.pictures] == [draw(0, 0)] * 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_archive_that_was_replaced_is_read_anew(tmp_path: Path):
    for number in (0, 1):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(f"{number}.jpg", draw(number, 0))
        (picture,) = collect([str(tmp_path / "a.zip")]).pictures
        assert picture.read() == draw(number, 0)


def test_an_archive_s_odd_members_are_each_named(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name in ("/etc/a.jpg", "../../b.jpg", "c\nd.jpg", "e\u202egpj.jpg"):
            archive.writestr(name, draw(0, 0))
        archive.writestr("inner.zip", b"PK\3\4")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("/etc/a.jpg", draw(1, 1))
    found = collect([str(tmp_path / "odd.zip")])
    assert [picture.read() for picture in found.pictures] == [*[draw(0, 0)] * 4, draw(1, 1)]
    assert [one.why for one in found.passed_over] == ["an archive within an archive: unpack it first"]
    assert list(tmp_path.iterdir()) == [tmp_path / "odd.zip"]
    assert all("\n" not in shown(name) and "\u202e" not in shown(name) for name in found.names)


def test_a_pipe_in_a_folder_is_an_answer_and_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "x.jpg" / "in.png").write_bytes(draw(0, 0))
    found = collect([str(tmp_path)])
    assert sorted(Path(name).name for name in found.names) == ["in.png", "pipe.jpg"]
    with pytest.raises(PictureError, match="no regular file"):
        found.pictures[found.names.index(str(tmp_path / "pipe.jpg"))].read()


def test_an_archive_with_a_password_is_an_answer_for_each_picture(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as archive:
        archive.writestr("a.jpg", draw(0, 0))
        archive.writestr("b.jpg", draw(0, 1))
    data = bytearray((tmp_path / "locked.zip").read_bytes())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(signature, at + 4)
    (tmp_path / "locked.zip").write_bytes(data)
    found = collect([str(tmp_path / "locked.zip")])
    assert len(found.pictures) == 2
    for picture in found.pictures:
        with pytest.raises(PictureError, match="is encrypted"):
            picture.read()
