"""Spans of attempts: which there are, what they say, and what the endpoint gets to know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pollers import tracing
from pollers.answer import Answer, AnswerError
from pollers.attempt import Attempt
from pollers.engine import Settled
from pollers.observe.attempt_spans import AttemptSpans
from pollers.store import Record, Settlement

TRACE, SUBMISSION = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SUBMISSION}-01", f"00-{TRACE}-{SUBMISSION}-00"
URL = "https://me:hush@api.example.com/renders/42?token=hush"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Return where spans go."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", lambda: provider.get_tracer("tests"))
    return exporter


def record(traceparent: str = SAMPLED, **spec: Any) -> Record:
    """Return the record of a traced poll."""
    held = json.dumps({"headers": {"traceparent": traceparent}}) if traceparent else ""
    text = json.dumps({"url": URL, **spec})
    return Record(2, "running", 3, 0, 0, 0, "timed_out", "", text, held)


def attempt(
    spans: AttemptSpans,
    number: int = 3,
    state: str = "waiting",
    *,
    of: Record | None = None,
    trouble: bool = False,
    **answer: Any,
) -> dict[str, str]:
    """Make an attempt, settle it, and return the headers that it was to send."""
    one = of or record()
    asked, headers = spans.begin(Attempt("p", one, lambda: 0.0))
    got = {"url": URL, "status": 200, "headers": {}, "body": b"", "elapsed": 0.25, **answer}
    settlement = Settlement("p", number, state, 0, "", "", "", trouble=trouble)
    spans.observe([Settled("p", one, settlement, True, Answer(**got), asked)])
    return dict(headers)


def test_the_attributes_are_those_of_the_conventions(exported: InMemorySpanExporter) -> None:
    """By their stable names, and without secrets."""
    attempt(AttemptSpans("all"))
    (span,) = exported.get_finished_spans()
    assert (span.name, span.kind) == ("GET", trace.SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.full": "https://***@api.example.com/renders/42?token=***",
        "http.response.status_code": 200,
        "server.address": "api.example.com",
        "server.port": 443,
        "pollers.poll.id": "p",
        "pollers.attempt": 3,
        "pollers.decision": "pending",
    }
    assert span.status.is_unset
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (int(TRACE, 16), int(SUBMISSION, 16))
    assert duration(span) == pytest.approx(0.25)


def duration(span: ReadableSpan) -> float:
    """Return the seconds of a span."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


@pytest.mark.parametrize(
    ("settled", "error"),
    [
        ({"status": None, "error": AnswerError.TIMEOUT, "trouble": True}, "timeout"),
        ({"status": 503, "trouble": True}, "503"),
        ({"status": 403, "state": "failed"}, "403"),
        ({"status": 404}, None),
        ({"status": 404, "state": "succeeded"}, None),
    ],
)
def test_an_error_is_what_the_poll_takes_for_one(
    settled: dict[str, Any], error: str | None, exported: InMemorySpanExporter
) -> None:
    """A 404 that means "not yet" is none."""
    attempt(AttemptSpans("all"), **settled)
    (span,) = exported.get_finished_spans()
    assert (span.attributes or {}).get("error.type") == error
    assert span.status.is_ok is (error is None)


def test_of_thousands_the_notable_attempts_have_spans(exported: InMemorySpanExporter) -> None:
    """The first, the last, and those with errors."""
    spans = AttemptSpans("notable")
    for number in range(1, 50):
        attempt(spans, number)
    attempt(spans, 50, status=502, trouble=True)
    attempt(spans, 51)
    attempt(spans, 52, "succeeded")
    numbers = [(span.attributes or {})["pollers.attempt"] for span in exported.get_finished_spans()]
    assert numbers == [1, 50, 52]
    assert {round(duration(span), 6) for span in exported.get_finished_spans()} == {0.25}


def test_the_endpoint_gets_a_parent_that_is_exported(exported: InMemorySpanExporter) -> None:
    """The attempt's own span where each has one, else the submission's."""
    assert attempt(AttemptSpans("notable")) == {"traceparent": SAMPLED}
    sent = attempt(AttemptSpans("all"))["traceparent"].split("-")
    (span,) = exported.get_finished_spans()
    assert sent == ["00", TRACE, format(span.context.span_id, "016x"), "01"]


@pytest.mark.parametrize("which", ["all", "notable"])
def test_what_was_not_sampled_is_not_traced(which: str, exported: InMemorySpanExporter) -> None:
    """But the endpoint is told so."""
    sent = attempt(AttemptSpans(which), 1, of=record(UNSAMPLED))
    assert sent["traceparent"].endswith("-00")
    assert exported.get_finished_spans() == ()


@pytest.mark.parametrize("traceparent", ["", "00-nonsense"])
def test_a_poll_without_a_trace_has_no_spans(traceparent: str, exported: InMemorySpanExporter) -> None:
    """Nor does its endpoint hear of any."""
    assert attempt(AttemptSpans("all"), 1, of=record(traceparent)) == {}
    assert exported.get_finished_spans() == ()


def test_a_damaged_record_is_no_trouble(exported: InMemorySpanExporter) -> None:
    """Its poll is not traced."""
    one = record()._replace(held='{"headers":5,"traceparent":1')
    assert attempt(AttemptSpans("all"), 1, of=one) == {}
