"""Rules for the parameters that say how answers are followed, from one attempt to the next.

Each returns the parameter as plain JSON, or raises ValueError with what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pollers import registry
from pollers.durations import format_duration, parse_duration
from pollers.expressions import jmespath_text
from pollers.plain_json import mapping

_STATES = ("success", "failure", "retry")
_MATCHERS = ("path", "pathAll", "pathAny", "status", "error")


def acceptors(value: object) -> list[dict[str, Any]]:
    """Return acceptors of a waiter, checked."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("should be a list of acceptors, as waiters-2.json has them")
    return [_acceptor(mapping(one)) for one in value]


def _acceptor(given: dict[str, Any]) -> dict[str, Any]:
    acceptor: dict[str, Any] = {
        name: given[name] for name in ("state", "matcher", "argument", "expected") if name in given
    }
    if acceptor.get("state") not in _STATES:
        raise ValueError(f"has the state {acceptor.get('state')!r}; there are {', '.join(_STATES)}")
    if acceptor.get("matcher") not in _MATCHERS:
        raise ValueError(f"has the matcher {acceptor.get('matcher')!r}; there are {', '.join(_MATCHERS)}")
    if "expected" not in acceptor:
        raise ValueError(f"has no expected value for {acceptor['matcher']}")
    if acceptor["matcher"].startswith("path"):
        acceptor["argument"] = jmespath_text(acceptor.get("argument"))
    return acceptor


def protocol(value: object) -> Any:
    """Return the name of a convention, or a mapping of its name to its options."""
    if isinstance(value, Mapping) and len(value) == 1:
        name, options = next(iter(value.items()))
        return {protocol(name): _options(str(name), options)}
    if not isinstance(value, str) or value not in registry.names():
        known = ", ".join(registry.names())
        raise ValueError(f'is {value!r:.60}; it should be one of {known}, or {{"name": {{options}}}}')
    return value


def _options(name: str, options: object) -> dict[str, Any]:
    given, known = mapping(options), registry.entry(name).options
    if known is None:  # an application's own, which knows what it takes
        return given
    for option, value in given.items():
        if value not in known.get(option, ()):
            values = [f"{one}: {' or '.join(allowed)}" for one, allowed in known.items()]
            raise ValueError(f"has {option}={value!r:.60}; {name} takes {'; '.join(values) or 'no options'}")
    return given


def names(value: object) -> list[str]:
    """Return a list of names."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) and name for name in listed):
        raise ValueError(f"is {value!r:.60}; it should be a list of names")
    return list(listed)


def flag(value: object) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"is {value!r:.60}; it should be True or False")
    return value


def carry(value: object) -> dict[str, str]:
    """Return names and the JMESPath of what is carried."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError("should be a mapping of names to JMESPath expressions")
    for name in value:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"has {name!r}; a name to carry is a word, such as since")
    return {name: jmespath_text(path) for name, path in value.items()}


def on_change(value: object) -> dict[str, Any]:
    """Return a Celery signature as plain JSON."""
    if not isinstance(value, Mapping) or not isinstance(value.get("task"), str):
        raise ValueError(f"is {value!r:.60}; it should be a Celery signature, such as note.s()")
    return mapping(value)


def long_poll(value: object) -> float:
    """Return whole seconds."""
    seconds = parse_duration(value)  # type: ignore[arg-type]
    if seconds < 1 or seconds % 1:
        raise ValueError(f"is {format_duration(seconds)}; it should be whole seconds, 1 or more")
    return seconds
