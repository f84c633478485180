"""Conditional requests (RFC 9110, section 13): an answer that has not changed costs no body. Pure."""

from __future__ import annotations

import re

from pollers.answer import Answer
from pollers.http_date import http_date
from pollers.progress import Progress
from pollers.spec import PollSpec

#: Characters of a validator that is kept; longer ones are not worth their place in the record.
LONGEST = 256
_ENTITY_TAG = re.compile(r'(W/)?"[!#-~]*"')  # section 8.8.3, without the obsolete octets
_OWN = ("if-", "range")


def validator(answer: Answer) -> str:
    """Return the validator of an answer: its ETag, strong or weak, else its Last-Modified, or nothing.

    A Last-Modified counts when it is at least a second older than the answer (section 8.8.2.2): within
    one second the state may change again, and would look unchanged for ever.
    """
    tag = answer.headers.get("ETag", "")
    if tag:
        return tag if len(tag) <= LONGEST and _ENTITY_TAG.fullmatch(tag) else ""
    text = answer.headers.get("Last-Modified", "")
    if not text or len(text) > LONGEST:
        return ""
    modified, answered = http_date(text), http_date(answer.headers.get("Date", ""))
    if modified is None or answered is None:
        return ""
    return text if answered - modified >= 1 else ""


def conditional_headers(progress: Progress) -> dict[str, str]:
    """Return the headers that ask only for what has changed since the answer that is kept."""
    name = "If-None-Match" if progress.validator.endswith('"') else "If-Modified-Since"
    return {name: progress.validator} if progress.validator else {}


def keep_validator(spec: PollSpec, progress: Progress, answer: Answer, *, transient: bool) -> str:
    """Return the validator to ask the same URL with, after an answer that leaves the poll pending."""
    if answer.status == 200 and not transient:
        return validator(answer) if _may_ask(spec, progress) else ""
    # After 304 and after an error, what was seen last is still what is known.
    return (answer.status == 304 and validator(answer)) or progress.validator


def _may_ask(spec: PollSpec, progress: Progress) -> bool:
    """Return whether conditions are ours to set: for GET and HEAD, if the poll has none of its own.

    Polls that share answers have not all seen the same one before, so a 304 would tell some of them nothing.
    """
    return (
        spec.conditional
        and not spec.coalesce
        and (spec.method in ("GET", "HEAD") or bool(progress.url))
        and not any(name.lower().startswith(_OWN) for name in spec.headers)
    )
