"""/job/{id}/logs: the output of a job's executions, live and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request

from api.blueprint import Blueprint
from api.context import services
from api.live import sse
from api.native import requests
from api.native.schemas import ErrorAnswer, LogAnswer, LogQuery
from api.responses import json_response
from jobqueue.model.output import OutputPage
from jobqueue.model.target import check_hostname

blueprint = Blueprint("log", __name__, description="Output of jobs.")

_JOB_ID = {"in": "path", "name": "job_id", "required": True, "schema": {"type": "string", "format": "uuid"}}


@blueprint.route("/job/<job_id>/logs", methods=["GET"], parameters=[_JOB_ID])
@blueprint.arguments(LogQuery, location="query")
@blueprint.response(200, LogAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id, or it has no execution on this host.")
@blueprint.doc(operationId="getJobLogs")
def get_logs(loaded: dict[str, Any], job_id: str) -> Response:
    """Read a job's output

    With `Accept: text/event-stream` it is followed to its end: events `output`, whose ids say how far they reach (send
    the last one back as `Last-Event-ID` to go on behind it), and at last `end`. `Accept: text/plain` gives bare text.
    """
    job_id = requests.job_id(job_id)
    hostname = check_hostname(loaded["hostname"]) if "hostname" in loaded else None
    if sse.is_wanted():
        before, offset = sse.last_event_id() or ("", loaded["offset"])
        return sse.stream(_events(services().output.follow(job_id, hostname, offset, before)))
    page = services().output.page(job_id, hostname, loaded["offset"])
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return Response(_text(job_id, hostname, page), content_type="text/plain; charset=utf-8")
    return json_response({"job_id": job_id, **_document(page)})


def _text(job_id: str, hostname: str | None, page: OutputPage) -> bytes:
    """All that there is now, from ``page`` on. An execution's output is bounded, so it is read at once."""
    found = bytearray()
    while page.chunks:
        found += b"".join(chunk.data for chunk in page.chunks)
        page = services().output.page(job_id, hostname, page.next_offset)
    return bytes(found)


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
