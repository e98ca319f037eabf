"""/job/{id}/files: the files that hosts have sent, as one archive."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jobqueue.model.job import Execution
from jobqueue.model.pieces import PIECE_BYTES
from jobqueue.model.states import ExecutionState
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job
from tests.unit.api.shapes import error

JOB = a_job().id
BIG = bytes(range(256)) * 2000


def entry(path: str, content: bytes, **fields: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"path": path, "size": len(content), "sha256": digest, "modified": "2026-11-30T08:00:01.000Z", **fields}


def execution(hostname: str, data: Any, **fields: Any) -> Execution:
    (one,) = a_job().executions
    return replace(one, slot=hostname, hostname=hostname, data=data, **{"authenticity": "signed", **fields})


def sent(services: FakeServices, hostname: str, content: bytes) -> None:
    for number, start in enumerate(range(0, len(content), PIECE_BYTES)):
        key = services.ledger.keys.fetched(JOB, hostname)
        services.ledger.scripts.command("HSET", key, number, content[start : start + PIECE_BYTES])


def ran(services: FakeServices, executions: Sequence[Execution], operation: str = "file.fetch") -> None:
    services.store[JOB] = a_job(operation=operation, target="_all", executions=tuple(executions))


def archive(ask: Ask) -> dict[str, bytes]:
    response = ask("GET", f"/job/{JOB}/files")
    assert response.status_code == 200
    assert response.content_type == "application/zip"
    assert response.headers["Content-Disposition"] == f'attachment; filename="job-{JOB[:8]}-files.zip"'
    with zipfile.ZipFile(io.BytesIO(response.data)) as read:
        assert read.testzip() is None
        assert all(info.external_attr >> 16 == 0o100600 for info in read.infolist() if "/" in info.filename)
        return {name: read.read(name) for name in read.namelist()}


def test_each_host_has_its_files(ask: Ask, services: FakeServices) -> None:
    ran(
        services,
        [
            execution("web1", {"files": [entry("/var/log/a", BIG), entry("/empty", b""), entry("/../b", b"b")]}),
            execution("web2", {"files": [entry("/var/log/a", b"two")]}),
        ],
    )
    sent(services, "web1", BIG + b"b")
    sent(services, "web2", b"two")
    assert archive(ask) == {
        "web1/var/log/a": BIG,
        "web1/empty": b"",
        "web1/%2E%2E/b": b"b",
        "web2/var/log/a": b"two",
    }


def test_what_cannot_be_trusted_is_listed_instead(ask: Ask, services: FakeServices) -> None:
    good = {"files": [entry("/a", b"good")]}
    bad_lists: list[Any] = [None, [], {"files": "x"}, {"files": [entry("/a", b"x", size=-1)]}, {"files": [{}]}]
    bad_lists += [{"files": [entry("/a", b"x", size=2**31)]}, {"files": [entry("/a", b"x", size=True)]}]
    bad_lists += [{"files": [entry("/a", b"")] * 1001}, {"files": [entry("/a", b"x", sha256="../x")]}]
    ran(
        services,
        [
            execution("web1", good),
            execution("web2", good),
            execution("web3", good, authenticity="forged"),
            execution("web4", good, authenticity=None),
            execution("web5", None, state=ExecutionState.FAILED, error="No file matches /a\n."),
            execution("web6", {"files": [entry("/a\n", b"good"), entry("/b", b"more")]}),
            execution("web7", good),
            *(execution(f"bad{number}", data) for number, data in enumerate(bad_lists)),
        ],
    )
    for hostname in ("web1", "web3", "web4", *(f"bad{number}" for number in range(len(bad_lists)))):
        sent(services, hostname, b"good")
    sent(services, "web2", b"evil")
    sent(services, "web6", b"good")
    services.ledger.scripts.command("SET", services.ledger.keys.fetched(JOB, "web7"), "x")
    read = archive(ask)
    listed = read.pop("_not-included.txt").decode().splitlines()
    assert read == {"web1/a": b"good", "web6/a%0A": b"good"}
    assert listed[:4] == [
        "web2:/a: its content was altered in Redis",
        "web3: its result is forged",
        "web4: its result is not verified",
        "web5: failed: No file matches /a\\n.",
    ]
    assert listed[4] == "web6:/b: what web6 has sent is no longer complete in Redis (piece 0)"
    assert listed[5].startswith("web7:/a: ")
    assert listed[6:] == [
        f"bad{number}: its result does not list files as it should" for number in range(len(bad_lists))
    ]


def test_a_job_of_another_operation_has_none(ask: Ask, services: FakeServices) -> None:
    ran(services, [], operation="node.hostname.get")
    error(ask("GET", f"/job/{JOB}/files"), 409, "node.hostname.get sends none")
    error(ask("GET", "/job/00000000-0000-4000-8000-000000000000/files"), 404)


def test_the_download_is_in_the_audit_trail(ask: Ask, services: FakeServices) -> None:
    ran(services, [execution("web1", {"files": []})])
    assert archive(ask) == {}
    assert services.audit_trail.newest(1)[0].content.path == f"/job/{JOB}/files"
