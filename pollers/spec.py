"""`PollSpec`: the validated description of one poll."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pollers import validation
from pollers.cadence import Cadence, Fixed, parse_cadence
from pollers.condition_rules import Match
from pollers.errors import InvalidPoll
from pollers.origin import short_origin
from pollers.redaction import redact_params

__all__ = ["Match", "PollSpec"]

DEFAULT_EVERY = 5.0
DEFAULT_TIMEOUT = 600.0
DEFAULT_REQUEST_TIMEOUT = 10.0
#: Hexadecimal digits that tell requests apart.
DIGEST_LENGTH = 24
#: Parameters that say what an answer means and when to ask, not what is asked. What is not listed here is
#: part of the request; so is `request_timeout`, as whoever has more patience must not get another's timeout.
_NOT_OF_THE_REQUEST = frozenset(
    {
        *("until", "fail_when", "acceptors", "returns", "pending_on", "on_change", "conditional", "every"),
        *("timeout", "deadline", "on_deadline", "max_attempts", "max_errors"),
        *("limit", "priority", "tenant", "coalesce", "tags", "webhook"),
    }
)

#: Compact JSON. Kept, as making an encoder takes as long as encoding a spec.
_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PollSpec:
    """One poll. Build it with `parse`; the values of its fields are plain JSON, checked."""

    #: The http or https URL to ask.
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Query parameters, added to those of the URL.
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Body to send as JSON.
    json: Any = None
    #: Body to send as it is (text), or as a form (mapping).
    data: Any = None
    #: Condition of success: JMESPath text, a status, statuses, or the mapping of a `Match`.
    until: Any = None
    #: Condition of failure, in the same forms.
    fail_when: Any = None
    #: Acceptors of an AWS or Smithy waiter, which decide instead of `until` and `fail_when`.
    acceptors: Any = None
    #: JMESPath of the value to return; None for the whole body.
    returns: str | None = None
    #: Answers that mean "not yet" before any condition is asked: statuses, or mappings of a `Match`.
    #: None means 202 and 304, where no condition holds.
    pending_on: Any = None
    #: The convention that decides instead, by name, or as a mapping of its name to its options.
    protocol: Any = None
    #: Whether the request starts the operation, and the convention leads on from its answer.
    start: bool = False
    #: Query parameters that stay on the URLs that a convention follows, by name.
    keep_params: Sequence[str] = ()
    #: Whether to ask only for what has changed, where the service has validators (ETag, Last-Modified).
    conditional: bool = True
    #: Name -> JMESPath of what each answer gives for ``{name}`` in the URL, params, headers or body of
    #: the next request.
    carry: Mapping[str, str] | None = None
    #: A Celery signature that is sent once for each change of the answer, as plain JSON.
    on_change: Any = None
    #: The cadence as plain JSON; see `cadence`.
    every: Any = DEFAULT_EVERY
    #: Seconds from submission to the deadline; None when `deadline` says it.
    timeout: float | None = DEFAULT_TIMEOUT
    #: The deadline in epoch seconds; None when `timeout` says it.
    deadline: float | None = None
    #: What the deadline brings: ``fail``, or ``succeed`` with the last answer.
    on_deadline: str = "fail"
    #: Attempts after which a poll that is still pending fails; None for no limit.
    max_attempts: int | None = None
    #: Consecutive transient errors after which the poll fails; None for no limit.
    max_errors: int | None = None
    #: Seconds that the service is asked to hold a request until there is news; None for not at all.
    long_poll: float | None = None
    #: Seconds that one request may take, from connecting to the last byte.
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT
    #: The name of credentials that the workers hold, never the secret itself; None for none.
    auth: str | None = None
    #: Name of the limit that the poll keeps; None for that of its origin.
    limit: str | None = None
    #: ``high``, ``normal`` or ``low``: who goes first when more is due than can be done.
    priority: str = "normal"
    #: Whose poll it is: those of each tenant get an even share when more is due than can be done.
    tenant: str | None = None
    #: Whether it shares the answers to its request with other polls that make the same and share, too.
    coalesce: bool = False
    #: Words to list, pause and resume by.
    tags: tuple[str, ...] | list[str] = ()
    #: Where its end is told by a signed webhook, and the name of the credential that signs: a mapping of
    #: ``url`` and ``auth``; None for nowhere.
    webhook: Any = None

    @classmethod
    def parse(
        cls, url: object = None, /, *, min_interval: float = 0.5, now: float | None = None, **params: Any
    ) -> Self:
        """Check the parameters of a poll and return its spec.

        ``url`` is an address, or a mapping of parameters that holds one (the result of a chain's
        task before). ``min_interval`` is the shortest cadence in seconds. With ``now``, the caller's
        clock in epoch seconds, a deadline that has passed is refused.

        Raises:
            InvalidPoll: Parameters are wrong; the error names all of them.

        """
        return cls.of_call((url,), params, min_interval=min_interval, now=now)

    @classmethod
    def of_call(
        cls, args: Sequence[Any], params: Mapping[str, Any], *, min_interval: float, now: float | None
    ) -> Self:
        """Check the arguments that a task was called with, as `parse` does.

        Raises:
            InvalidPoll: They are wrong; the error names all parameters that are.

        """
        merged, problems = validation.merge(args, params)
        values, more = validation.check(merged, complete=True, min_interval=min_interval, now=now)
        if problems or more:
            raise InvalidPoll.of(problems | more)
        return cls(**values)

    @classmethod
    def check_partial(cls, params: Mapping[str, Any], args: Sequence[Any] = ()) -> dict[str, Any]:
        """Check the arguments of a call that is not complete yet, as of a step in a chain.

        Returns the named ones as plain JSON, so that they can travel in a signature.

        Raises:
            InvalidPoll: They are wrong; the error names all parameters that are.

        """
        merged, problems = validation.merge(args, params)
        values, more = validation.check(merged, complete=False, min_interval=0.0, now=None)
        if problems or more:
            raise InvalidPoll.of(problems | more)
        return {name: values[name] for name in params if name in values}

    def to_json(self) -> str:
        """Return the spec as compact JSON, without the fields that have their default."""
        return _written(self.given())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the spec that `to_json` wrote, and checked; fields of later versions are left out.

        Raises:
            ValueError: The text is not a spec.

        """
        values = json.loads(text)
        if not isinstance(values, dict) or "url" not in values:
            raise ValueError(f"not the spec of a poll: {text[:100]!r}")
        if not values.keys() <= _DEFAULTS.keys():
            values = {name: value for name, value in values.items() if name in _DEFAULTS}
        return cls(**values)

    @classmethod
    def salvaged(cls, text: str) -> Self:
        """Return the spec in a text, or, where the text is damaged, an empty one to show in its place."""
        try:
            return cls.from_json(text)
        except (RecursionError, TypeError, ValueError):
            return cls(url="")

    @property
    def cadence(self) -> Cadence:
        """The cadence that `every` describes."""
        return Fixed(self.every) if isinstance(self.every, float) else parse_cadence(self.every)

    @property
    def longest_request(self) -> float:
        """Seconds that one request may take, with what the service may hold it."""
        return self.request_timeout + (self.long_poll or 0.0)

    @property
    def convention(self) -> str | None:
        """The name of the convention that `protocol` names."""
        name: str | None = next(iter(self.protocol)) if isinstance(self.protocol, dict) else self.protocol
        return name

    @property
    def protocol_options(self) -> Mapping[str, Any]:
        """What `protocol` says about its convention beside the name."""
        return next(iter(self.protocol.values())) if isinstance(self.protocol, dict) else {}

    @property
    def request_digest(self) -> str:
        """What tells its request from others; empty for a poll that does not share answers."""
        if not self.coalesce:
            return ""
        request = {name: value for name, value in self.given().items() if name not in _NOT_OF_THE_REQUEST}
        text = json.dumps(request, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

    @property
    def origin(self) -> str:
        """The origin of the endpoint, in its short form."""
        return short_origin(self.url)

    def shown(self) -> dict[str, Any]:
        """Return the given parameters as people may see them, without secrets."""
        return redact_params(self.given())

    def given(self) -> dict[str, Any]:
        """Return the fields that differ from their default, as plain JSON."""
        return {
            name: value for name, default in _DEFAULTS.items() if (value := getattr(self, name)) != default
        }


_DEFAULTS: dict[str, Any] = {
    field.name: (
        field.default_factory()
        if field.default_factory is not dataclasses.MISSING
        else None
        if field.default is dataclasses.MISSING
        else field.default
    )
    for field in dataclasses.fields(PollSpec)
}
