"""What hangs on a poll in Celery's canvas: its links, the rest of its chain, its chord.

Celery applies it when the poll has ended, in the middle of storing the outcome. What it cannot apply would
keep the outcome from being told at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.canvas import Signature

_RIGHT = 'it should be a signature, or one written as {"task": NAME, "args": [], "kwargs": {}, "options": {}}'


def inapplicable(options: Mapping[str, Any]) -> dict[str, str]:
    """Return those options of `apply_async` with signatures that Celery could not apply, each with why."""
    problems: dict[str, str] = {}
    for name in ("link", "link_error", "chain", "chord"):
        value = options.get(name)
        if not value:
            continue
        if name == "chain" and not isinstance(value, list | tuple):
            problems[name] = f"is {value!r:.60}; it should be a list of signatures"
            continue
        for one in value if isinstance(value, list | tuple) and name != "chord" else [value]:
            # Celery takes the name of a task there, and nowhere else.
            named = name == "link_error" and isinstance(one, str) and one
            if not (named or _is_applicable(one)):
                problems[name] = f"has {one!r:.60}; {_RIGHT}"
    return problems


def _is_applicable(signature: object) -> bool:
    """Return whether a signature has what Celery needs to apply it; it may lack the rest."""
    if not isinstance(signature, dict):
        return False
    task, kind, kwargs = signature.get("task"), signature.get("subtask_type"), signature.get("kwargs")
    if not (isinstance(task, str) and task and isinstance(kwargs, Mapping)):
        return False
    if not isinstance(signature.get("args"), list | tuple):
        return False
    if not isinstance(signature.get("options"), Mapping):
        return False
    return not kind or (isinstance(kind, str) and kind in Signature.TYPES and _has_parts(kind, kwargs))


def _has_parts(kind: str, kwargs: Mapping[str, Any]) -> bool:
    if kind == "chord":
        header = kwargs.get("header")
        return _is_applicable(kwargs.get("body")) and (_are_applicable(header) or _is_applicable(header))
    return kind not in ("chain", "group") or _are_applicable(kwargs.get("tasks"))


def _are_applicable(signatures: object) -> bool:
    return isinstance(signatures, list | tuple) and all(map(_is_applicable, signatures))
