"""Traces of polls by OpenTelemetry: one for a poll, from its submission over its attempts to its delivery.

The context of the submission (W3C Trace Context) travels as headers of the held task, in the poll's record:
so it is there for each attempt, and whoever instruments Celery finds it in the message of the held task.
Imported, and OpenTelemetry with it, only where ``pollers_tracing`` is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kombu.utils.json import loads

from pollers.errors import InvalidSetting
from pollers.redaction import redact_url
from pollers.store import Record

try:
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise InvalidSetting(
        "pollers_tracing is on, and OpenTelemetry is not installed: pip install 'pollers[tracing]'."
    ) from error

#: In the text of a held task whose poll is traced.
MARK = '"traceparent":'
_W3C = TraceContextTextMapPropagator()
_NAME = "pollers"
POLL_ID, POLL_STATE = "pollers.poll.id", "pollers.poll.state"


def tracer() -> trace.Tracer:
    """Return the tracer; it is of the provider that the application has set."""
    return trace.get_tracer(_NAME)


@contextmanager
def submitting(attributes: Mapping[str, Any], carrier: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Trace a submission; gives the headers that carry the trace.

    It is a child of the span that is active, else of the one that the submitted message's headers carry.
    The attribute ``url.full`` is redacted here, where it is known that somebody sees it.
    """
    if "url.full" in attributes:
        attributes = {**attributes, "url.full": redact_url(attributes["url.full"])}
    active = trace.get_current_span().get_span_context().is_valid
    with _sending("pollers.poll submit", None if active else from_headers(carrier), attributes):
        yield headers()


@contextmanager
def _sending(name: str, parent: context.Context | None, attributes: Mapping[str, Any]) -> Iterator[None]:
    """Make a span that tells of an error by its kind: its message may quote what nobody should see."""
    with tracer().start_as_current_span(
        name,
        parent,
        kind=trace.SpanKind.PRODUCER,
        attributes=dict(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


def headers(of: context.Context | None = None) -> dict[str, str]:
    """Return the headers that carry a context, by default the current one; none without a trace."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, of)
    return carrier


def context_of(record: Record) -> context.Context | None:
    """Return the context that a poll was submitted in; None for one that is not traced."""
    if MARK not in record.held:
        return None
    try:
        return from_headers(loads(record.held).get("headers") or {})
    except (AttributeError, TypeError, ValueError):
        return None


def from_headers(carrier: Mapping[str, Any]) -> context.Context | None:
    """Return the context that headers carry; None for none."""
    found = _W3C.extract(carrier, context.Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


@contextmanager
def publishing(poll_id: str, record: Record) -> Iterator[None]:
    """Trace the publication of a held task, and of what else tells the end of its poll."""
    parent = context_of(record)
    if parent is None:
        yield
        return
    attributes = {POLL_ID: poll_id, POLL_STATE: record.state}
    with _sending("pollers.poll publish", parent, attributes):
        yield


@contextmanager
def delivering(poll_id: str, record: Record) -> Iterator[None]:
    """Trace the delivery of an outcome: below the span of its task, if somebody instruments Celery."""
    parent = None if trace.get_current_span().get_span_context().is_valid else context_of(record)
    if parent is None and MARK not in record.held:
        yield
        return
    attributes: dict[str, Any] = {
        POLL_ID: poll_id,
        POLL_STATE: record.state,
        "pollers.attempts": record.attempt,
    }
    with tracer().start_as_current_span(
        "pollers.poll deliver",
        parent,
        kind=trace.SpanKind.CONSUMER,
        attributes=attributes,
        # A poll that has failed raises here, as Celery wants it; that is no failure of the delivery.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        if record.state in ("failed", "timed_out"):
            span.set_status(trace.StatusCode.ERROR, record.state)
        yield
