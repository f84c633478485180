"""JMESPath expressions, checked before a poll is accepted: the syntax, and the functions they call."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
import jmespath.exceptions
from jmespath.functions import Functions

#: Function -> the types of its arguments; the last may be variadic.
_SIGNATURES: dict[str, tuple[dict[str, Any], ...]] = {
    name: function["signature"] for name, function in Functions.FUNCTION_TABLE.items()
}


def jmespath_text(value: object) -> str:
    """Return a JMESPath expression that can be evaluated on any JSON.

    Raises:
        ValueError: It cannot; the message says where, or which function was meant.

    """
    if not isinstance(value, str):
        raise ValueError(f"is {value!r:.60}; it should be a JMESPath expression")
    try:
        syntax = jmespath.compile(value).parsed
    except jmespath.exceptions.JMESPathError as error:
        position = getattr(error, "lex_position", None)
        where = f" at position {position}" if position is not None and position >= 0 else ""
        reason = str(error).splitlines()[0].rstrip(":")
        raise ValueError(f"is not a JMESPath expression{where}: {value!r} ({reason})") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply for a JMESPath expression") from error
    for name, count in _calls(syntax):
        _check_call(name, count)
    return value


def _calls(syntax: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Find the functions that are called in a syntax tree, each with the number of its arguments."""
    pending: list[Any] = [syntax]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            if node["type"] == "function_expression":
                yield node["value"], len(node["children"])
            pending += node["children"]


def _check_call(name: str, count: int) -> None:
    """Refuse a call that would be an error on every answer."""
    signature = _SIGNATURES.get(name)
    if signature is None:
        near = difflib.get_close_matches(name, _SIGNATURES, n=1)
        hint = f"did you mean {near[0]}()?" if near else f"there are {', '.join(sorted(_SIGNATURES))}"
        raise ValueError(f"calls {name}(), which is not a function of JMESPath; {hint}")
    variadic = signature[-1].get("variadic", False)
    if count < len(signature) or (count > len(signature) and not variadic):
        takes = f"{len(signature)} argument{'' if len(signature) == 1 else 's'}"
        raise ValueError(
            f"calls {name}() with {count or 'no'} argument{'' if count == 1 else 's'}; "
            f"it takes {takes}{' or more' if variadic else ''}"
        )
