"""/api/jobs/{id}/logs: a job's output, at once or as it comes."""

from __future__ import annotations

import logging

from flask import Blueprint, Response

from api.live.admission import OVER, Admission
from api.live.closing import closing
from api.live.websocket import Gone, WebSocket
from api.ray import transcript
from api.ray.jobs import find, gone
from api.responses import json_response
from jobqueue.errors import JobQueueError
from jobqueue.model.job import Job

blueprint = Blueprint("ray_logs", __name__)

log = logging.getLogger("jobqueue.api")

#: Characters per frame. Ray's client takes no frame of 4 MiB or more, and a character is up to four bytes.
_FRAME = 256 * 1024


@blueprint.get("/api/jobs/<name>/logs")
def get_logs(name: str) -> Response:
    """All that was printed by now."""
    with gone(name):
        return json_response({"logs": "".join(transcript.whole(find(name)))})


# the first for websockets, the second for those who only try the address
@blueprint.get("/api/jobs/<name>/logs/tail", websocket=True)
@blueprint.get("/api/jobs/<name>/logs/tail")
def tail_logs(name: str) -> Response:
    """A websocket with all that is printed, from the beginning to the end of the job."""
    job = find(name)
    socket = WebSocket.accept()
    try:
        _send_all(job, socket)
    except Gone as error:
        log.info("a reader of job %s left: %s", job.id, error)
        socket.abort()
    except JobQueueError as error:
        log.warning("the output of job %s cannot be followed any more: %s", job.id, error)
        socket.abort()
    return socket.response()


def _send_all(job: Job, socket: WebSocket) -> None:
    """Ray's client takes an orderly close for the end of the job, so there is one only then."""
    admission = Admission()
    for text in transcript.follow(job):
        if not admission.holds():
            log.info("a reader of job %s is disconnected: %s", job.id, OVER)
            socket.abort()
            return
        if closing.is_set():
            socket.abort()
            return
        for start in range(0, len(text), _FRAME):
            socket.send(text[start : start + _FRAME])
        socket.attend()
    socket.close()
