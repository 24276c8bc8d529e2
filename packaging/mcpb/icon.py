"""Draws icon.png: bars that fall, and a point under them. Needs nothing but Python."""

import struct
import sys
import zlib
from pathlib import Path

SIZE = 512
GROUND = (17, 76, 82)
BAR = (244, 241, 232)
POINT = (246, 174, 45)
# Left, top, right, bottom, radius, colour.
SHAPES = [
    (16, 16, 496, 496, 104, GROUND),
    (104, 112, 168, 400, 24, BAR),
    (200, 192, 264, 400, 24, BAR),
    (296, 272, 360, 400, 24, BAR),
    (388, 336, 452, 400, 32, POINT),
]


def covered(x, y, shape):
    """Says how much of a pixel lies in a rounded rectangle, from 0 to 1."""
    left, top, right, bottom, radius, _ = shape
    across = max(left + radius - x, x - (right - radius), 0)
    down = max(top + radius - y, y - (bottom - radius), 0)
    return min(max(radius - (across * across + down * down) ** 0.5 + 0.5, 0), 1)


def pixel(x, y):
    colour, alpha = GROUND, 0.0
    for shape in SHAPES:
        part = covered(x + 0.5, y + 0.5, shape)
        colour = tuple(part * new + (1 - part) * old for new, old in zip(shape[5], colour))
        alpha = part + (1 - part) * alpha
    return bytes(round(channel) for channel in colour) + bytes([round(255 * alpha)])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(SIZE)) for y in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    png = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("icon.png")
    target.write_bytes(b"\x89PNG\r\n\x1a\n" + png)


if __name__ == "__main__":
    main()
