"""Plain JSON: what a poll may send and its spec may hold, so that it can be stored and shown everywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

#: Levels of lists and mappings. Deeper ones would meet the recursion limits of those who read them.
DEEPEST = 100


def plain(value: object) -> Any:
    """Return a copy of a value as JSON would give it back.

    Raises:
        ValueError: It cannot be written as JSON, or is nested too deeply.

    """
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except RecursionError:
        raise ValueError(f"is nested too deeply; it may have {DEEPEST} levels") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error
    if _is_deeper(copy, DEEPEST):
        raise ValueError(f"is nested too deeply; it may have {DEEPEST} levels")
    return copy


def mapping(value: object) -> dict[str, Any]:
    """Return a copy of a mapping as JSON would give it back; ValueError for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError("should be a mapping of names to values")
    copy: dict[str, Any] = plain(value)
    return copy


def encodable(value: Any) -> Any:
    """Return plain JSON whose texts can be encoded in UTF-8; ValueError for any other."""
    try:
        _encode(value).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"has {half!r}, which is half a character (a lone surrogate)") from None
    return value


def compact(value: Any) -> str:
    """Return plain JSON, as an answer may have brought it, in a short text that can be encoded in UTF-8."""
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can say half a character, by its escape; there it stays one.
        return json.dumps(value, separators=(",", ":"))
    return text


def finite(value: Any) -> Any:
    """Return plain JSON with NaN and the infinities as texts, as the JSON of Protocol Buffers has them.

    Python writes them bare, which is no JSON.
    """
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        nested = [one for one in layer if isinstance(one, list | dict)]
        if not nested:
            return False
        layer = [inner for one in nested for inner in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(one, list | dict) for one in layer)
