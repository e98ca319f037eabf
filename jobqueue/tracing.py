"""Traces: one trace id from the request to each execution of its job (OpenTelemetry, optional).

The trace's context travels in the job's document, in the words of W3C Trace Context, so it is signed with it and
outlives a restart of anything. A caller's own context is handed on to the agents even where the API keeps no traces.
With ``JOBQUEUE_TRACES=off``, the default, nothing of OpenTelemetry is imported.
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

#: Member of a job's document with what it carries: {"traceparent": ..., "request_id": ...}, whichever there are.
MEMBER = "trace"
HEADER = "traceparent"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_given: ContextVar[Mapping[str, str]] = ContextVar("jobqueue_trace", default={})  # noqa: B039 - never changed in place


@dataclass
class _Current:
    """How this process traces: None for not at all."""

    tracer: Tracer | None = None


_current = _Current()


def start(settings: Settings, service: str) -> Callable[[], None]:
    """Begin to trace as ``service`` (``jobqueue-api``, ...), if the settings say so; returns what ends it.

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
    """Trace by this provider; None: not at all."""
    _current.tracer = None if provider is None else provider.get_tracer("jobqueue", __version__)


def is_on() -> bool:
    """Whether this process makes traces."""
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
    ) as found:
        yield found


def begin(name: str, kind: str, parent: str | None, attributes: Mapping[str, Any]) -> tuple[Span, Any] | None:
    """The same where there is no block to wrap: give what comes back to ``end``."""
    if _current.tracer is None:
        return None
    from opentelemetry import context as contexts
    from opentelemetry.trace import SpanKind, set_span_in_context

    found = _current.tracer.start_span(name, context=_context(parent), kind=SpanKind[kind], attributes=attributes)
    return found, contexts.attach(set_span_in_context(found))


def end(begun: tuple[Span, Any]) -> None:
    """End what ``begin`` gave."""
    from opentelemetry import context as contexts

    found, token = begun
    found.end()
    contexts.detach(token)


def fail(found: Span | None, message: str) -> None:
    """Say that a span's work failed."""
    if found is not None:
        from opentelemetry.trace import StatusCode

        found.set_status(StatusCode.ERROR, message)


def give(**carried: str) -> None:
    """What the jobs carry that are submitted from here on, in this thread or greenlet: traceparent, request_id."""
    _given.set(carried)


def carried() -> dict[str, str]:
    """What a job that is submitted now carries; the span at hand comes before the caller's own context."""
    found = dict(_given.get())
    if _current.tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        found.update({HEADER: carrier[HEADER]} if HEADER in carrier else {})
    return found


def trace_id() -> str:
    """The trace at hand, 32 hexadecimal digits; empty while nothing is traced."""
    if _current.tracer is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""


def checked(traceparent: object) -> str | None:
    """A traceparent that is one, else None: what else callers send is none of our business."""
    found = isinstance(traceparent, str) and len(traceparent) == 55 and _TRACEPARENT.fullmatch(traceparent)
    return str(traceparent) if found else None


def _context(parent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # an empty context: below nothing, not below what happens to be current
    return TraceContextTextMapPropagator().extract({HEADER: parent} if parent else {}, Context())


def _nothing() -> None:
    pass
