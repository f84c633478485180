"""The render farm without its HTTP side: its tiles, what becomes of them, what was asked."""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import asdict
from typing import Any

from pollers.demo.faults import Chance, Fault
from pollers.demo.kiln import Kiln, Status, Tile
from pollers.demo.mandelbrot import View


class Farm:
    """Tiles by id, rendered in a kiln; all methods may be called from several threads."""

    def __init__(self, chance: Chance, *, places: int = 8) -> None:
        self._chance = chance
        self._kiln = Kiln(chance, places=places)
        self._lock = threading.Lock()
        self._tiles: dict[str, Tile] = {}
        #: Requests so far by kind and tile; the number names the fault.
        self._asked: Counter[tuple[str, str]] = Counter()
        self._answers: dict[str, Counter[str]] = {}

    def start(self) -> None:
        """Start the rendering process; returns when it computes, after a second or so."""
        self._kiln.warm_up()

    def close(self) -> None:
        """Stop rendering, within about a second."""
        self._kiln.close()

    def describe(self, body: bytes) -> Tile:
        """The tile that a request describes, not queued yet; `ValueError` says what is wrong."""
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise ValueError("a tile is a JSON object")
        x, y = fields.pop("x", None), fields.pop("y", None)
        if type(x) is not int or type(y) is not int:
            raise ValueError("x and y are the tile's column and row: whole numbers from 0")
        try:
            view = View(**fields)
        except TypeError as error:
            raise ValueError(str(error).replace("View.__init__()", "a tile")) from None
        if not (0 <= x < view.columns and 0 <= y < view.rows):
            raise ValueError(f"there is no tile {x}, {y} in {view.columns} x {view.rows}")
        # The same tile has the same id: a repeated request finds the work done, or being done.
        digest = hashlib.sha256(json.dumps(asdict(view)).encode()).hexdigest()[:8]
        return Tile(id=f"{digest}-{x}-{y}", view=view, x=x, y=y)

    def submit(self, tile: Tile) -> Tile:
        """Queue the tile; or the one of the same id that there is already."""
        with self._lock:
            known = self._tiles.setdefault(tile.id, tile)
        if known is tile:
            self._kiln.add(tile)
        return known

    def get(self, tile_id: str) -> Tile | None:
        """The tile of this id, if it was submitted."""
        return self._tiles.get(tile_id)

    def disturb(self, kind: str, tile: Tile) -> Fault | None:
        """Note a request of `kind` ("start", "poll", "pixels"); how it is to be disturbed."""
        with self._lock:
            self._asked[kind, tile.id] += 1
            number = self._asked[kind, tile.id]
        return self._chance.fault(kind, tile.id, number)

    def note(self, kind: str, answer: str) -> None:
        """Note how a request of `kind` was answered: with a status, or "dropped"."""
        with self._lock:
            self._answers.setdefault(kind, Counter())[answer] += 1

    def stats(self) -> dict[str, Any]:
        """What happened so far: answers by kind and status, tiles by status."""
        with self._lock:
            answers = {kind: dict(sorted(counts.items())) for kind, counts in self._answers.items()}
            tiles = Counter(tile.status for tile in self._tiles.values())
        return {"answers": answers, "tiles": {str(status): tiles[status] for status in Status}}
