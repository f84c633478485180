"""Where the farm's tiles are rendered: a queue, a few places at the fire, one computing process.

Tiles wait for a place, then are rendered slice by slice in a process with a low priority,
so that neither the farm's answers nor the workers on the same machine wait for arithmetic.
"""

import logging
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context, parent_process
from queue import SimpleQueue

from pollers.demo.faults import Chance
from pollers.demo.mandelbrot import View, render

logger = logging.getLogger(__name__)

#: Pieces in which a tile is rendered; progress moves by one of them.
SLICES = 5

#: How much lower than normal the rendering process' priority is (nice levels).
NICENESS = 10


class Status(StrEnum):
    """The life of a tile at the farm."""

    QUEUED = "queued"
    RENDERING = "rendering"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the tile stays as it is."""
        return self in (Status.COMPLETED, Status.FAILED)


@dataclass(kw_only=True, slots=True)
class Tile:
    """One tile: written by the thread that renders it, read by the threads that answer."""

    id: str
    view: View
    x: int
    y: int
    status: Status = Status.QUEUED
    #: Finished part, from 0 to 1.
    progress: float = 0.0
    #: RGB bytes, once the status is completed.
    pixels: bytes = b""
    #: Why the tile failed.
    error: str = ""


class Kiln:
    """Renders tiles, `places` at a time; `close` ends it within about a second."""

    def __init__(self, chance: Chance, *, places: int = 8) -> None:
        self._chance = chance
        self._queue: SimpleQueue[Tile | None] = SimpleQueue()
        self._closing = threading.Event()
        # spawn: a fork of a process that has threads may hang.
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_settle_in)
        self._threads = [
            threading.Thread(target=self._work, name=f"kiln-{number}") for number in range(places)
        ]
        for thread in self._threads:
            thread.start()

    def warm_up(self) -> None:
        """Start the rendering process; returns when it computes, after a second or so."""
        self._pool.submit(time.monotonic).result()

    def add(self, tile: Tile) -> None:
        """Queue a tile."""
        self._queue.put(tile)

    def close(self) -> None:
        """Stop rendering; tiles that are not completed stay as they are."""
        self._closing.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _work(self) -> None:
        while (tile := self._queue.get()) is not None and not self._closing.is_set():
            try:
                self._render(tile)
            except Exception as error:
                # A farm that dies with one tile would leave all others waiting without a word.
                logger.exception("tile failed id=%s", tile.id)
                tile.error = f"{type(error).__name__}: {error}"
                tile.status = Status.FAILED

    def _render(self, tile: Tile) -> None:
        tile.status = Status.RENDERING
        started, duration = time.monotonic(), self._chance.duration(tile.id)
        pixels = bytearray()
        for number in range(SLICES):
            top, bottom = (tile.view.size * n // SLICES for n in (number, number + 1))
            slice_ = self._pool.submit(render, tile.view, tile.x, tile.y, top=top, bottom=bottom)
            pixels += slice_.result()
            part = (number + 1) / SLICES
            if self._closing.wait(max(0.0, started + duration * part - time.monotonic())):
                return
            tile.progress = part
        if self._chance.fails(tile.id):
            tile.error = "the fire went out"
            tile.status = Status.FAILED
        else:
            tile.pixels = bytes(pixels)
            tile.status = Status.COMPLETED


def _settle_in() -> None:
    """Prepare the rendering process: the farm stops it, not the terminal's Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the farm was killed; a pool's processes wait for work for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
