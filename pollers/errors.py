"""The errors of pollers: one family, and messages that say what happened, to what, and what to do.

::

    PollError
    ├── InvalidPoll (ValueError)          a parameter is wrong; nothing was stored
    ├── InvalidSetting (ValueError)       a setting of this process cannot be used
    ├── UnknownPoll (LookupError)         no poll of this id is known (any more)
    ├── AlreadyEnded (ValueError)         the poll has ended, and cannot be changed
    ├── UnreadableRecord (ValueError)      a record in Redis is damaged, or of a newer version
    ├── StoreUnavailable (OperationalError of kombu)   Redis is out of reach or takes no writes
    └── PollEnded                         a poll ended without success
        ├── PollFailed                    its condition of failure holds, or it was tried too often
        ├── PollRejected                  a permanent answer, or a URL that may not be polled
        ├── PollTimeout                   the deadline passed
        └── PollCancelled                 somebody cancelled it

All of them are rebuilt from ``args``, which are plain JSON: so they survive Celery's result backends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from kombu.exceptions import OperationalError


class PollError(Exception):
    """Anything that goes wrong with a poll."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        # What monitors show of a failed task: the sentence, without the details beside it.
        return f"{type(self).__name__}({str(self)!r})"


class InvalidPoll(PollError, ValueError):
    """A poll's parameters are wrong: the message names each wrong field and what would be right."""

    @classmethod
    def of(cls, problems: Mapping[str, str]) -> Self:
        """Build the error from what is wrong with each field."""
        lines = [f"{field}: {problem}" for field, problem in problems.items()]
        return cls("This poll is not valid. " + "; ".join(lines), dict(problems))

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by field."""
        return dict(self.args[1]) if len(self.args) > 1 else {}


class InvalidSetting(PollError, ValueError):
    """A ``pollers_*`` setting or ``POLLERS_*`` variable has a value that cannot be used."""


class UnknownPoll(PollError, LookupError):
    """No poll of this id is known, or it ended longer than ``result_expires`` ago."""


class AlreadyEnded(PollError, ValueError):
    """The poll has ended, so it cannot be changed any more."""


class UnreadableRecord(PollError, ValueError):
    """The record of a poll in Redis is damaged, or was written by a newer version of this package."""


class StoreUnavailable(PollError, OperationalError):
    """Redis cannot be reached, or takes no writes. Celery treats it as it treats its own broker's."""


class PollEnded(PollError):
    """A poll ended without success. Carries the last answer and how far the poll had come."""

    #: What the message says happened.
    verb = "ended"

    @classmethod
    def build(
        cls,
        reason: str,
        *,
        url: str,
        status: int | None,
        excerpt: str | None,
        attempts: int,
        elapsed: float,
    ) -> Self:
        """Compose the error; ``url`` is shown as it is, ``elapsed`` is in seconds."""
        last = f"; last answer {status or 'none'}" + (f": {excerpt}" if excerpt else "")
        if status is None and excerpt and excerpt in reason:
            last = ""
        tried = f"{attempts} attempt{'' if attempts == 1 else 's'} in {elapsed:.1f} s"
        message = f"{url} {cls.verb}: {reason} ({tried}{last if attempts else ''})"
        details = {
            "reason": reason,
            "url": url,
            "status": status,
            "excerpt": excerpt,
            "attempts": attempts,
            "elapsed": elapsed,
        }
        return cls(message, details)

    @property
    def reason(self) -> str:
        """Why it ended, in one short sentence."""
        return str(self._detail("reason") or self)

    @property
    def url(self) -> str:
        """The polled URL, without secrets."""
        return str(self._detail("url") or "")

    @property
    def status(self) -> int | None:
        """HTTP status of the last answer; None when there was none."""
        status = self._detail("status")
        return None if status is None else int(status)

    @property
    def excerpt(self) -> str | None:
        """The beginning of the last answer's body, or what went wrong with the last attempt."""
        excerpt = self._detail("excerpt")
        return None if excerpt is None else str(excerpt)

    @property
    def attempts(self) -> int:
        """Attempts that were begun."""
        return int(self._detail("attempts") or 0)

    @property
    def elapsed(self) -> float:
        """Seconds from submission to the end."""
        return float(self._detail("elapsed") or 0.0)

    def _detail(self, name: str) -> Any:
        return self.args[1].get(name) if len(self.args) > 1 else None


class PollFailed(PollEnded):
    """The condition of failure holds, or `max_attempts` or `max_errors` was reached."""

    verb = "failed"


class PollRejected(PollEnded):
    """The answer is permanent: asking again will not help."""

    verb = "was rejected"


class PollTimeout(PollEnded):
    """The deadline passed before the condition was met."""

    verb = "timed out"


class PollCancelled(PollEnded):
    """Somebody cancelled the poll."""

    verb = "was cancelled"
