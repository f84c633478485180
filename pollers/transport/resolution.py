"""The time of a name's resolution: `getaddrinfo` has no timeout, and cannot be interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, resolve: Callable[[], T]) -> T:
    """Return what a call returns. One that takes longer is left behind, to end by itself.

    Raises:
        TimeoutError: It has not returned within so many seconds.
        Exception: What it raises.

    """
    ended: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            ended.put((resolve(), None))
        except Exception as error:
            ended.put((None, error))

    threading.Thread(target=run, name="pollers-resolver", daemon=True).start()
    try:
        value, error = ended.get(timeout=max(0.001, seconds))
    except Empty:
        raise TimeoutError(f"no address within {seconds:.1f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # the call's own
