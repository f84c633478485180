"""Tiles of a Mandelbrot picture as RGB bytes: pure Python, and pure functions.

The colours are continuous: the escape count is taken as a real number, see the *renormalised* count
of Linas Vepstas, "Renormalizing the Mandelbrot Escape" (1997).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log, log2, sqrt

#: Width of the whole set in the complex plane, with a margin; zoom 1 shows this much.
WHOLE_SET = 3.2

#: |z| from which a point has escaped. Far above 2, so that the renormalised count is smooth; low
#: enough that the steps between two checks cannot overflow: 16 squared UNROLLED times is 1e19.
ESCAPE_RADIUS = 16.0

#: Steps between two checks. A check costs as much as a step, and the count does not depend on it.
UNROLLED = 4

#: The gradient around the cycle: position in [0, 1] and colour. The last repeats the first.
GRADIENT = (
    (0.0, (4, 9, 58)),
    (0.16, (32, 107, 203)),
    (0.42, (237, 255, 255)),
    (0.6425, (255, 170, 0)),
    (0.8575, (72, 12, 34)),
    (1.0, (4, 9, 58)),
)

#: Entries of the colour table, and how many of them one e-fold of the escape count moves on.
TABLE_SIZE = 2048
TABLE_SPEED = 900.0

INSIDE = b"\x02\x02\x0a"


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What the whole picture shows, and into how many tiles it is cut."""

    #: Tiles in a row, and rows.
    columns: int
    rows: int
    #: Edge of one square tile in pixels.
    size: int = 80
    #: Centre of the picture in the complex plane.
    re: float = -0.7615
    im: float = -0.08478
    #: Magnification: 1 shows the whole set across the picture's width.
    zoom: float = 1250.0
    #: Steps after which a point counts as inside the set.
    depth: int = 640

    def __post_init__(self) -> None:
        """Refuse what would render nothing, or for minutes: `ValueError` names the field."""
        for name, low, high in (
            ("columns", 1, 1000),
            ("rows", 1, 1000),
            ("size", 1, 512),
            ("re", -4, 4),
            ("im", -4, 4),
            ("zoom", 0.1, 1e12),
            ("depth", UNROLLED, 20_000),
        ):
            value = getattr(self, name)
            wanted = (int, float) if name in ("re", "im", "zoom") else int
            if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
                kind = "a number" if isinstance(wanted, tuple) else "a whole number"
                raise ValueError(f"{name} must be {kind} from {low} to {high}, not {value!r}")

    @classmethod
    def of_tiles(cls, tiles: int, *, size: int = 80) -> "View":
        """A view cut into `tiles` tiles, or as few more as fill a rectangle close to a square."""
        columns = ceil(sqrt(max(tiles, 1)))
        return cls(columns=columns, rows=ceil(max(tiles, 1) / columns), size=size)

    @property
    def width(self) -> int:
        """Pixels across the whole picture."""
        return self.columns * self.size

    @property
    def height(self) -> int:
        """Pixels down the whole picture."""
        return self.rows * self.size

    def places(self) -> Iterator[tuple[int, int]]:
        """Column and row of every tile, row by row from the top left."""
        for y in range(self.rows):
            for x in range(self.columns):
                yield x, y


def render(view: View, x: int, y: int, *, top: int = 0, bottom: int | None = None) -> bytes:
    """Pixel rows `top` up to `bottom` of the tile in column `x`, row `y`: three bytes a pixel.

    A tile rendered in slices is the same, byte for byte, as one rendered at once. `ValueError` when
    the view has no such tile.
    """
    if not (0 <= x < view.columns and 0 <= y < view.rows):
        raise ValueError(f"there is no tile {x}, {y} in a picture of {view.columns} x {view.rows}")
    step = WHOLE_SET / view.zoom / view.width
    left = view.re + (x * view.size - view.width / 2 + 0.5) * step
    upper = view.im - (y * view.size - view.height / 2 + 0.5) * step
    pixels = bytearray()
    for row in range(top, view.size if bottom is None else bottom):
        im = upper - row * step
        for column in range(view.size):
            pixels += colour(escape(complex(left + column * step, im), view.depth))
    return bytes(pixels)


def escape(c: complex, depth: int) -> float | None:
    """Steps, as a real number, until the orbit of `c` escapes; None when `depth` do not suffice."""
    if in_main_bodies(c):
        return None
    z = 0j
    for count in range(UNROLLED, depth + UNROLLED, UNROLLED):
        z = z * z + c
        z = z * z + c
        z = z * z + c
        z = z * z + c
        if abs(z) > ESCAPE_RADIUS:
            return count + 1 - log2(log(abs(z)))
    return None


def in_main_bodies(c: complex) -> bool:
    """Whether `c` lies in the cardioid or in the disc left of it, where every orbit stays."""
    im2 = c.imag * c.imag
    if (c.real + 1.0) * (c.real + 1.0) + im2 < 0.0625:
        return True
    shifted = c.real - 0.25
    q = shifted * shifted + im2
    return q * (q + shifted) < 0.25 * im2


def colour(count: float | None) -> bytes:
    """Red, green and blue of an escape count; the logarithm keeps the fringe from flickering."""
    if count is None:
        return INSIDE
    return TABLE[int(log(max(count, 1.0)) * TABLE_SPEED) % TABLE_SIZE]


def _table() -> list[bytes]:
    entries = []
    for index in range(TABLE_SIZE):
        at = index / TABLE_SIZE
        (start, low), (end, high) = next(pair for pair in pairwise(GRADIENT) if at < pair[1][0])
        part = (at - start) / (end - start)
        eased = part * part * (3.0 - 2.0 * part)
        entries.append(bytes(round(a + (b - a) * eased) for a, b in zip(low, high, strict=True)))
    return entries


TABLE = _table()
