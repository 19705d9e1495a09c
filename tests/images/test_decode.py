"""The one decoder: every mode becomes the same upright RGB, and nothing but its pixels decides whether a picture is whole."""

from __future__ import annotations

import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from stj_core.errors import NotAnImageError, TooLargeError, TruncatedError
from stj_images.budget import Budget
from stj_images.decode import MAX_BYTES, decode, shrink
from stj_images.fingerprint import fingerprint
from tests.images.pictures import encode, photo

PNG = b"\x89PNG\r\n\x1a\n"


def levels(picture: Image.Image) -> np.ndarray:
    assert picture.mode == "RGB"
    return np.asarray(picture, dtype=np.int16)


def grey_copies(grey: Image.Image) -> dict[str, bytes]:
    eight = np.asarray(grey, dtype=np.uint32)
    wide = (eight * 257).astype(np.uint16)
    return {
        "8 bit": encode(grey, "PNG"),
        "16 bit PNG": encode(Image.fromarray(wide), "PNG"),
        "16 bit TIFF": encode(Image.fromarray(wide), "TIFF"),
        "big-endian 16 bit TIFF": encode(Image.fromarray(wide.astype(">u2")), "TIFF"),
        "16 bit PGM": b"P5 %d %d 65535\n" % grey.size + wide.astype(">u2").tobytes(),
        "16 bits in 32": encode(Image.fromarray((eight * 257).astype(np.int32)), "TIFF"),
        "8 bits in 32": encode(Image.fromarray(eight.astype(np.int32)), "TIFF"),
        "float to 1": encode(Image.fromarray((eight / 255).astype(np.float32)), "TIFF"),
        "float to 255": encode(Image.fromarray(eight.astype(np.float32)), "TIFF"),
        "float to 65535": encode(Image.fromarray((eight * 257).astype(np.float32)), "TIFF"),
        "LA": encode(grey.convert("LA"), "PNG"),
        "palette": encode(grey.convert("P"), "PNG"),
    }


@pytest.mark.parametrize("name", list(grey_copies(Image.new("L", (2, 2), 200))))
def test_every_depth_of_grey_has_the_same_pixels(name):
    grey = photo(1).convert("L")
    assert np.array_equal(levels(decode(grey_copies(grey)[name])), levels(grey.convert("RGB")))


def test_a_one_bit_picture_is_black_and_white():
    bits = photo(2).convert("1")
    assert np.array_equal(levels(decode(encode(bits, "PNG"))), levels(bits.convert("RGB")))


def test_levels_that_are_no_numbers_or_below_zero_are_black():
    strange = np.array([[np.nan, np.inf, -np.inf, -3.0, 0.5, 1.0]] * 4, dtype=np.float32)
    found = levels(decode(encode(Image.fromarray(strange), "TIFF")))
    assert found[0, :, 0].tolist() == [0, 0, 0, 0, 128, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_what_is_see_through_lies_on_white(mode):
    clear = Image.new("RGBA", (8, 8), (200, 10, 10, 0))
    if mode in {"P", "L", "RGB"}:
        data = encode(clear.convert(mode), "PNG", transparency=clear.convert(mode).getpixel((0, 0)))
    else:
        data = encode(clear.convert("LA" if mode == "PA" else mode), "PNG")
    assert set(np.unique(levels(decode(data)))) == {255}


def test_cmyk_is_rgb():
    picture = photo(3)
    found = levels(decode(encode(picture.convert("CMYK"), "TIFF")))
    assert np.abs(found - levels(picture)).max() <= 1


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_a_moving_picture_the_first_frame_counts(form):
    first, second = photo(4).quantize(16).convert("RGB"), photo(5)
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(first, form, save_all=True, append_images=[second], **options)
    assert np.abs(levels(decode(data)) - levels(first)).max() <= (0 if form != "GIF" else 1)


# One more EXIF entry each: tag, type, number of values, and the value or (from byte 38 on) its place.
ODDITIES = {
    "nothing odd": b"",
    "a resolution as text": struct.pack("<HHI4s", 0x011A, 2, 4, b"300\0"),
    "a maker as a fraction": struct.pack("<HHII", 0x010F, 5, 1, 38),
    "a unit as text": struct.pack("<HHI4s", 0x0128, 2, 4, b"inc\0"),
    "a moment as bytes": struct.pack("<HHI4s", 0x0132, 1, 4, b"\xff\xfe\0\0"),
    "a copyright that no character set reads": struct.pack("<HHI4s", 0x8298, 2, 4, b"\xff\xfe\x80\0"),
    "a value beyond the end": struct.pack("<HHII", 0x010F, 2, 400, 60_000),
    "an unknown type": struct.pack("<HHII", 0x9999, 77, 1, 1),
}


def turned(orientation: int, oddity: str = "nothing odd") -> bytes:
    """A lying JPEG whose EXIF block says how to turn it, and perhaps has one odd entry."""
    entries = [struct.pack("<HHII", 0x0112, 3, 1, orientation), *filter(None, [ODDITIES[oddity]])]
    block = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return encode(photo(6, (400, 300)), "JPEG", exif=b"Exif\0\0" + block + struct.pack("<II", 1, 3))


@pytest.mark.parametrize("oddity", ODDITIES)
def test_the_number_of_the_turn_alone_counts(oddity):
    data = turned(6, oddity)
    upright = levels(photo(6, (400, 300)).transpose(Image.Transpose.ROTATE_270))
    found = levels(decode(data))
    assert found.shape == upright.shape == (400, 300, 3)
    assert np.abs(found - upright).mean() < 4
    assert (fingerprint(data).width, fingerprint(data).height) == (300, 400)


@pytest.mark.parametrize("value", [0, 9, 77])
def test_a_turn_that_there_is_not_is_none(value):
    assert decode(turned(value)).size == (400, 300)


def chunk(kind: bytes, body: bytes, *, damaged: bool = False) -> bytes:
    checksum = zlib.crc32(kind + body) ^ damaged
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def with_chunk(data: bytes, extra: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return data[:33] + extra + data[33:]


TALK = {
    "a large profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(3_000_000))),
    "a large compressed text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)),
    "large metadata": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 2_000_000),
    "compressed metadata": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000)),
    "a damaged text": chunk(b"tEXt", b"Author\0somebody", damaged=True),
    "a damaged time": chunk(b"tIME", b"\x07\xe8\x01\x01\0\0\0", damaged=True),
    "a damaged unknown chunk": chunk(b"stJu", b"what is it", damaged=True),
    "a text without its keyword's end": chunk(b"tEXt", b"Author"),
}


@pytest.mark.parametrize("name", TALK)
def test_what_a_png_says_beside_its_pixels_never_costs_it_its_place(name):
    picture = photo(7)
    data = with_chunk(encode(picture, "PNG"), TALK[name])
    assert np.array_equal(levels(decode(data)), levels(picture))
    assert fingerprint(data).phash256 == fingerprint(encode(picture, "PNG")).phash256


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "RGBA"])
def test_a_png_whose_pixels_do_not_match_their_checksum_is_truncated(mode):
    data = bytearray(encode(photo(8).convert(mode), "PNG"))
    place = data.index(b"IDAT") + 4
    body = int.from_bytes(data[place - 8 : place - 4])
    data[place + body // 3 : place + body] = bytes(body - body // 3)
    for use in (decode, fingerprint):
        with pytest.raises(TruncatedError):
            use(bytes(data))


def rebuilt(data: bytes, change) -> bytes:
    """A PNG whose compressed pixels are what `change` makes of them, with checksums that fit."""
    place, pixels = len(PNG), b""
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            pixels += data[place + 8 : place + 8 + length]
        place += 12 + length
    return data[:33] + chunk(b"IDAT", change(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels[: len(pixels) // 2],
        lambda pixels: pixels[:-1] + bytes([pixels[-1] ^ 1]),
        lambda pixels: (
            pixels[: len(pixels) // 2] + bytes([pixels[len(pixels) // 2] ^ 255]) + pixels[len(pixels) // 2 + 1 :]
        ),
        lambda pixels: pixels[:2] + bytes(40) + pixels[42:],
    ],
    ids=["half", "its own checksum", "one byte", "its beginning"],
)
def test_a_png_whose_pixels_cannot_be_unpacked_is_truncated_whatever_its_checksums_say(change):
    """By both roads alike: what a crawl takes in, a training can read."""
    data = rebuilt(encode(photo(8), "PNG"), change)
    for use in (decode, fingerprint):
        with pytest.raises(TruncatedError):
            use(data)


def test_a_png_s_end_has_no_pixels():
    data = encode(photo(8), "PNG")
    for end in (data[:-1] + b"\0", data[:-4], data[:-12], data + b"<script>"):
        assert np.array_equal(levels(decode(end)), levels(photo(8)))
        assert fingerprint(end).phash256 == fingerprint(data).phash256


@pytest.mark.parametrize("size", [(90, 120), (900, 1200)])
@pytest.mark.parametrize("kept", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("after", [b"", b"<p>and more</p>" * 300, b"\xff\xd9"], ids=["", "more", "twice"])
def test_half_a_jpeg_is_truncated_though_somebody_closed_it(size, kept, after):
    """The marker of an end stands where the pixels broke off; the decoder fills the rest with grey, and says nothing."""
    data = encode(photo(9, size), "JPEG")
    closed = data[: int(len(data) * kept)] + b"\xff\xd9" + after
    for use in (decode, fingerprint, lambda cut: shrink(cut, 100)):
        with pytest.raises(TruncatedError, match="its last marker comes before its last pixels"):
            use(closed)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_that_ends_in_grey_is_whole(mode):
    grey = photo(9).convert("RGB")
    grey.paste((128, 128, 128), (0, 100, *grey.size))
    data = encode(grey.convert(mode), "JPEG")
    for whole in (data, data[:-2], data + b"more", encode(grey.convert(mode), "JPEG", progressive=True)):
        assert fingerprint(whole).phash == fingerprint(data).phash
        assert decode(whole).size == grey.size


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}, {"subsampling": 0}], ids=str)
def test_a_jpeg_without_its_last_marker_is_whole(options):
    data = encode(photo(9), "JPEG", **options)
    assert np.array_equal(levels(decode(data[:-2])), levels(decode(data)))
    assert fingerprint(data[:-2]).phash256 == fingerprint(data).phash256


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("lost", [30, 300, 3000])
def test_a_jpeg_that_lacks_pixels_is_truncated_at_every_size(options, lost):
    data = encode(photo(9, (900, 1200)), "JPEG", **options)[:-lost]
    for use in (decode, fingerprint, lambda cut: shrink(cut, 100)):
        with pytest.raises(TruncatedError):
            use(data)


def promised(width: int, height: int) -> bytes:
    """A PNG that promises many pixels and holds none."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [decode, fingerprint, lambda data: shrink(data, 64)], ids=["decode", "hash", "shrink"])
@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize(("components", "sampled"), [((0, 1, 2), 0), ((0,), 0x10), ((2,), 0x01), ((1, 2), 0)])
def test_a_jpeg_whose_header_samples_a_component_zero_times_is_broken(read, progressive, components, sampled):
    data = bytearray(encode(photo(1, (40, 50)), "JPEG", progressive=progressive))
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    for component in components:
        data[frame + 11 + 3 * component] = sampled
    with pytest.raises(TruncatedError):
        read(bytes(data))


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("side", [5, 7], ids=["height", "width"])
def test_a_jpeg_of_no_lines_or_columns_is_broken(progressive, side):
    data = bytearray(encode(photo(1, (40, 50)), "JPEG", progressive=progressive))
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + side : frame + side + 2] = b"\0\0"
    for read in (decode, fingerprint):
        with pytest.raises((TruncatedError, NotAnImageError)):
            read(bytes(data))


def test_more_pixels_or_bytes_than_a_photograph_has_are_too_large():
    with pytest.raises(TooLargeError, match=r"^The picture has 8001x8000 pixels, over 64 megapixels\.$"):
        decode(promised(8001, 8000))
    with pytest.raises(TooLargeError, match=r"^The picture has 20\.0 MiB, over 20\.$"):
        decode(encode(photo(1), "PNG") + bytes(MAX_BYTES))


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("WEBP", "RGB", {"lossless": True, "quality": 0, "method": 0}),
        ("PNG", "L", {}),
        ("PNG", "1", {}),
        ("GIF", "P", {}),
        ("JPEG", "RGB", {"progressive": True, "quality": 5}),
    ],
)
def test_a_blank_field_of_many_pixels_is_refused_before_it_is_decoded(form, mode, options):
    data = encode(Image.new(mode, (4000, 3300)), form, **options)
    for use in (decode, fingerprint, lambda bomb: shrink(bomb, 100)):
        with pytest.raises(
            TooLargeError, match=r"^The picture is a decompression bomb: \d+ bytes promise 4000x3300 pixels"
        ):
            use(data)


def claiming(form: str, side: int) -> bytes:
    """A small picture whose header claims many pixels, in a file that is large enough to hold them."""
    if form == "WEBP":
        data = bytearray(encode(photo(1), "WEBP", lossless=True))
        place = data.index(b"VP8L") + 9
        data[place : place + 4] = ((side - 1) | (side - 1) << 14 | 1 << 28).to_bytes(4, "little")
    else:
        data = bytearray(encode(photo(1), "JPEG", progressive=True, subsampling=0))
        place = data.index(b"\xff\xc2") + 5
        data[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(data) + bytes(side * side // 50)


@pytest.mark.parametrize(("form", "side"), [("WEBP", 4500), ("JPEG", 7600)])
def test_what_would_take_too_much_memory_to_decode_is_too_large(form, side):
    """Fewer pixels than are allowed, in a form that costs many bytes for each."""
    data = claiming(form, side)
    for use in (decode, fingerprint):
        with pytest.raises(
            TooLargeError, match=rf"^Decoding {side}x{side} pixels of {form} takes \d+ MB of memory, over 340\.$"
        ):
            use(data)


def test_a_png_is_not_decoded_before_its_memory_was_asked_for(monkeypatch):
    """Looking for its turn, Pillow loads a PNG that has no such tag; whatever is large is loaded in another process alone."""
    data = encode(photo(4), "PNG")
    loaded = []
    honest = PngImagePlugin.PngImageFile.load
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: loaded.append(1) or honest(self))
    here = fingerprint(data)
    assert loaded
    loaded.clear()
    monkeypatch.setattr("stj_images.fingerprint._BYTES_AT_ONCE", Budget(1))
    assert fingerprint(data) == here
    assert not loaded


def test_a_large_blank_jpeg_that_comes_line_by_line_costs_little_and_is_read():
    assert fingerprint(encode(Image.new("RGB", (4000, 3300)), "JPEG", quality=5)).width == 4000


def test_a_very_large_picture_is_hashed_in_another_process_with_the_same_hashes(monkeypatch):
    flat = Image.new("RGB", (5000, 3000), "white")
    flat.paste(photo(10, (1500, 2000)), (700, 500))
    turn = Image.Exif()
    turn[0x0112] = 6
    data = encode(flat, "PNG", compress_level=1, exif=turn)
    here = fingerprint(data)
    assert (here.width, here.height) == (3000, 5000)
    monkeypatch.setattr("stj_images.fingerprint._BYTES_AT_ONCE", Budget(1))
    assert fingerprint(data) == here
    with pytest.raises(TruncatedError):
        fingerprint(data[: len(data) // 2])


def test_a_heic_picture_is_read_where_its_package_is():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    picture = photo(11)
    assert np.abs(levels(decode(encode(picture, "HEIF", quality=100))) - levels(picture)).mean() < 3


def test_a_heic_picture_is_named_where_its_package_is_not(monkeypatch):
    monkeypatch.setattr("stj_images.decode._reads_heif", lambda: False)
    with pytest.raises(NotAnImageError, match=r"HEIC picture, which needs one more package: pip install 'stj\[heic\]'"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read():
    assert decode(encode(photo(12), "AVIF")).size == photo(12).size


def test_a_budget_never_gives_more_than_it_has():
    budget, most, now = Budget(10), [0], [0]
    lock = threading.Lock()

    def work(wanted: int) -> None:
        for _ in range(40):
            with budget.taken(wanted):
                with lock:
                    now[0] += min(wanted, 10)
                    most[0] = max(most[0], now[0])
                with lock:
                    now[0] -= min(wanted, 10)

    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in (1, 3, 7, 10, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] <= 10


def test_the_field_s_pictures_come_out_right(shared):
    for file in sorted((shared / "field" / "crawl").glob("pic*")):
        data = file.read_bytes()
        if file.name.startswith("pic7"):
            with pytest.raises(TruncatedError):
                decode(data)
        else:
            assert decode(data).size == (300, 400), file.name
            assert (fingerprint(data).width, fingerprint(data).height) == (300, 400)
