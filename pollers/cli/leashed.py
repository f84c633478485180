"""`celery`, for a parent that may be killed: ends when its standard input does.

The parent holds the other end of a pipe and writes nothing. However the parent ends, the pipe is
closed, which no handler of signals and no `finally` could promise.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

#: Seconds between the request to end and the end.
PATIENCE = 5.0


def main() -> None:
    """Run Celery's own command with our arguments."""
    threading.Thread(target=_wait_for_parent, name="leash", daemon=True).start()

    from celery.__main__ import main as celery

    sys.argv[0] = "celery"
    celery()


def _wait_for_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
