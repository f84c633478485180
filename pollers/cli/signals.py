"""The signals that end a command: Ctrl-C, SIGTERM and SIGHUP, and what has to be over before they do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


#: What each of them does: what was started is stopped, and the terminal is mended. Windows has no SIGHUP.
_HANDLERS: dict[int, Callable[..., Any]] = {
    number: signal.default_int_handler if name == "SIGINT" else _end
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
}


@contextmanager
def raised() -> Iterator[None]:
    """Have these signals raise errors, while the context lasts, where they would end the process.

    What is ignored, as SIGHUP under nohup, stays ignored.
    """
    ending = {number for number in _HANDLERS if signal.getsignal(number) is signal.SIG_DFL}
    with _handled({number: _HANDLERS[number] for number in ending}):
        yield


@contextmanager
def between_steps() -> Iterator[Callable[[], None]]:
    """Keep a signal until a step is over, so that it is known what was done; a second one is not kept.

    Yields what is to be called after each step.
    """
    before = {number: handler for number in _HANDLERS if callable(handler := signal.getsignal(number))}
    kept: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        kept.append(number)
        if len(kept) > 1:
            step_is_over()

    def step_is_over() -> None:
        if kept:
            before[kept[0]](kept[0], None)

    with _handled(dict.fromkeys(before, keep)):
        yield step_is_over


@contextmanager
def _handled(handlers: Mapping[int, Callable[..., Any]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
