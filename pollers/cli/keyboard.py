"""The key `q` as a second Ctrl-C, where there is a keyboard."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import termios
    import tty
except ImportError:  # not on Windows; Ctrl-C is left there
    termios = None  # type: ignore[assignment]


@contextmanager
def quits() -> Iterator[bool]:
    """Interrupt the main thread when ``q`` is typed; yields whether keys can be read at all."""
    if termios is None or not _has_keyboard():
        yield False
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    over, ended = os.pipe()
    reader = threading.Thread(target=_read, args=(keyboard, over), name="keyboard", daemon=True)
    try:
        # Keys one by one and unseen; Ctrl-C still is a signal.
        tty.setcbreak(keyboard)
        reader.start()
        yield True
    finally:
        os.close(ended)
        reader.join()
        os.close(over)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _has_keyboard() -> bool:
    try:
        # A job in the background is stopped when it touches the terminal.
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


def _read(keyboard: int, over: int) -> None:
    while True:
        ready, _, _ = select.select([keyboard, over], [], [])
        if over in ready:
            return
        key = os.read(keyboard, 1)
        if key in (b"", b"q", b"Q"):
            if key:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return
