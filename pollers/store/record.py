"""The record of a poll: one MessagePack array, the same in Python and in the scripts.

One packed string per poll keeps a waiting poll near 400 bytes; a Redis hash per poll would cost
twice that, as its spec is too long for the compact encoding. ``scripts/record.lua`` names the same
positions, and a test holds the two together. The JSON inside is text that the scripts never parse.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgpack

from pollers.errors import UnreadableRecord

logger = logging.getLogger(__name__)

#: Version of the layout. A reader takes its own version and older ones, and leaves newer ones alone.
VERSION = 2

#: The priority of a poll that asks for none.
NORMAL = 1

LIVE_STATES = frozenset({"waiting", "running"})
TERMINAL_STATES = frozenset({"succeeded", "failed", "timed_out", "cancelled"})
_STATES = LIVE_STATES | TERMINAL_STATES
#: The live states as people see them.
SEEN_LIVE = LIVE_STATES | {"paused"}


class Record(NamedTuple):
    """One poll as it is stored. Moments are milliseconds of Redis' own clock."""

    #: Layout version of this record.
    version: int
    #: ``waiting``, ``running``, ``succeeded``, ``failed``, ``timed_out`` or ``cancelled``.
    state: str
    #: Number of the last attempt that began; the fencing token. 0 before the first.
    attempt: int
    #: When the poll was admitted.
    created_ms: int
    #: When it ends at the latest.
    deadline_ms: int
    #: Longest time one attempt may take.
    span_ms: int
    #: The terminal state a poll gets when its deadline passes: ``timed_out`` or ``succeeded``.
    lapse: str
    #: Queue that the application asked for; empty for Celery's own routing.
    queue: str
    #: The spec as JSON text (`pollers.spec.PollSpec.to_json`).
    spec: str
    #: Options of the held task as JSON text; empty when there are none.
    held: str
    #: What one attempt leaves for the next (`pollers.progress.Progress.to_json`); empty for nothing.
    progress: str = ""
    #: The last answer as JSON text: [status, excerpt, milliseconds, moment]; empty before the first.
    answer: str = ""
    #: The outcome of a succeeded or failed poll as JSON text; empty before.
    outcome: str = ""
    #: When the poll became terminal; 0 before.
    ended_ms: int = 0
    #: Until when a running held task has claimed the outcome; 0 when none has.
    claimed_ms: int = 0
    #: How many attempts were begun and never settled.
    crashes: int = 0
    #: Origin of the endpoint; empty in records of version 1, which pass every gate.
    origin: str = ""
    #: Name of the limit that the poll asks for; empty for that of its origin.
    limit: str = ""
    #: 0 high, 1 normal, 2 low.
    priority: int = NORMAL
    #: Whose poll it is, where several share the workers; may be empty.
    tenant: str = ""
    #: 1 while somebody has paused the poll, else 0.
    paused: int = 0
    #: Digest of its request, when it shares the answer with other polls; else empty.
    request: str = ""

    @classmethod
    def unpack(cls, packed: bytes) -> Record:
        """Read a packed record.

        Raises:
            UnreadableRecord: The bytes are no record, or one of a newer version.

        """
        try:
            fields = msgpack.unpackb(packed)
            version = fields[0]
            if version > VERSION:
                raise UnreadableRecord(f"a record of version {version}; this program reads {VERSION}")
            record = cls(*fields) if version == 1 else cls._make(fields)
        except (IndexError, KeyError, TypeError, ValueError, msgpack.UnpackException) as error:
            if isinstance(error, UnreadableRecord):
                raise
            raise UnreadableRecord(f"not the record of a poll: {packed[:60]!r}") from error
        if tuple(map(type, record)) != _TYPES or not record.is_sound:
            raise UnreadableRecord(f"a damaged record of a poll: {packed[:60]!r}")
        return record

    @property
    def is_sound(self) -> bool:
        """Whether its state and its priority are some that there are."""
        return self.state in _STATES and 0 <= self.priority <= 2

    @property
    def ended(self) -> bool:
        """Whether the poll has reached a terminal state."""
        return self.state in TERMINAL_STATES

    @property
    def seen(self) -> str:
        """The state as people see it: ``paused`` for a poll that waits, and that somebody has paused."""
        return "paused" if self.paused and self.state == "waiting" else self.state

    def last_answer(self) -> tuple[int | None, str, int, int] | None:
        """Return (status, excerpt, milliseconds, moment in ms) of the last answer.

        None when there was none, or when somebody has damaged it.
        """
        try:
            status, excerpt, elapsed_ms, at_ms = json.loads(self.answer or "null")
            return status, str(excerpt), int(elapsed_ms), int(at_ms)
        except (OverflowError, RecursionError, TypeError, ValueError):
            return None


_TYPES = (
    *(int, str, int, int, int, int, str, str, str, str, str, str, str, int, int, int),
    *(str, str, int, str, int, str),
)


def read_records(flat: Iterable[bytes]) -> list[tuple[str, Record]]:
    """Pair up ``id, record, id, record, ...``, leaving out what cannot be read."""
    pairs, records = iter(flat), []
    for poll_id, packed in zip(pairs, pairs, strict=True):
        try:
            records.append((poll_id.decode(), Record.unpack(packed)))
        except UnreadableRecord as error:
            logger.warning("Poll %s is left alone: %s", poll_id.decode(), error)
    return records
