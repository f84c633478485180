"""A PNG writer for RGB pictures: the three chunks that a picture needs (W3C PNG, section 11)."""

import zlib
from collections.abc import Iterable
from pathlib import Path
from struct import pack

SIGNATURE = b"\x89PNG\r\n\x1a\n"
EIGHT_BITS, TRUECOLOUR = 8, 2
FILTER_UP = b"\x02"


def write(path: Path, width: int, rows: Iterable[bytes]) -> int:
    """Write `rows`, each of `width` RGB pixels, as a PNG file; returns the file's size in bytes.

    A row of another length is a `ValueError`. The file appears under its name only when complete.
    """
    packer = zlib.compressobj(6)
    data, height, above = bytearray(), 0, bytes(width * 3)
    for row in rows:
        if len(row) != width * 3:
            raise ValueError(f"row {height} has {len(row)} bytes, not {width * 3}")
        # Each byte less the one above it: neighbours are alike, and zlib likes zeros.
        less = bytes((a - b) & 255 for a, b in zip(row, above, strict=True))
        data += packer.compress(FILTER_UP + less)
        height, above = height + 1, row
    data += packer.flush()
    header = pack(">2I5B", width, height, EIGHT_BITS, TRUECOLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", bytes(data)), (b"IEND", b""))
    content = SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
    return len(content)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
