"""The picture as Celery work: start a tile, wait for it, fetch it; and stitch when all are there.

Pixels travel by file, so that neither messages nor results carry megabytes through Redis.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import requests
from celery import chain, chord
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)
from urllib3.exceptions import NewConnectionError

from pollers import poll
from pollers.app import app
from pollers.demo import png
from pollers.demo.mandelbrot import View

#: Our own work has a queue of its own: attempts do not wait behind it, and a worker that does not
#: know these tasks does not get them.
QUEUE = "pollers-demo"

#: Total time for the repetitions of one request, in seconds.
PATIENCE = 60.0

#: Time after which a tile is not started any more, in seconds: its farm has ended.
EXPIRES = 180.0

#: Time for one request, in seconds.
REQUEST_TIMEOUT = 10.0

#: Answers after which a request is worth repeating.
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

P = ParamSpec("P")
T = TypeVar("T")

_local = threading.local()


class Unready(Exception):
    """The farm answered "later": args are the status and the seconds it asked to wait."""


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, requests.ConnectionError) and isinstance(
        getattr(error.args[0], "reason", None), NewConnectionError
    ):
        # Nobody listens: the farm of a run that was broken off. An answer lost is something else.
        return False
    return isinstance(error, requests.ConnectionError | requests.Timeout | Unready)


def _pause(state: RetryCallState) -> float:
    """Seconds until the next try: a growing random pause, on top of what the farm asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.args[1] if isinstance(error, Unready) else 0.0
    return asked + wait_random_exponential(multiplier=0.1, max=2.0)(state)


def _patiently(function: Callable[P, T]) -> Callable[P, T]:
    """Repeat a request that got no answer or a transient one, for `PATIENCE` seconds."""
    repeating = retry(
        retry=retry_if_exception(_is_transient),
        wait=_pause,
        stop=stop_after_delay(PATIENCE),
        reraise=True,
    )
    return repeating(function)


def _send(method: str, url: str, **options: Any) -> requests.Response:
    if not hasattr(_local, "session"):
        # A session for each thread: requests does not promise that one can be shared.
        _local.session = requests.Session()
    answer: requests.Response = _local.session.request(method, url, timeout=REQUEST_TIMEOUT, **options)
    if answer.status_code in TRANSIENT:
        raise Unready(answer.status_code, float(answer.headers.get("Retry-After", 0)))
    answer.raise_for_status()
    return answer


@app.task(name="pollers.demo.start_tile", queue=QUEUE)
@_patiently
def start_tile(farm: str, tile: dict[str, Any]) -> str:
    """Order a tile at the farm; returns the URL to poll."""
    return _send("POST", f"{farm}/tiles", json=tile).headers["Location"]


@app.task(name="pollers.demo.fetch_tile", queue=QUEUE)
@_patiently
def fetch_tile(url: str, *, path: str) -> str:
    """Write the pixels of a completed tile to `path`; returns the path."""
    target = Path(path)
    partial = target.with_suffix(".partial")
    partial.write_bytes(_send("GET", url).content)
    partial.replace(target)
    return path


@app.task(name="pollers.demo.stitch", queue=QUEUE)
def stitch(paths: list[str], *, columns: int, size: int, output: str) -> str:
    """Put the tiles at `paths`, row by row from the top left, into one PNG; returns its path."""
    stride, rows = size * 3, []
    for start in range(0, len(paths), columns):
        tiles = [Path(path).read_bytes() for path in paths[start : start + columns]]
        for at in range(0, size * stride, stride):
            rows.append(b"".join(tile[at : at + stride] for tile in tiles))
    png.write(Path(output), columns * size, rows)
    return output


def picture(farm: str, view: View, directory: Path, output: Path) -> Any:
    """The signature of the whole job: `.delay()` it, and the result is the picture's path."""
    tiles = [
        chain(
            start_tile.s(farm, {**asdict(view), "x": x, "y": y}).set(expires=EXPIRES),
            poll.s(
                until="status == 'completed'",
                fail_when="status == 'failed'",
                returns="output.url",
                every="1s",
                timeout="2m",
            ),
            fetch_tile.s(path=str(tile_path(directory, x, y))),
        )
        for x, y in view.places()
    ]
    return chord(tiles, stitch.s(columns=view.columns, size=view.size, output=str(output)))


def tile_path(directory: Path, x: int, y: int) -> Path:
    """Where the pixels of the tile in column `x`, row `y` are kept."""
    return directory / f"{x}-{y}.rgb"
