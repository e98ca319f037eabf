"""/job/{id}/output: all that a job printed, as one file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from flask import Response, stream_with_context

from api.blueprint import Blueprint
from api.context import services
from api.native import requests
from api.native.error_schemas import ErrorAnswer
from api.native.log_schemas import OutputQuery
from api.responses import dumps
from api.zip_stream import Sink
from jobqueue.model.output import OutputPage

blueprint = Blueprint("output", __name__, description="Output of jobs as files.")

_MIMES = {"jsonl": "application/jsonl", "zip": "application/zip"}
_CONTENT = {mime: {"schema": {"type": "string", "format": "binary"}} for mime in _MIMES.values()}
_SHORT_ID = 8


@blueprint.route("/job/<job_id>/output", methods=["GET"], parameters=[requests.JOB_ID])
@blueprint.arguments(OutputQuery, location="query")
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.doc(operationId="getJobOutput", responses={"200": {"description": "The file.", "content": _CONTENT}})
def get_output(loaded: dict[str, Any], job_id: str) -> Response:
    """Download a job's output, of all hosts

    `jsonl`: a line for each piece of output, with `hostname`, `status`, `offset`, `stream`, `attempt` and `text`.
    `zip`: a file for each host, `web1.txt`, with the bytes as they were printed. Both are streamed, host by host; the
    output of a running job ends where it is now.
    """
    job_id = requests.job_id(job_id)
    form = loaded["format"]
    pages = services().output.everything(job_id, only_failed=loaded["failed"])
    body = _lines(pages) if form == "jsonl" else _archive(pages)
    name = f"job-{job_id[:_SHORT_ID]}.{form}"
    return Response(
        stream_with_context(body),
        content_type=_MIMES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(pages: Iterator[OutputPage]) -> Iterator[bytes]:
    for page in pages:
        about = {"hostname": page.hostname, "status": page.state}
        if page.cut:
            yield f"{dumps({**about, 'cut': page.cut})}\n".encode()
        if page.chunks:
            yield "".join(f"{dumps({**about, **chunk.document()})}\n" for chunk in page.chunks).encode()


def _archive(pages: Iterator[OutputPage]) -> Iterator[bytes]:
    """A zip archive, part by part: never more than a page of output is in memory."""
    sink = Sink()
    entry: Any = None
    host: str | None = None
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for page in pages:
            if page.hostname != host:
                if entry is not None:
                    entry.close()
                host = page.hostname
                entry = archive.open(f"{host or '_any'}.txt", "w")
            if page.cut:
                entry.write(f"[... {page.cut} bytes are no longer stored ...]\n".encode())
            for chunk in page.chunks:
                entry.write(chunk.data)
            yield sink.take()
        if entry is not None:
            entry.close()
    yield sink.take()
