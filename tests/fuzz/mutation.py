"""Make bad inputs from good ones: cut, repeat, splice, flip, and put in what parsers stumble over; the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

# What broke something somewhere: numbers that overflow, characters that cannot be encoded, nesting, marks of other formats.
AWKWARD = (
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"\r\n",
    b"%00",
    b"&#xD800;",
    b"&#0;",
    b"9" * 25,
    b"-1",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"0x7fffffff",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"[" * 200,
    b'{"a":' * 100,
    b"<div>" * 150,
    b"</div>" * 20,
    b"<!--",
    b"-->",
    b"<script>",
    b"]]>",
    b"<?xml?>",
    b"http://[::1",
    b"http://a:99999/",
    b"//",
    b"javascript:",
    b"data:,",
    b"*" * 100,
    b"$",
    b"User-agent: *\n",
    b"Disallow: /*a*b*c*$\n",
    b"Crawl-delay: 9e99\n",
    b",",
    b"\n",
    b"=",
    b"#",
    b"'''",
    b"\xef\xbb\xbf",
    b"label = ",
    b"[[category]]\n",
    b"IHDR",
    b"Exif\0\0",
)


def mutated(seed: int, inputs: Sequence[bytes], most: int = 200_000) -> bytes:
    """One bad input, made from `inputs` by a few changes that `seed` decides; at most `most` bytes."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(inputs))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 5, 9, 30))):
        _change(data, chance, inputs)
    return bytes(data[:most])


def _change(data: bytearray, chance: random.Random, inputs: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + int(chance.expovariate(1 / 40)))
    kind = chance.randrange(8)
    if kind == 0:
        del data[start:end]
    elif kind == 1:
        data[start:end] = data[start:end] * chance.choice((2, 3, 50))
    elif kind == 2:
        data[start:start] = chance.choice(AWKWARD)
    elif kind == 3:
        data[start:end] = chance.choice(AWKWARD)
    elif kind == 4:
        for place in range(start, end):
            data[place] = chance.randrange(256)
    elif kind == 5:
        other = chance.choice(inputs)
        begin = chance.randrange(len(other) + 1)
        data[start:end] = other[begin : begin + int(chance.expovariate(1 / 300))]
    elif kind == 6:
        del data[start:]
    elif end > start:
        data[start] ^= 1 << chance.randrange(8)
