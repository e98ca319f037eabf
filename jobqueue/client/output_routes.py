"""Routes of what jobs print, and of events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from jobqueue.client import events
from jobqueue.client.errors import ClientError, ConnectionFailed, InvalidAnswer, Unavailable
from jobqueue.client.polling import PATIENCE_SECONDS
from jobqueue.client.routes import Routes, path_of
from jobqueue.client.sse import ServerEvent

#: Seconds before a stream that ended early (a server that stops, a proxy time-out) is requested again.
_STREAM_PAUSE = 0.2


class OutputRoutes(Routes):
    """Reads output and events, once or as they arrive."""

    def logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> dict[str, Any]:
        """An execution's output after a byte offset: ``{"hostname", "status", "complete", "cut", "next_offset",
        "chunks": [{"offset", "stream", "attempt", "text", "base64"?}]}``; a few hundred chunks at most.

        Of a job on several hosts, without ``hostname``: the same as ``host_logs``.
        """
        return self._object("GET", path_of("/job", job_id, "logs"), query=_log_query(hostname, offset))

    def iter_logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
        """All pages that are available now; without ``hostname``, of all hosts, one after the other."""
        while True:
            page = self.logs(job_id, hostname, offset)
            if "hosts" in page:
                yield from self._host_pages(job_id, page, failed=False)
                return
            yield page
            if not page["chunks"]:
                return
            offset = page["next_offset"]

    def host_logs(self, job_id: str, cursor: str = "", limit: int = 20, *, failed: bool = False) -> dict[str, Any]:
        """The beginning of the output of several hosts: ``{"job_id", "hosts": [pages as of ``logs``], "total",
        "next_cursor"}``, in order of hostnames.

        ``cursor`` is a page's ``next_cursor``; ``limit`` 1-100; ``failed`` picks failed, expired and lost executions.
        For a job with a single execution, the page that ``logs`` returns, without ``hosts``.
        """
        query = {"limit": limit, **({"cursor": cursor} if cursor else {}), **({"failed": "true"} if failed else {})}
        return self._object("GET", path_of("/job", job_id, "logs"), query=query)

    def iter_host_logs(self, job_id: str, *, failed: bool = False) -> Iterator[dict[str, Any]]:
        """Pages like those of ``logs``: all output that is available now, host by host in order of hostnames."""
        return self._host_pages(job_id, self.host_logs(job_id, failed=failed), failed=failed)

    def _host_pages(self, job_id: str, answer: dict[str, Any], *, failed: bool) -> Iterator[dict[str, Any]]:
        while True:
            for page in answer.get("hosts", [answer]):
                yield page
                if page["chunks"] and not page["complete"]:
                    yield from self.iter_logs(job_id, page["hostname"] or None, page["next_offset"])
            if answer.get("next_cursor") is None:
                return
            answer = self.host_logs(job_id, answer["next_cursor"], failed=failed)

    def follow_logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
        """Pages like those of ``logs`` as they arrive, until the execution has ended.

        Without ``hostname``, pages of all hosts (at most 50) until the last has ended. A broken connection is resumed
        after the last chunk, with the same time limit as ``wait``.
        """
        gone_since: float | None = None
        last_id = ""
        reached: dict[str, int] = {}
        path, query = path_of("/job", job_id, "logs"), _log_query(hostname, offset)
        while True:
            try:
                with self._http.stream(path, query=query, last_id=last_id) as stream:
                    for event in stream:
                        gone_since = None
                        page = _log_page(event)
                        last_id = event.id or last_id
                        if not last_id and _is_repeated(page, reached):
                            continue
                        yield page
                        if page["complete"]:
                            return
            except (ConnectionFailed, Unavailable):
                gone_since = gone_since or time.monotonic()
                if time.monotonic() - gone_since > PATIENCE_SECONDS:
                    raise
            time.sleep(_STREAM_PAUSE)

    def follow_events(self, job_id: str | None = None, after: str = "") -> Iterator[dict[str, Any]]:
        """The events of a job (or of all jobs) as they happen, each a dict with its ``kind``:

        ``job``: ``{"id", "job_id", "status", "event", "hostname", "timestamp", "message", "error"}``, where ``status``
        is the job's, and ``count`` is set for equal steps of that many agents (``hostname`` is then empty); ``reset``:
        some events may be missing, so reload the job; ``waiting``: the ledger does not answer at present; ``end``: the
        job has ended. Those of a front name their ``cell``; ``waiting`` and ``reset`` are then about this cell, and
        ``resumed`` says that it sends events again, of which none is missing. For
        one job, its events so far come first, and ``end`` is the last. For all jobs, the stream does not end; it starts
        now, or after the event whose ``id`` is ``after``. Broken connections are resumed, with the same time limit as
        ``wait``. Raises ``NotFound`` if the job does not exist, or the server has no event stream.
        """
        return events.follow(self._http, "/events" if job_id is None else path_of("/job", job_id, "events"), after)


def _log_query(hostname: str | None, offset: int) -> dict[str, Any]:
    return {"offset": offset, **({"hostname": hostname} if hostname is not None else {})}


def _is_repeated(page: Mapping[str, Any], reached: dict[str, int]) -> bool:
    """Whether a stream of several hosts, which starts over after a broken connection, had sent this page before."""
    if not page["chunks"]:
        return bool(page["cut"]) and page["hostname"] in reached
    before = reached.get(page["hostname"], 0)
    reached[page["hostname"]] = max(before, page["next_offset"])
    return bool(page["next_offset"] <= before)


def _log_page(event: ServerEvent) -> dict[str, Any]:
    """One event of a log stream, in the format of a page."""
    try:
        data = json.loads(event.data)
    except ValueError as error:
        raise InvalidAnswer("The log stream is not in the jobqueue API's format.") from error
    if event.name == "error":
        raise ClientError(data["error"], data.get("details"))
    return {
        "hostname": data.get("hostname", ""),
        "status": data.get("status", ""),
        "complete": event.name == "end",
        "cut": data["bytes"] if event.name == "cut" else 0,
        "next_offset": data["offset"] if event.name == "output" else 0,
        "chunks": [data] if event.name == "output" else [],
    }
