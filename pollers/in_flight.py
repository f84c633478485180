"""Until when attempts of this worker may be in flight, as all of its processes know.

An attempt may outlive the task of its pack, so Celery does not know of it; and with the prefork pool it is
made in a child, while the parent decides when the worker ends.
"""

from __future__ import annotations

import mmap
import struct
import time

_MOMENT = struct.Struct("d")
#: The latest moment, on the monotonic clock. The children that are forked after the import have the same
#: memory. Of two that write at once one may have no effect: mostly they write nearly the same.
_memory = mmap.mmap(-1, _MOMENT.size)


def expect(seconds: float) -> None:
    """Note that attempts begin now whose requests take up to so many seconds."""
    moment = time.monotonic() + seconds
    if moment > _latest():
        _MOMENT.pack_into(_memory, 0, moment)


def is_expected() -> bool:
    """Return whether an attempt may still be in flight."""
    return time.monotonic() < _latest()


def _latest() -> float:
    moment: float = _MOMENT.unpack_from(_memory)[0]
    return moment
