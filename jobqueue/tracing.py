"""Traces: one trace id from the request to each execution of its job (OpenTelemetry, optional).

The trace's context travels in the job's document, in the words of W3C Trace Context, so it is signed with it and
survives any restart. A caller's own context is passed on to the agents even if the API does not trace.
With ``JOBQUEUE_TRACES=off``, the default, OpenTelemetry is not imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobqueue import __version__
from jobqueue.errors import InvalidSettings
from jobqueue.extras import lack
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

#: Member of a job's document with the trace context: {"traceparent": ..., "request_id": ...}, each if available.
MEMBER = "trace"
HEADER = "traceparent"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_given: ContextVar[Mapping[str, str]] = ContextVar("jobqueue_trace", default={})  # noqa: B039 - never changed in place


@dataclass
class _Current:
    """The tracer of this process; None if tracing is off."""

    tracer: Tracer | None = None


_current = _Current()


def start(settings: Settings, service: str) -> Callable[[], None]:
    """Start tracing as ``service`` (``jobqueue-api``, ...) if the settings say so; returns a function that stops it.

    Raises ``InvalidSettings`` if OpenTelemetry is not installed.
    """
    if settings.traces == "off":
        return _nothing
    missing = lack(f"JOBQUEUE_TRACES={settings.traces}", "otel")
    if missing:
        raise InvalidSettings(missing)
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    processor: SpanProcessor
    if settings.traces == "console":
        processor = SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n"))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        processor = BatchSpanProcessor(OTLPSpanExporter())
    named = {"service.version": __version__}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        named["service.name"] = service
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    use(provider)

    def end() -> None:
        use(None)
        provider.shutdown()

    return end


def use(provider: TracerProvider | None) -> None:
    """Trace with this provider; None turns tracing off."""
    _current.tracer = None if provider is None else provider.get_tracer("jobqueue", __version__)


def is_on() -> bool:
    """Whether this process traces."""
    return _current.tracer is not None


@contextmanager
def span(name: str, kind: str, parent: str | None, attributes: Mapping[str, Any]) -> Iterator[Span | None]:
    """A span that is the current one within the block, below ``parent`` (a traceparent), else at the root.

    ``kind``: SERVER or CONSUMER. An error that leaves the block is noted, and counts as the span's failure. Gives None
    while nothing is traced.
    """
    if _current.tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind

    context = _context(parent)
    with _current.tracer.start_as_current_span(
        name, context=context, kind=SpanKind[kind], attributes=attributes
    ) as span:
        yield span


def begin(name: str, kind: str, parent: str | None, attributes: Mapping[str, Any]) -> tuple[Span, Any] | None:
    """The same without a block to wrap; pass the return value to ``end``."""
    if _current.tracer is None:
        return None
    from opentelemetry import context as contexts
    from opentelemetry.trace import SpanKind, set_span_in_context

    span = _current.tracer.start_span(name, context=_context(parent), kind=SpanKind[kind], attributes=attributes)
    return span, contexts.attach(set_span_in_context(span))


def end(begun: tuple[Span, Any]) -> None:
    """End a span that ``begin`` returned."""
    from opentelemetry import context as contexts

    span, token = begun
    span.end()
    contexts.detach(token)


def fail(span: Span | None, message: str) -> None:
    """Mark a span as failed."""
    if span is not None:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR, message)


def give(**carried: str) -> None:
    """Set the context of jobs submitted from now on in this thread or greenlet: traceparent, request_id."""
    _given.set(carried)


def carried() -> dict[str, str]:
    """The context for a job submitted now; the current span takes precedence over the caller's own context."""
    headers = dict(_given.get())
    if _current.tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        headers.update({HEADER: carrier[HEADER]} if HEADER in carrier else {})
    return headers


def trace_id() -> str:
    """The current trace id, 32 hexadecimal digits; empty if tracing is off."""
    if _current.tracer is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""


def checked(traceparent: object) -> str | None:
    """A valid traceparent, else None: other values from callers are ignored."""
    match = isinstance(traceparent, str) and len(traceparent) == 55 and _TRACEPARENT.fullmatch(traceparent)
    return str(traceparent) if match else None


def _context(parent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # an empty context: a root span, not a child of the current one
    return TraceContextTextMapPropagator().extract({HEADER: parent} if parent else {}, Context())


def _nothing() -> None:
    pass
