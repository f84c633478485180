"""How to treat a service well: limits on groups of origins, and breakers. Data and rules only.

The scripts of the store enforce what is described here; moments and counts are theirs.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Self
from urllib.parse import urlsplit

from pollers.durations import parse_duration
from pollers.origin import in_full

#: Name of the limit that every origin without another one has for itself.
DEFAULT = "default"
#: Seconds of its rate that a limit lets through at once, where it does not say its burst.
BURST_SECONDS = 0.2
#: What the scripts can compute with: at most so many polls a second, in a burst, in flight, or in the counts
#: of a breaker; and no fewer polls a second than one in 1,000 days.
MOST, FEWEST = 1_000_000, 0.001 / 86_400

PRIORITIES = {"high": 0, "normal": 1, "low": 2}

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*([smhd])")
_LIMIT = re.compile(rf"(?:{_RATE.pattern})?(?:\s*\bburst\s+(\d+))?(?:\s*\bin-flight\s+(\d+))?")
_NAME = re.compile(r"[A-Za-z0-9*?._:/\[\]-]{1,200}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What a group of origins may get: so many polls a time, and so many attempts at once."""

    #: Polls a second; None for any number.
    rate: float | None = None
    #: Polls that may come together after a pause.
    burst: int = 1
    #: Attempts in flight at once; None for any number.
    in_flight: int | None = None

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``10/s``, ``1000/m burst 50``, ``5000/h in-flight 20`` or ``in-flight 20``.

        Raises:
            ValueError: It is none of these.

        """
        match = _LIMIT.fullmatch(text.strip()) if isinstance(text, str) and text.strip() else None
        if match is None:
            raise ValueError(
                f'is {text!r:.60}; it should be like "10/s", "600/m burst 20" or "5/s in-flight 2"'
            )
        count, unit, burst, in_flight = match.groups()
        rate = float(count) / _UNITS[unit] if count else None
        if rate == 0 or 0 in _numbers(burst, in_flight):
            raise ValueError(f"is {text!r:.60}; a limit of 0 is a pause: pollers pause --origin")
        if burst and rate is None:
            raise ValueError(f"is {text!r:.60}; a burst needs a rate, such as 10/s")
        if rate is not None and not FEWEST <= rate <= MOST:
            raise ValueError(f"is {text!r:.60}; its rate should be from 0.001/d to {MOST}/s")
        if max(_numbers(burst, in_flight), default=0) > MOST:
            raise ValueError(f"is {text!r:.60}; burst and in-flight should be up to {MOST}")
        usual = max(1, round((rate or 0) * BURST_SECONDS))
        return cls(
            rate=rate,
            burst=int(burst) if burst else usual,
            in_flight=int(in_flight) if in_flight else None,
        )

    def shared(self, shards: int) -> Self:
        """Return the limit of one of several shards that keep it together: an equal part of it.

        Raises:
            ValueError: It lets less through at once than there are shards.

        """
        if shards > 1 and self.in_flight is not None and self.in_flight < shards:
            raise ValueError(
                f"has {self.in_flight} in flight, which {shards} shards cannot share; "
                f"it should be {shards} or more"
            )
        return dataclasses.replace(
            self,
            rate=None if self.rate is None else self.rate / shards,
            burst=max(1, self.burst // shards),
            in_flight=None if self.in_flight is None else self.in_flight // shards,
        )

    def rules(self) -> dict[str, Any]:
        """Return what the scripts know of it: ``interval`` in ms, ``burst`` and ``in_flight``."""
        rules: dict[str, Any] = {"burst": self.burst}
        if self.rate is not None:
            rules["interval"] = 1000 / self.rate
        if self.in_flight is not None:
            rules["in_flight"] = self.in_flight
        return rules


def _numbers(*texts: str | None) -> list[float]:
    """Return what was given of some whole numbers, however many digits they have."""
    return [float(text) for text in texts if text]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """When a breaker opens, and for how long. Times are seconds."""

    #: Share of failed attempts from which on it opens.
    ratio: float = 0.5
    #: Attempts in the window before it may open.
    minimum: int = 20
    #: The sliding window that attempts are counted in.
    window: float = 30.0
    #: How long it is open the first time; twice as long each next time in a row.
    shortest: float = 5.0
    #: How long it is open at most.
    longest: float = 300.0
    #: Attempts that are let through to try, all of which must go well for it to close.
    trials: int = 2

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a mapping of some of the fields; times are durations.

        Raises:
            ValueError: A field is not known, or has no usable value.

        """
        if not isinstance(value, Mapping):
            raise ValueError(
                f'is {value!r:.60}; it should be a mapping such as {{"ratio": 0.5, "minimum": 20}}'
            )
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = [str(name) for name in value if name not in names]
        if unknown:
            raise ValueError(f"has no {unknown[0]!r}; it has {', '.join(names)}")
        times = {
            name: parse_duration(value[name]) for name in ("window", "shortest", "longest") if name in value
        }
        breaker = cls(**{**value, **times})
        counts = (breaker.minimum, breaker.trials)
        whole = all(isinstance(number, int) and 1 <= number <= MOST for number in counts)
        if not whole or not isinstance(breaker.ratio, int | float) or not 0 < breaker.ratio <= 1:
            raise ValueError(
                f"needs a ratio over 0 and up to 1, and whole numbers up to {MOST} for minimum and trials"
            )
        if min(breaker.window, breaker.shortest) <= 0 or breaker.longest < breaker.shortest:
            raise ValueError("needs times over 0, and longest not under shortest")
        return breaker

    def rules(self) -> dict[str, Any]:
        """Return what the scripts know of it; times in ms."""
        times = {name: round(getattr(self, name) * 1000) for name in ("window", "shortest", "longest")}
        return {"ratio": self.ratio, "minimum": self.minimum, "trials": self.trials, **times}


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Limits by name, in the order they were given. Names are origins, hosts, patterns, or free."""

    by_name: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a mapping of names to limits as text.

        Raises:
            ValueError: A name or a limit cannot be used.

        """
        if not isinstance(value, Mapping):
            raise ValueError('it should be a mapping such as {"api.example.com": "10/s"}')
        for name, text in value.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r:.60} is not the name of a limit: an origin, a host, a pattern or a word"
                )
            try:
                Limit.parse(text)
            except ValueError as error:
                raise ValueError(f"the limit {name!r} {error}") from None
        return cls(tuple((name, str(text).strip()) for name, text in value.items()))

    def __str__(self) -> str:
        return json.dumps(dict(self.by_name)) if self.by_name else "none"

    def texts(self) -> dict[str, str]:
        """Return the limits as text by name."""
        return dict(self.by_name)


#: No limits at all.
NO_LIMITS = Limits()


def limit_for(origin: str, names: Iterable[str]) -> str | None:
    """Return the name of the limit that an origin is under; `DEFAULT` stands for one of its own.

    The origin itself comes first, then its host with port, its host, then the longest pattern that matches.
    """
    known = set(names)
    full = in_full(origin)
    place = full.partition("://")[2]
    host = urlsplit(full).hostname or ""
    for exact in (origin, full, place, host):
        if exact in known:
            return exact
    patterns = [name for name in known if "*" in name or "?" in name]
    matching = [name for name in patterns if any(fnmatchcase(one, name) for one in (full, place, host))]
    if matching:
        return max(matching, key=lambda name: (len(name), name))
    return DEFAULT if DEFAULT in known else None


def rules_for(
    origins: Iterable[str], limits: Mapping[str, str], breaker: Breaker | None, *, shards: int = 1
) -> dict[str, dict[str, Any] | None]:
    """Return the rules of the gates of some origins, and of all limits, by the names of the gates.

    A limit that an origin has for itself is its ``own``: it goes when nobody needs the origin any more.
    ``shards`` is the number of those that keep the limits together.
    """

    def rules_of(text: str) -> dict[str, Any]:
        return Limit.parse(text).shared(shards).rules()

    rules: dict[str, dict[str, Any] | None] = {
        f"limit:{name}": rules_of(text) for name, text in limits.items() if name != DEFAULT
    }
    for origin in origins:
        name = limit_for(origin, limits)
        if name == DEFAULT:
            name = origin
            rules[f"limit:{origin}"] = {**rules_of(limits[DEFAULT]), "own": True}
        rules[f"origin:{origin}"] = {"limit": name or "", **(breaker.rules() if breaker else {})}
    return rules
