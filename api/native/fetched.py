"""/job/{id}/files: the files that hosts have sent for a job, as one archive."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterator

from flask import Response, stream_with_context

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import requests
from api.native.error_schemas import ErrorAnswer
from api.zip_stream import Sink
from jobqueue.model.archive_name import ArchiveNames
from jobqueue.model.fetched_file import FETCH_PERMISSION, NOT_INCLUDED
from jobqueue.model.timestamps import parse_iso
from jobqueue.services.fetched_files import HostFile, MissingFile

blueprint = Blueprint("fetched", __name__, description="Files that hosts have sent.")

_MIME = "application/zip"
_CONTENT = {_MIME: {"schema": {"type": "string", "format": "binary"}}}
_SHORT_ID = 8
#: A regular file that its owner may read and write.
_ATTRIBUTES = 0o100600 << 16
_EARLIEST, _LATEST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)


@blueprint.route("/job/<job_id>/files", methods=["GET"], parameters=[requests.JOB_ID])
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The job is not one of file.fetch.")
@blueprint.doc(operationId="getJobFiles", responses={"200": {"description": "The archive.", "content": _CONTENT}})
def get_files(job_id: str) -> Response:
    """Download the files that hosts have sent, as a zip archive

    Its names are `hostname/path`. What is unsafe in a name on any system is percent-encoded. `_not-included.txt` lists
    hosts that have not sent files, and files whose content does not have the digest that the agent signed. The
    archive is streamed, host by host; that of a running job ends where it is now.
    """
    job_id = requests.job_id(job_id)
    files = services().fetched_files.of_job(services().jobs.executions, job_id, _allowed_hosts())
    audit.changes_something()  # who took files of hosts belongs into the trail
    return Response(
        stream_with_context(_archive(files)),
        content_type=_MIME,
        headers={"Content-Disposition": f'attachment; filename="job-{job_id[:_SHORT_ID]}-files.zip"'},
    )


def _allowed_hosts() -> Container[str] | None:
    """The hosts whose files the caller may have; None: all."""
    return None if principal().may(FETCH_PERMISSION) else services().scopes.of(principal(), FETCH_PERMISSION)


def _archive(files: Iterator[HostFile | MissingFile]) -> Iterator[bytes]:
    sink, names = Sink(), ArchiveNames()
    missing: list[str] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if isinstance(file, MissingFile):
                missing.append(_line(file))
                continue
            info = zipfile.ZipInfo(names.name(file.hostname, file.file.path), _date(file.file.modified))
            info.compress_type, info.external_attr, info.file_size = zipfile.ZIP_DEFLATED, _ATTRIBUTES, file.file.size
            with archive.open(info, "w") as entry:
                for piece in file.pieces():
                    entry.write(piece)
                    yield sink.take()
        if missing:
            archive.writestr(NOT_INCLUDED, "".join(missing))
    yield sink.take()


def _line(missing: MissingFile) -> str:
    """One line; names are from hosts, and may hold anything."""
    text = f"{missing.hostname}{':' if missing.path else ''}{missing.path}: {missing.reason}"
    return text.encode("unicode_escape").decode() + "\n"


def _date(text: str) -> tuple[int, int, int, int, int, int]:
    """The time in the form of zip archives, which know 1980 to 2107; the earliest for any other text."""
    try:
        time = parse_iso(text)
    except ValueError:
        return _EARLIEST
    date = (time.year, time.month, time.day, time.hour, time.minute, time.second)
    return min(max(date, _EARLIEST), _LATEST)
