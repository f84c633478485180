"""The demo's picture: tiles, colours, and the PNG that they become."""

import struct
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollers.demo import png
from pollers.demo.mandelbrot import INSIDE, TABLE, View, colour, escape, in_main_bodies, render

SMALL = View(columns=2, rows=2, size=8, depth=64)


def read_png(path: Path) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes of a PNG whose rows are filtered by "up"; checks every CRC."""
    content, at, data = path.read_bytes(), 8, b""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height = struct.unpack(">2I", body[:8])
        if kind == b"IDAT":
            data += body
        at += 12 + length
    lines, stride = zlib.decompress(data), width * 3 + 1
    above, pixels = bytes(width * 3), b""
    for row in range(height):
        line = lines[row * stride : (row + 1) * stride]
        assert line[0] == 2
        above = bytes((a + b) & 255 for a, b in zip(line[1:], above, strict=True))
        pixels += above
    return width, height, pixels


@given(top=st.integers(0, 8), x=st.integers(0, 1), y=st.integers(0, 1))
@settings(max_examples=20, deadline=None)
def test_a_tile_in_slices_is_the_tile_at_once(top: int, x: int, y: int) -> None:
    """Wherever a tile is cut, the slices put together are the same bytes."""
    whole = render(SMALL, x, y)

    assert len(whole) == 8 * 8 * 3
    assert render(SMALL, x, y, bottom=top) + render(SMALL, x, y, top=top) == whole


def test_tiles_fit_together() -> None:
    """A picture of four tiles shows what one tile of twice the size shows."""
    whole = render(View(columns=1, rows=1, size=16, depth=64), 0, 0)
    tiles = {place: render(SMALL, *place) for place in SMALL.places()}
    cuts = [slice(row * 24, row * 24 + 24) for row in range(8)]
    rows = [tiles[x, y][cut] for y in range(2) for cut in cuts for x in range(2)]

    assert b"".join(rows) == whole


@given(re=st.floats(-2, 2), im=st.floats(-2, 2))
def test_points_of_the_main_bodies_never_escape(re: float, im: float) -> None:
    """The short cut by formula says "inside" only of points that the iteration keeps, too."""
    c, z = complex(re, im), 0j
    if in_main_bodies(c):
        for _ in range(200):
            z = z * z + c
        assert abs(z) <= 2


@pytest.mark.parametrize("c", [2 + 2j, 0.5 + 0.5j, -0.75 + 0.1j, 0.26, -1.4 + 0.1j])
def test_escape_counts_are_near_the_plain_count(c: complex) -> None:
    """The renormalised count differs from the number of steps to |z| > 2 by less than two."""
    z, steps = 0j, 0
    while abs(z) <= 2:
        z, steps = z * z + c, steps + 1
    count = escape(c, 1000)

    assert count is not None
    assert abs(count - steps) < 2


def test_escape_counts_are_smooth() -> None:
    """Along a line outside the set, neighbours differ a little: no bands."""
    counts = [escape(complex(0.5 + n / 1000, 0.6), 500) or 0.0 for n in range(100)]
    steps = [later - earlier for earlier, later in pairwise(counts)]

    assert min(counts) > 0
    assert max(map(abs, steps)) < 0.05


def test_points_inside_are_dark() -> None:
    """The origin belongs to the set; a point far away does not."""
    assert colour(escape(0j, 100)) == INSIDE
    assert colour(escape(2 + 2j, 100)) in TABLE


def test_a_view_has_at_least_the_tiles_asked_for() -> None:
    """Tiles are added to fill a rectangle, never left out."""
    shapes = {n: (View.of_tiles(n).columns, View.of_tiles(n).rows) for n in (1, 2, 3, 10, 64)}

    assert shapes == {1: (1, 1), 2: (2, 1), 3: (2, 2), 10: (4, 3), 64: (8, 8)}


@pytest.mark.parametrize(
    ("field", "value"),
    [("columns", 0), ("rows", 1.5), ("size", 10_000), ("zoom", "1"), ("depth", True), ("re", 1e9)],
)
def test_a_view_that_cannot_be_rendered_is_refused(field: str, value: object) -> None:
    """The message names the field and what would be right."""
    with pytest.raises(ValueError, match=f"{field} must be a"):
        View(**{"columns": 1, "rows": 1, field: value})  # type: ignore[arg-type]


def test_a_tile_outside_the_picture_is_refused() -> None:
    """Columns and rows count from 0."""
    with pytest.raises(ValueError, match="no tile 2, 0 in a picture of 2 x 2"):
        render(SMALL, 2, 0)


@given(pixels=st.binary(min_size=12, max_size=120).map(lambda b: b[: len(b) // 12 * 12]))
@settings(max_examples=30)
def test_a_png_holds_the_pixels(pixels: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a reader finds in the file is what was written."""
    path = tmp_path_factory.mktemp("png") / "new" / "picture.png"

    size = png.write(path, 4, [pixels[at : at + 12] for at in range(0, len(pixels), 12)])

    assert read_png(path) == (4, len(pixels) // 12, pixels)
    assert size == path.stat().st_size
    assert list(path.parent.iterdir()) == [path]


def test_a_png_with_uneven_rows_is_not_written(tmp_path: Path) -> None:
    """A wrong row leaves no file behind."""
    with pytest.raises(ValueError, match="row 1 has 6 bytes, not 3"):
        png.write(tmp_path / "picture.png", 1, [b"abc", b"abcdef"])
    assert list(tmp_path.iterdir()) == []
