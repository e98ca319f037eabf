"""One trace id from the caller's span over the request and the stored job to the run, and nothing while it is off."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobqueue import logs, tracing
from jobqueue.errors import InvalidSettings, OperationFailed
from jobqueue.ledger.executions import Claim
from jobqueue.model.agent import Agent
from jobqueue.settings import Settings
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices
from workers.agent.execution.instrumentation import instrumented
from workers.agent.execution.running import RunningExecution

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(found))
    tracing.use(provider)
    yield found
    tracing.use(None)
    provider.shutdown()


@pytest.fixture(autouse=True)
def _nothing_given() -> Iterator[None]:
    tracing.give()
    yield
    tracing.give()


def trace_of(span: ReadableSpan) -> str:
    assert span.context
    return format_trace_id(span.context.trace_id)


def running(carried: dict[str, str] | None) -> RunningExecution:
    document = {"operation": "node.load.get", "data": {}} | ({tracing.MEMBER: carried} if carried else {})
    return RunningExecution(Claim("j1", "web1", "t", 1, json.dumps(document)), document, None, None)


class Seeing(FakeServices):
    """Notes what a job that is submitted now would carry."""

    carried: dict[str, str]
    logged: dict[str, str]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.agents.all = self._all_agents

    def _all_agents(self) -> list[Agent]:
        self.carried = tracing.carried()
        self.logged = dict(logs.fields())
        return []


@pytest.fixture
def services() -> Seeing:
    return Seeing()


def test_the_request_and_the_run_are_in_the_callers_trace(
    exporter: InMemorySpanExporter,
    ask: Ask,
    services: Seeing,
) -> None:
    assert ask("GET", "/agent", headers={"traceparent": PARENT, "X-Request-Id": "mine"}).status_code == 200
    with instrumented(running(services.carried)):
        assert tracing.trace_id() == TRACE
        assert logs.fields() == {"job_id": "j1", "agent": "web1", "request_id": "mine"}
    assert services.logged == {"request_id": "mine"}
    request, run = exporter.get_finished_spans()
    assert {trace_of(request), trace_of(run)} == {TRACE}
    assert request.parent
    assert format_span_id(request.parent.span_id) == "b7ad6b7169203331"
    assert run.parent
    assert request.context
    assert run.parent.span_id == request.context.span_id
    assert request.attributes
    assert run.attributes
    assert (request.name, request.attributes["http.response.status_code"]) == ("GET /agent", 200)
    assert run.attributes["jobqueue.job_id"] == "j1"
    assert services.carried["request_id"] == "mine"


def test_without_a_callers_trace_there_is_a_new_one(
    exporter: InMemorySpanExporter,
    ask: Ask,
    services: Seeing,
) -> None:
    for _ in range(2):
        ask("GET", "/agent")
        with instrumented(running(services.carried)):
            pass
    first, one, second, two = map(trace_of, exporter.get_finished_spans())
    assert first == one != second == two
    assert "request_id" not in services.carried  # it was not requested


def test_a_run_that_fails_is_a_span_that_failed(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(OperationFailed), instrumented(running({"traceparent": PARENT})):
        raise OperationFailed("exit code 3")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.parametrize(
    "given", ["", "junk", PARENT + "0", PARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT + "\nx", "é" * 55]
)
def test_an_invalid_trace_context_is_ignored(given: str) -> None:
    assert tracing.checked(given) is None


def test_a_document_with_a_strange_trace_still_runs(exporter: InMemorySpanExporter) -> None:
    with instrumented(running({"traceparent": "junk"})):
        pass
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_off_the_callers_context_is_handed_on_and_nothing_is_traced(ask: Ask, services: Seeing) -> None:
    ask("GET", "/agent", headers={"traceparent": PARENT})
    assert services.carried == {"traceparent": PARENT}
    ask("GET", "/agent")
    assert services.carried == {}
    with instrumented(running({"traceparent": PARENT})):
        assert tracing.trace_id() == ""


def test_off_nothing_that_traces_is_imported() -> None:
    # redis-py looks for parts of OpenTelemetry by itself
    program = (
        "import sys, api.app, workers.agent.main; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "opentelemetry.exporter" not in done.stdout
    assert "opentelemetry.sdk.trace.export" not in done.stdout


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidSettings, match=r"JOBQUEUE_TRACES=otlp needs .*pip install 'jobqueue\[otel\]'"):
        tracing.start(Settings(state_dir=Path("unused"), traces="otlp"), "jobqueue-api")
