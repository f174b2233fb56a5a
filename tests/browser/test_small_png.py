"""Palette pictures: the same pixels where there are few colours, near ones where there are many."""

import struct
import zlib
from collections.abc import Sequence

from tests.browser import small_png
from tests.browser.small_png import SIGNATURE


def png(rows: Sequence[Sequence[tuple[int, ...]]], *, filters: bytes) -> bytes:
    """Write rows of pixels as Chromium does, each line with the filter of its number."""
    channels = len(rows[0][0])
    lines = [bytes(channel for pixel in row for channel in pixel) for row in rows]
    above = bytes(len(lines[0]))
    packed = b""
    for kind, line in zip(filters, lines, strict=True):
        left = bytes(channels) + line[:-channels]
        corner = bytes(channels) + above[:-channels]
        guesses = {
            0: bytes(len(line)),
            1: left,
            2: above,
            3: bytes((a + b) // 2 for a, b in zip(left, above, strict=True)),
            4: bytes(small_png.paeth(*three) for three in zip(left, above, corner, strict=True)),
        }
        packed += bytes([kind])
        packed += bytes((a - b) & 255 for a, b in zip(line, guesses[kind], strict=True))
        above = line
    colour = {3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    return SIGNATURE + b"".join(small_png.chunk(*chunk) for chunk in chunks)


def read_palette(picture: bytes) -> list[list[tuple[int, ...]]]:
    """Return the pixels of a palette picture."""
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        found[kind] = picture[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (depth, colour) == (8, 3)
    palette = found[b"PLTE"]
    raw = zlib.decompress(found[b"IDAT"])
    return [
        [
            tuple(palette[3 * place : 3 * place + 3])
            for place in raw[line * (width + 1) + 1 : (line + 1) * (width + 1)]
        ]
        for line in range(height)
    ]


def test_few_colours_stay_as_they_are_under_every_filter() -> None:
    rows = [[(x * 7 % 256, y * 31, (x * y) % 4 * 60) for x in range(12)] for y in range(5)]

    shown = read_palette(small_png.smaller(png(rows, filters=bytes([0, 1, 2, 3, 4]))))

    assert shown == rows


def test_alpha_is_left_out() -> None:
    rows = [[(1, 2, 3, 255), (4, 5, 6, 255)]]

    assert read_palette(small_png.smaller(png(rows, filters=b"\x04"))) == [[(1, 2, 3), (4, 5, 6)]]


def test_many_colours_become_the_nearest_of_256() -> None:
    rows = [[(x, y, 0) for x in range(40)] for y in range(20)]

    shown = read_palette(small_png.smaller(png(rows, filters=bytes(20))))

    assert len({pixel for row in shown for pixel in row}) == 256
    far = [
        abs(a - b)
        for line, asked in zip(shown, rows, strict=True)
        for pixel, wanted in zip(line, asked, strict=True)
        for a, b in zip(pixel, wanted, strict=True)
    ]
    assert max(far) < 40
