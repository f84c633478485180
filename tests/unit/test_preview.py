"""The picture as a terminal shows it while its tiles arrive."""

from __future__ import annotations

from pollers.demo.mandelbrot import View
from pollers.demo.preview import AWAITED, SAMPLES, UPPER_HALF, Preview, mean


def test_awaited_tiles_are_dots_and_the_others_colours() -> None:
    """Each tile has its place, whichever arrives first."""
    preview = Preview(View(columns=2, rows=2, size=8))
    preview.add((1, 0), b"\x10\x20\x30" * 64)

    lines = preview.text().plain.split("\n")
    assert lines == [AWAITED * SAMPLES + UPPER_HALF * SAMPLES] * 2 + [AWAITED * SAMPLES * 2] * 2
    assert {str(span.style) for span in preview.text().spans} == {
        "dim",
        "rgb(16,32,48) on rgb(16,32,48)",
    }
    assert (1, 0) in preview
    assert (0, 0) not in preview
    assert len(preview) == 1


def test_a_sample_is_the_mean_of_its_pixels() -> None:
    """Only the pixels of its part of the tile count."""
    pixels = bytes([0, 0, 0, 100, 10, 2, 200, 20, 4, 255, 255, 255] * 4)

    assert mean(pixels, 4, left=1, right=3, top=0, bottom=2) == (150, 15, 3)


def test_a_large_picture_fits_into_a_small_terminal() -> None:
    """Twenty rows of tiles are twenty lines."""
    text = Preview(View(columns=20, rows=20, size=8)).text().plain.split("\n")

    assert len(text) == 20
    assert {len(line) for line in text} == {40}
