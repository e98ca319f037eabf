"""/job/{id}/logs: the output of a job's executions, live and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request, stream_with_context

from api.blueprint import Blueprint
from api.context import services
from api.live import sse
from api.native import requests
from api.native.error_schemas import ErrorAnswer
from api.native.log_schemas import LogAnswer, LogQuery
from api.responses import json_response
from jobqueue.model.output import HostOutputs, OutputPage
from jobqueue.model.target import check_hostname

blueprint = Blueprint("log", __name__, description="Output of jobs.")


@blueprint.route("/job/<job_id>/logs", methods=["GET"], parameters=[requests.JOB_ID])
@blueprint.arguments(LogQuery, location="query")
@blueprint.response(200, LogAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id, or it has no execution on this host.")
@blueprint.doc(operationId="getJobLogs")
def get_logs(loaded: dict[str, Any], job_id: str) -> Response:
    """Read a job's output

    A job on several hosts: without `hostname`, the output of `limit` hosts after `cursor`, in `hosts`.

    With `Accept: text/event-stream` it is followed to its end: events `output`, whose ids say how far they reach (send
    the last one back as `Last-Event-ID` to continue after it), and at last `end`. The output of several hosts (at most
    50) is followed together: `host_end` is the end of one host, `end` that of all, and the events have no ids.

    `Accept: text/plain` gives bare text; of several hosts, each line begins with its host, as in `web1 | text`, and the
    header `X-Next-Cursor` is the `next_cursor`.
    """
    job_id = requests.job_id(job_id)
    hostname = check_hostname(loaded["hostname"]) if "hostname" in loaded else None
    of_hosts = None if hostname is not None else _of_hosts(job_id, loaded)
    if of_hosts is not None:
        return of_hosts
    if sse.is_wanted():
        before, offset = sse.last_event_id() or ("", loaded["offset"])
        return sse.stream(_events(services().output.follow(job_id, hostname, offset, before)))
    page = services().output.page(job_id, hostname, loaded["offset"])
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return Response(_text(job_id, hostname, page), content_type="text/plain; charset=utf-8")
    return json_response({"job_id": job_id, **_document(page)})


def _of_hosts(job_id: str, loaded: dict[str, Any]) -> Response | None:
    """The output of all hosts; None if the job has a single execution."""
    output = services().output
    if sse.is_wanted():
        pages = output.follow_hosts(job_id)
        return None if pages is None else sse.stream(_events_of_hosts(pages))
    outputs = output.of_hosts(job_id, loaded.get("cursor", ""), loaded["limit"], only_failed=loaded["failed"])
    if outputs is None:
        return None
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        headers = {} if outputs.next_cursor is None else {"X-Next-Cursor": outputs.next_cursor}
        return Response(
            stream_with_context(_prefixed(job_id, outputs)), content_type="text/plain; charset=utf-8", headers=headers
        )
    document = {"job_id": job_id, "hosts": [_document(page) for page in outputs.pages]}
    return json_response({**document, "total": outputs.total, "next_cursor": outputs.next_cursor})


def _prefixed(job_id: str, outputs: HostOutputs) -> Iterator[bytes]:
    """Each line of output after its host's name. An execution's output is bounded, so each host's is read at once."""
    for page in outputs.pages:
        for line in _text(job_id, page.hostname, page).splitlines():
            yield page.hostname.encode() + b" | " + line + b"\n"


def _events_of_hosts(pages: Iterable[OutputPage | None]) -> Iterator[list[sse.ServerEvent]]:
    for page in pages:
        if page is None:
            yield []
            continue
        events = []
        if page.cut:
            events.append(sse.ServerEvent("cut", {"hostname": page.hostname, "bytes": page.cut}))
        events += [sse.ServerEvent("output", {"hostname": page.hostname, **chunk.document()}) for chunk in page.chunks]
        if page.complete:
            events.append(sse.ServerEvent("host_end", {"hostname": page.hostname, "status": page.state}))
        yield events
    yield [sse.ServerEvent("end", {"hostname": "", "status": ""})]


def _text(job_id: str, hostname: str | None, page: OutputPage) -> bytes:
    """All that there is now, from ``page`` on. An execution's output is bounded, so it is read at once."""
    text = bytearray()
    while page.chunks:
        text += b"".join(chunk.data for chunk in page.chunks)
        page = services().output.page(job_id, hostname, page.next_offset)
    return bytes(text)


def _document(page: OutputPage) -> dict[str, Any]:
    return {
        "hostname": page.hostname,
        "status": page.state,
        "complete": page.complete,
        "cut": page.cut,
        "next_offset": page.next_offset,
        "chunks": [chunk.document() for chunk in page.chunks],
    }


def _events(pages: Iterable[OutputPage]) -> Iterator[list[sse.ServerEvent]]:
    for page in pages:
        events = []
        if page.cut:
            events.append(sse.ServerEvent("cut", {"hostname": page.hostname, "bytes": page.cut}))
        events += [
            sse.ServerEvent(
                "output", {"hostname": page.hostname, **chunk.document()}, id=f"{page.hostname}:{chunk.end}"
            )
            for chunk in page.chunks
        ]
        if page.complete:
            end = {"hostname": page.hostname, "status": page.state}
            events.append(sse.ServerEvent("end", end, id=f"{page.hostname}:{page.next_offset}"))
        yield events
