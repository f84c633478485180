"""`carry`: values of one answer in the next request, wherever ``{name}`` stands in it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pollers.answer import Answer
from pollers.conditions import NotApplicable, body_of, select
from pollers.progress import Progress
from pollers.spec import PollSpec

#: Characters of JSON that a poll may carry: they are stored with every attempt.
MOST = 4096
#: In the place of what holds nothing but a value that no answer has given yet.
_MISSING = object()
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class TooMuch(Exception):
    """An answer has given more to carry than a record should hold."""


def carried_on(spec: PollSpec, progress: Progress, answer: Answer) -> Mapping[str, Any] | None:
    """Return what is carried after an answer; what it does not give stays as it was.

    Raises:
        TooMuch: It is more than `MOST`.

    """
    if not spec.carry:
        return None
    try:
        body = body_of(answer)
    except NotApplicable:
        return progress.carried
    found = {name: value for name, path in spec.carry.items() if (value := select(path, body)) is not None}
    carried = {**(progress.carried or {}), **found}
    size = len(json.dumps(carried))
    if size > MOST:
        raise TooMuch(f"{size} characters to carry, and {MOST} are the limit; carry should select less")
    return carried or None


def filled(spec: PollSpec, carried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request with carried values in the places of ``{name}``.

    A text that is nothing but ``{name}`` becomes the value itself, with its type; before the first
    answer, such a header, parameter or member is left out, and elsewhere there is nothing in its place.
    """
    names = "|".join(map(re.escape, spec.carry or ()))
    places = re.compile(r"\{(" + names + r")\}")

    def fill(value: Any, written: Callable[[Any], str]) -> Any:
        if isinstance(value, str):
            whole = places.fullmatch(value)
            if whole and written is _text:
                return carried.get(whole[1], _MISSING)
            return places.sub(lambda place: written(carried.get(place[1], "")), value)
        if isinstance(value, Mapping):
            members = {name: fill(inner, written) for name, inner in value.items()}
            return {name: inner for name, inner in members.items() if inner is not _MISSING}
        if isinstance(value, list):
            return [inner for one in value if (inner := fill(one, written)) is not _MISSING]
        return value

    headers = {
        name: text
        for name, text in fill(spec.headers, _header).items()
        if text or not places.search(spec.headers[name])
    }
    fields = {name: fill(getattr(spec, name), _text) for name in ("params", "json", "data")}
    fields = {name: None if value is _MISSING else value for name, value in fields.items()}
    if isinstance(spec.data, str):
        fields["data"] = "" if fields["data"] is None else _text(fields["data"])
    return {**fields, "url": fill(spec.url, _in_url), "headers": headers}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _in_url(value: Any) -> str:
    return quote(_text(value), safe="")


def _header(value: Any) -> str:
    return _CONTROL.sub(" ", _text(value)).encode("latin-1", "replace").decode("latin-1")
