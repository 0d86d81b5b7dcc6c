"""Make a screenshot smaller: at most 256 colours, the rare ones as the nearest of the frequent, and no filter.

A page of text has few colours and many shades between them, which nobody tells from their neighbours. Reads what
browsers write: eight bits of red, green and blue, with or without alpha, not interlaced (W3C, PNG).
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}
_COLOURS = 256
Colour = tuple[int, ...]


def smaller(png: bytes) -> bytes:
    """The same picture in fewer bytes."""
    chunks = list(_chunks(png))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8, depth
    assert not interlaced, "interlaced"
    channels = _CHANNELS[kind]
    rows = _rows(
        zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width * channels, channels
    )
    pixels = [list(zip(*(row[part::channels] for part in range(3)), strict=True)) for row in rows]
    places, palette = _palette(Counter(pixel for row in pixels for pixel in row))
    packed = b"".join(b"\x00" + bytes(places[pixel] for pixel in row) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = bytes(part for colour in palette for part in colour)
    parts = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(packed, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _palette(seen: Counter[Colour]) -> tuple[dict[Colour, int], list[Colour]]:
    """Each colour's place, and the colours that have one."""
    palette = [colour for colour, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:_COLOURS]]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in seen:
        if colour not in places:
            nearest = min(palette, key=lambda known: sum((a - b) ** 2 for a, b in zip(known, colour, strict=True)))
            places[colour] = places[nearest]
    return places, palette


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert png.startswith(_SIGNATURE), "no PNG"
    at = len(_SIGNATURE)
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rows(packed: bytes, width: int, step: int) -> Iterator[bytearray]:
    """The lines of a picture, their filters undone."""
    above = bytearray(width)
    for at in range(0, len(packed), width + 1):
        line = bytearray(packed[at + 1 : at + 1 + width])
        _undo(packed[at], line, above, step)
        yield line
        above = line


def _undo(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    for place in range(len(line) if kind else 0):
        left, up = line[place - step] if place >= step else 0, above[place]
        corner = above[place - step] if place >= step else 0
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        line[place] = (line[place] + guess) & 255


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
