"""Bodies that cost as much as the limits allow: CPU time of a process of the API for each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.load import Connection, request_bytes
from benchmarks.process import BenchmarkError, Process
from benchmarks.report import Report, Row, milliseconds
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION

TITLE = "The costliest bodies within the limits, CPU seconds of one process each, against a Flask view that parses them"
#: Just below JOBQUEUE_MAX_BODY_VALUES.
_VALUES = 49_000
_JOBS = 1000
#: Seconds of CPU that no body may take.
_MOST = 0.2
_TIMES = 3
#: Seconds: CPU time is counted in no smaller steps.
_TICK = 0.01


def bodies() -> Iterator[tuple[str, str, Any]]:
    """(What it is, path, document): unknown fields, wrong values, right values, batches of each."""
    many = {f"k{number}": 1 for number in range(_VALUES)}
    texts = {f"k{number}": "v" for number in range(_VALUES)}
    yield "unknown fields of a job", "/job", {**_job("node.hostname.get"), **many}
    yield "unknown fields of the data", "/job", _job("command.shell.execute", command="x", **many)
    yield "wrong items of a list", "/job", _job("command.exec.execute", argv=[1] * _VALUES)
    yield "10,000 arguments", "/job", _job("command.exec.execute", argv=["x"] * 10_000)
    yield "an environment", "/job", _job("command.exec.execute", argv=["x"], env=texts)
    yield "secrets", "/job", _job("python.call", function="a.b", args=[{"$secret": "a"}] * (_VALUES // 3))
    yield "arguments of a function", "/job", _job("python.call", function="a.b", args=[1] * _VALUES)
    yield "variables of an entrypoint", "/job", _job("entrypoint.run", entrypoint="x", runtime_env={"env_vars": texts})
    yield "tags", "/job", {**_job("node.hostname.get"), "tags": texts}
    yield "one text of 1.9 MB", "/job", _job("script.shell.execute", script="echo a\n" * 270_000)
    yield "a configuration", "/api/spark/configurations", {"id": "c", "type": "node.hostname.get", **texts}
    yield "a batch", "/job/batch", _batch(_job("node.hostname.get"))
    yield "a batch with arguments", "/job/batch", _batch(_job("command.exec.execute", argv=["x"] * 40))
    yield "a batch with unknown fields", "/job/batch", _batch({**_job("node.hostname.get"), **_some(many)})
    yield "a batch with unknown data", "/job/batch", _batch(_job("node.hostname.get", **_some(many)))
    yield "a batch with wrong tags", "/job/batch", _batch({**_job("node.hostname.get"), "tags": _some(many)})
    yield (
        "a batch with wrong variables",
        "/job/batch",
        _batch(_job("command.exec.execute", argv=["x"], env=_some(many))),
    )
    secrets = [{"$secret": "a"}] * 20
    yield "a batch with secrets", "/job/batch", _batch(_job("command.exec.execute", argv=secrets))
    yield "a batch of expressions", "/job/batch", _targets(f"web[0001-{1000 + n:04}] or node1" for n in range(_JOBS))
    yield "a batch of unknown keys", "/job/batch", _targets(f"evn{n}:prod or node1" for n in range(_JOBS))
    yield "a batch of no expressions", "/job/batch", _targets(f"web{n} or or (((" for n in range(_JOBS))
    ranges = ",".join(f"{letter}{n}[0000-9999]" for letter in "abcdefghij" for n in range(28))
    yield "a target of millions of hosts", "/job", {**_job("node.hostname.get"), "target": ranges}
    yield "a batch of unknown operations", "/job/batch", {"jobs": [_job(f"node.hostnam{n}.get") for n in range(_JOBS)]}


def run(report: Report, scale: Scale) -> None:
    """Each body some times on our API, and on the peer."""
    times = _TIMES * scale.rounds
    with Site.open() as site:
        site.register_agents(3)
        reader = ("-m", "benchmarks.peers.flask_read")
        with site.api_process(workers=1) as (ours, url), site.api_process(*reader, workers=1) as (peer, peer_url):
            for what, path, document in bodies():
                body = json.dumps(document).encode()
                took = _seconds(ours, request_bytes(url, "POST", path, body, AUTHORIZATION), url, times)
                reading = _seconds(peer, request_bytes(peer_url, "POST", "/read", body), peer_url, times)
                report.add(
                    Row(
                        what,
                        milliseconds(took),
                        milliseconds(reading),
                        took / _MOST,
                        most=1,
                        values={"ours": took, "peer": reading, "against_peer": took / max(reading, _TICK)},
                    )
                )


def _seconds(process: Process, request: bytes, url: str, times: int) -> float:
    """The median of the CPU seconds that one request takes, whatever its answer is."""
    found = []
    with Connection(url) as connection:
        for _ in range(times):
            before = process.cpu_seconds()
            connection.send(request)
            while (answer := connection.read()) is None:
                pass
            if answer[0] >= 500:
                raise BenchmarkError(f"{answer[0]}: {answer[1][:200]!r}")
            found.append(process.cpu_seconds() - before)
    return statistics.median(found)


def _job(operation: str, **data: Any) -> dict[str, Any]:
    return {"operation": {"type": operation, "data": data}}


def _batch(job: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": [job] * _JOBS}


def _targets(targets: Iterable[str]) -> dict[str, Any]:
    return {"jobs": [{**_job("node.hostname.get"), "target": target} for target in targets]}


def _some(fields: dict[str, Any]) -> dict[str, Any]:
    """As many as each job of a batch may have within the limit."""
    return dict(list(fields.items())[:40])
