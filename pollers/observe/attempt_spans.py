"""Spans of attempts, with the attributes of OpenTelemetry's conventions for HTTP clients.

Source: OpenTelemetry semantic conventions 1.x, "HTTP client span" (stable).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context

from pollers import tracing
from pollers.answer import Answer
from pollers.attempt import Attempt
from pollers.engine import Settled
from pollers.origin import parsed
from pollers.redaction import redact_url
from pollers.spec import PollSpec

_NS = 1_000_000_000
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"),
)


class Asked(NamedTuple):
    """An attempt of a traced poll, from its beginning."""

    #: What its span is a child of.
    parent: Context
    began_ns: int
    #: The span, where each attempt has one.
    span: trace.Span | None


class AttemptSpans:
    """Makes spans of ``all`` attempts, or of ``notable`` ones: the first, the last, and those with errors.

    The endpoint gets the context of the attempt's span, or, where not every attempt has one, that of the
    submission: so its own spans always have a parent that is there.
    """

    def __init__(self, which: str) -> None:
        self._all = which == "all"

    def begin(self, attempt: Attempt) -> tuple[Asked | None, Mapping[str, str]]:
        """Begin an attempt; returns what `observe` gets back, and the headers for the endpoint."""
        parent = tracing.context_of(attempt.record)
        if parent is None:
            return None, {}
        began, span = time.time_ns(), None
        if self._all:
            name = _name(attempt.record.spec)
            span = tracing.tracer().start_span(name, parent, trace.SpanKind.CLIENT, start_time=began)
            return Asked(parent, began, span), tracing.headers(trace.set_span_in_context(span, parent))
        return Asked(parent, began, None), tracing.headers(parent)

    def observe(self, settled: Sequence[Settled]) -> None:
        """End the spans of settled attempts."""
        for one in settled:
            asked = one.asked
            if asked is None or one.answer is None:
                continue
            span = asked.span
            if span is None:
                if not _is_notable(one):
                    continue
                name = _name(one.record.spec)
                span = tracing.tracer().start_span(
                    name, asked.parent, trace.SpanKind.CLIENT, start_time=asked.began_ns
                )
            if span.is_recording():
                _describe(span, one, one.answer)
            span.end(asked.began_ns + round(one.answer.elapsed * _NS))


def _is_notable(settled: Settled) -> bool:
    settlement, answer = settled.settlement, settled.answer
    first_or_last = settlement.attempt == 1 or settled.decision != "pending"
    return first_or_last or answer is None or _error_type(settled, answer) is not None


def _name(spec_text: str) -> str:
    method = PollSpec.salvaged(spec_text).method
    return method if method in _METHODS else "HTTP"


def _describe(span: trace.Span, settled: Settled, answer: Answer) -> None:
    spec, settlement = PollSpec.salvaged(settled.record.spec), settled.settlement
    origin = parsed(answer.url)
    attributes: dict[str, Any] = {
        tracing.POLL_ID: settled.poll_id,
        "pollers.attempt": settlement.attempt,
        "pollers.decision": settled.decision,
        "http.request.method": spec.method if spec.method in _METHODS else "_OTHER",
        "url.full": redact_url(answer.url),
        "server.address": origin.host if origin else "",
        "server.port": origin.port if origin else 0,
    }
    if answer.status is not None:
        attributes["http.response.status_code"] = answer.status
    error = _error_type(settled, answer)
    if error is not None:
        attributes["error.type"] = error
        span.set_status(trace.StatusCode.ERROR, answer.error_text or None)
    span.set_attributes(attributes)


def _error_type(settled: Settled, answer: Answer) -> str | None:
    """Return the kind of an error; None without one, as of a 404 that means "not yet"."""
    if answer.error is not None:
        return str(answer.error)
    status = answer.status or 0
    expected = settled.settlement.state == "succeeded" or not (
        settled.settlement.trouble or settled.settlement.state == "failed"
    )
    return str(status) if status >= 400 and not expected else None
