"""Counts attempts for metrics: about a microsecond each, as it is paid for every one."""

from __future__ import annotations

from collections.abc import Iterable

from pollers.engine import Settled
from pollers.store.meter import Meter

#: Status classes by the first character of a status, as an answer's text has it.
_CLASSES = {str(first): f"{first}xx" for first in range(1, 6)}
#: Of an attempt that got no answer.
NO_STATUS = "none"


def count_attempts(meter: Meter, settled: Iterable[Settled]) -> None:
    """Count attempts by origin, status class, decision and time of the request."""
    with meter.lock:
        attempts, request_ms = meter.attempts, meter.request_ms
        for one in settled:
            record, answer = one.record, one.settlement.answer
            origin = record.origin
            # The text is `[status, excerpt, ms, moment]`; it is not parsed, as that costs more than the rest.
            status, bucket = _CLASSES.get(answer[1:2], NO_STATUS), -1
            if answer is not record.answer:
                ms = int(answer.rsplit(",", 2)[1])
                bucket = ms.bit_length()
                request_ms[origin] = request_ms.get(origin, 0) + ms
            key = origin, status, one.decision, bucket
            attempts[key] = attempts.get(key, 0) + 1
