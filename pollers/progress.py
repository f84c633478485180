"""What one attempt leaves for the next, wherever that one runs: one small value, kept as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pollers.plain_json import compact


class Progress(NamedTuple):
    """How far a poll has come. What has its default is not written, so a plain poll keeps no text."""

    #: Transient errors in a row, up to now.
    errors: int = 0
    #: The last wait that the cadence asked for, in seconds, where the next one builds on it.
    delay: float | None = None
    #: The value of the last answer, where the deadline brings success with it.
    value: Any = None
    #: Where a convention has led the attempts, an absolute URL; empty for the spec's own.
    url: str = ""
    #: What the convention has noted for itself.
    notes: Mapping[str, str] | None = None
    #: ETag or Last-Modified of the last answer from there, to ask for a change of it.
    validator: str = ""
    #: Values of answers that the next request has in it, by name.
    carried: Mapping[str, Any] | None = None
    #: Where the poll tells changes: validator or digest of the last answer.
    seen: str = ""
    #: How many changes its answers have had.
    changes: int = 0
    #: Changes that are not told yet, as (number, value).
    untold: Sequence[Sequence[Any]] = ()
    #: What the transport wants back (`pollers.answer.Answer.kept`): cookies, and where the poll has been.
    http: Mapping[str, Any] | None = None
    #: Seconds by which the service has asked every wait to be longer.
    slower: float = 0.0

    def to_json(self) -> str:
        """Return the progress as compact JSON; nothing when there is none."""
        if self == NONE:
            return ""
        given = {name: value for name, value in self._asdict().items() if value != _DEFAULTS[name]}
        return compact(given)

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """Return the progress that `to_json` wrote; fields of other versions are left out.

        Where somebody has damaged the text, it is that of a poll at its beginning.
        """
        if not text:
            return NONE
        try:
            values = dict(json.loads(text))
        except (RecursionError, TypeError, ValueError):
            return NONE
        return cls(**{name: value for name, value in values.items() if name in _DEFAULTS})


_DEFAULTS = Progress._field_defaults
#: Before the first attempt.
NONE = Progress()
