"""The tests' application with OpenTelemetry: polls and Celery's tasks are traced into a file.

Called as a program, it submits a chain inside a span of its own, and prints the poll's id.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from pollers import poll
from tests.system.app import app, echo

__all__ = ["app"]


class ToFile(SpanExporter):
    """Appends each span as a line of JSON."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write at once, so that nothing is lost with the process."""
        with open(os.environ["TESTS_SPANS"], "a") as file:  # noqa: PTH123
            file.writelines(span.to_json(indent=None) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ToFile()))
trace.set_tracer_provider(provider)
CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]

if __name__ == "__main__":
    url, webhook = sys.argv[1:]
    with trace.get_tracer("tests").start_as_current_span("the application"):
        parameters = {"until": "status == 'done'", "every": 0.5, "webhook": webhook}
        result = poll.apply_async([url], parameters, queue="traced", link=echo.s().set(queue="traced"))
    sys.stdout.write(result.id)
