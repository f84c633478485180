"""The picture in a terminal while its tiles arrive: a character shows two samples."""

from __future__ import annotations

from itertools import pairwise

from rich.text import Text

from pollers.demo.mandelbrot import View

#: Samples along a tile's edge (even, as a character shows two rows), and in a picture so wide that
#: it would not fit into a terminal of 24 lines.
SAMPLES = 4
FEW_SAMPLES = 2
WIDE = 10

#: The upper half of a character; its colour is the upper sample, the background the lower one.
UPPER_HALF = "▀"
AWAITED = "·"

Colour = tuple[int, int, int]


class Preview:
    """Mean colours of the parts of a picture, as far as they are known."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._samples = SAMPLES if max(view.columns, view.rows) <= WIDE else FEW_SAMPLES
        self._tiles: dict[tuple[int, int], list[list[Colour]]] = {}

    def __len__(self) -> int:
        return len(self._tiles)

    def __contains__(self, place: tuple[int, int]) -> bool:
        return place in self._tiles

    def add(self, place: tuple[int, int], pixels: bytes) -> None:
        """Take up the RGB bytes of the tile at `place`: its column and row."""
        size, samples = self._view.size, self._samples
        edges = [size * number // samples for number in range(samples + 1)]
        spans = list(pairwise(edges))
        self._tiles[place] = [
            [mean(pixels, size, left, right, top, bottom) for left, right in spans] for top, bottom in spans
        ]

    def text(self) -> Text:
        """What is known, in colour; dots where tiles are awaited."""
        text = Text()
        for row in range(self._view.rows):
            for line in range(0, self._samples, 2):
                for column in range(self._view.columns):
                    self._append(text, (column, row), line)
                text.append("\n")
        text.right_crop(1)
        return text

    def _append(self, text: Text, place: tuple[int, int], line: int) -> None:
        tile = self._tiles.get(place)
        if tile is None:
            text.append(AWAITED * self._samples, style="dim")
            return
        for above, below in zip(tile[line], tile[line + 1], strict=True):
            text.append(UPPER_HALF, style=f"rgb{_code(above)} on rgb{_code(below)}")


def mean(pixels: bytes, size: int, left: int, right: int, top: int, bottom: int) -> Colour:
    """The mean colour of a part of a tile with `size` pixels along its edge."""
    count = (right - left) * (bottom - top)
    rows = [pixels[(y * size + left) * 3 : (y * size + right) * 3] for y in range(top, bottom)]
    red, green, blue = (sum(sum(row[part::3]) for row in rows) // count for part in range(3))
    return red, green, blue


def _code(colour: Colour) -> str:
    return "({},{},{})".format(*colour)
