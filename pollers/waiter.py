"""Waiters of AWS, as parameters of polls: what botocore has in its ``waiters-2.json`` files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

#: Seconds that a request of a waiter may take, for its timeout.
_REQUEST = 10.0
_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """What a waiter waits for, and how often: ``poll.delay(url, **waiter.params())``."""

    #: As AWS writes them: state, matcher, argument, expected.
    acceptors: list[dict[str, Any]]
    #: Seconds between two attempts.
    delay: float
    #: Attempts after which the waiter gives up.
    max_attempts: int

    @classmethod
    def from_file(cls, path: str | Path, name: str) -> Self:
        """Read a waiter from a ``waiters-2.json`` file, by its name: ``ClusterActive`` or ``cluster_active``.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is no such file, or has no such waiter; the message names those it has.

        """
        return cls._of(json.loads(Path(path).read_text("utf-8")), name)

    @classmethod
    def from_botocore(cls, service: str, name: str) -> Self:
        """Read a waiter of a service from botocore, which must be installed.

        Raises:
            ImportError: botocore is not installed.
            ValueError: There is no such service or waiter.

        """
        from botocore.exceptions import UnknownServiceError
        from botocore.loaders import Loader

        try:
            return cls._of(Loader().load_service_model(service, "waiters-2"), name)
        except UnknownServiceError as error:
            raise ValueError(f"botocore has no waiters of a service {service!r}") from error

    @classmethod
    def _of(cls, content: Any, name: str) -> Self:
        waiters = content.get("waiters") if isinstance(content, Mapping) else None
        if not isinstance(waiters, Mapping) or content.get("version") != _VERSION:
            raise ValueError(f"not a file of waiters of version {_VERSION}")
        for known, waiter in waiters.items():
            if _plain(known) == _plain(name):
                return cls(
                    acceptors=waiter["acceptors"],
                    delay=float(waiter["delay"]),
                    max_attempts=int(waiter["maxAttempts"]),
                )
        raise ValueError(f"no waiter {name!r}; there are {', '.join(sorted(waiters))}")

    def params(self) -> dict[str, Any]:
        """Return the waiter as parameters of a poll."""
        return {
            "acceptors": self.acceptors,
            "every": self.delay,
            "max_attempts": self.max_attempts,
            "timeout": self.max_attempts * (self.delay + _REQUEST),
        }


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]", "", name).lower()
