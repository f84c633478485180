"""The end of a poll as a command tells it: the value, or what went wrong, and the exit code."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from pollers.cli.exits import SUCCEEDED, code, sentence
from pollers.cli.text import write_json, write_value
from pollers.errors import PollCancelled, PollEnded, PollTimeout


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How a poll ended, or why it is not waited for any longer."""

    #: None when the poll succeeded.
    error: BaseException | None = None
    value: Any = None
    attempts: int
    #: Seconds.
    elapsed: float

    @property
    def outcome(self) -> str:
        """One word: ``succeeded``, ``failed``, ``timed_out``, ``cancelled`` or ``interrupted``."""
        match self.error:
            case None:
                return "succeeded"
            case KeyboardInterrupt():
                return "interrupted"
            case PollTimeout():
                return "timed_out"
            case PollCancelled():
                return "cancelled"
        return "failed"

    def tell(self, *, as_json: bool, interrupted: str = "Interrupted.", **more: Any) -> int:
        """Write it for people or programs (these get ``more`` too); return the exit code."""
        if as_json:
            write_json({**more, **self._plain()})
        elif self.error is None:
            write_value(self.value)
        if self.error is None:
            return SUCCEEDED
        message = interrupted if isinstance(self.error, KeyboardInterrupt) else sentence(self.error)
        click.echo(message, err=True)
        return code(self.error)

    def _plain(self) -> dict[str, Any]:
        told: dict[str, Any] = {"outcome": self.outcome}
        if self.error is None:
            told["value"] = self.value
        elif isinstance(self.error, PollEnded):
            told["error"] = {
                "type": type(self.error).__name__,
                "message": str(self.error),
                "reason": self.error.reason,
                "status": self.error.status,
                "excerpt": self.error.excerpt,
            }
        return {**told, "attempts": self.attempts, "elapsed": round(self.elapsed, 3)}
