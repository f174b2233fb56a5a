"""Screenshots as small files: a palette of 256 colours instead of three bytes a pixel.

The standard library alone. Reads what Chromium writes: 8 bits a channel, with or without alpha, not
interlaced (PNG specification, third edition, sections 9 and 11).
"""

import struct
import zlib
from collections import Counter

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
Pixel = tuple[int, int, int]


def smaller(png: bytes) -> bytes:
    """Return the same picture in its 256 most used colours, the others by the nearest of them."""
    width, height, rows = _pixels(png)
    used = Counter(pixel for row in rows for pixel in row)
    palette = [pixel for pixel, _ in used.most_common(COLOURS)]
    place = {pixel: palette.index(_nearest(pixel, palette)) for pixel in used}
    lines = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + b"".join(
        (
            chunk(b"IHDR", header),
            chunk(b"PLTE", bytes(channel for pixel in palette for channel in pixel)),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        )
    )


def _nearest(pixel: Pixel, palette: list[Pixel]) -> Pixel:
    red, green, blue = pixel
    return min(palette, key=lambda p: (p[0] - red) ** 2 + (p[1] - green) ** 2 + (p[2] - blue) ** 2)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk: its length, kind, data and checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _pixels(png: bytes) -> tuple[int, int, list[list[Pixel]]]:
    width, height, channels, packed = 0, 0, 0, b""
    at = len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", data)
            channels = {2: 3, 6: 4}[colour]
            if depth != 8:
                raise ValueError(f"{depth} bits a channel are not read here")
        elif kind == b"IDAT":
            packed += data
        at += 12 + length
    lines = _unfiltered(zlib.decompress(packed), stride=width * channels, step=channels)
    rows = [
        list(zip(line[0::channels], line[1::channels], line[2::channels], strict=True))
        for line in lines
    ]
    return width, height, rows


def _unfiltered(raw: bytes, *, stride: int, step: int) -> list[bytearray]:
    """Undo the filter of each line: none, left, up, their mean, or the nearest of three (Paeth)."""
    lines: list[bytearray] = []
    above = bytearray(stride)
    for begin in range(0, len(raw), stride + 1):
        kind, line = raw[begin], bytearray(raw[begin + 1 : begin + 1 + stride])
        if kind == 2:
            line = bytearray((a + b) & 255 for a, b in zip(line, above, strict=True))
        elif kind:
            _undo(line, above, kind=kind, step=step)
        lines.append(line)
        above = line
    return lines


def _undo(line: bytearray, above: bytearray, *, kind: int, step: int) -> None:
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        up = above[i]
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + up) // 2
        else:
            corner = above[i - step] if i >= step else 0
            guess = paeth(left, up, corner)
        line[i] = (line[i] + guess) & 255


def paeth(left: int, up: int, corner: int) -> int:
    """Return which of the three neighbours is nearest to left + up - corner."""
    estimate = left + up - corner
    to_left, to_up, to_corner = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
