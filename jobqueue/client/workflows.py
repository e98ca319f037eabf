"""Workflows and their runs, as ``client.workflows``. Answers are the API's JSON."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobqueue.client.errors import ConnectionFailed, Unavailable
from jobqueue.client.polling import Pacer
from jobqueue.client.routes import Document, Routes, pages_of, path_of, without_none
from jobqueue.client.saved import COMPUTED
from jobqueue.model.saved_job import MAX_PAGE
from jobqueue.model.states import FINAL_STATUSES

_FINAL = frozenset(status.value for status in FINAL_STATUSES)
#: Fields of a node and the values that say nothing.
_DEFAULTS: Mapping[str, Any] = {"needs": [], "when": "success", "ignore_failure": False}


class Workflows(Routes):
    """The routes of ``/workflow`` and ``/workflow-run``. Every method raises as those of ``Client``."""

    def page(self, cursor: str | None = None, limit: int | None = None) -> Document:
        """One page by name: ``{"workflows": [...], "next_cursor"}``."""
        query = {"cursor": cursor, "limit": limit}
        return self._object("GET", "/workflow", query=without_none(query))

    def list(self) -> Iterator[Document]:
        """Every workflow, by name."""
        for page in pages_of(self.page, limit=MAX_PAGE):
            yield from page["workflows"]

    def get(self, name: str, version: int | None = None) -> Document:
        """One workflow, or one of its earlier versions. Raises ``NotFound``."""
        return self._object("GET", path_of("/workflow", name), query={} if version is None else {"version": version})

    def put(
        self,
        name: str,
        workflow: Mapping[str, Any],
        *,
        version: int | None = None,
        dry_run: bool = False,
        assume: bool = False,
    ) -> Document:
        """Store a workflow under a name: ``{"workflow", "change", "changes"}``; ``change`` is created, changed or
        unchanged.

        ``workflow`` is the body of ``PUT /workflow/{name}``. ``version`` is the one that was read, 0 for none: with
        another one stored, this raises ``Conflict``. ``dry_run`` stores nothing, and with ``assume`` saved jobs that do
        not exist are not checked.
        """
        body = {**workflow, **({} if version is None else {"version": version})}
        query = {"dry_run": "true"} if dry_run else {}
        if assume:
            query["assume"] = "true"
        return self._object("PUT", path_of("/workflow", name), body=body, query=query, repeatable=version is None)

    def delete(self, name: str) -> None:
        """Delete a workflow and its versions; its runs stay. Raises ``NotFound``."""
        self._http.request("DELETE", path_of("/workflow", name))

    def versions(self, name: str) -> Document:
        """The kept versions, newest first: ``{"name", "versions": [...]}``."""
        return self._object("GET", path_of("/workflow", name, "versions"))

    def run(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> Document:
        """Start a run, and return it. ``options``: ``version``, ``idempotency_key`` (by default, a new one)."""
        body = {"parameters": dict(parameters or {}), "idempotency_key": uuid.uuid4().hex, **options}
        return self._object("POST", path_of("/workflow", name, "run"), body=body, repeatable=True)

    def runs(self, workflow: str | None = None, cursor: str | None = None, limit: int | None = None) -> Document:
        """One page of runs, newest first, of one workflow or of all: ``{"runs": [...], "total", "next_cursor"}``."""
        query = {"workflow": workflow, "cursor": cursor, "limit": limit}
        return self._object("GET", "/workflow-run", query=without_none(query))

    def get_run(self, run_id: str) -> Document:
        """One run, with the state and the job of each node. Raises ``NotFound``."""
        return self._object("GET", path_of("/workflow-run", run_id))

    def cancel(self, run_id: str) -> Document:
        """Cancel a run, and return it. Raises ``Conflict`` if it has ended."""
        return self._object("POST", path_of("/workflow-run", run_id, "cancel"))

    def retry(self, run_id: str) -> Document:
        """Run an ended run again from the nodes that failed. Raises ``Conflict`` if nothing of it has failed."""
        return self._object("POST", path_of("/workflow-run", run_id, "retry"))

    def wait(
        self, run_id: str, timeout: float | None = None, *, on_poll: Callable[[Document], None] | None = None
    ) -> Document:
        """The run once it has ended; ``on_poll`` receives every answer.

        Raises ``WaitTimeout`` (with the last state) after ``timeout`` seconds. An API that becomes unreachable is
        retried for 30 s.
        """
        pacer = Pacer(run_id, timeout, 0.05, 1.0, noun="Run")
        while True:
            pacer.ask()
            try:
                run = self.get_run(run_id)
            except (ConnectionFailed, Unavailable) as error:
                pacer.unreachable(error)
            else:
                pacer.answered(run)
                if on_poll is not None:
                    on_poll(run)
                if run.get("status") in _FINAL:
                    return run
            time.sleep(pacer.pause())


def workflow_body(workflow: Mapping[str, Any]) -> Document:
    """A workflow, as the API shows it, as the body that stores it, without what says nothing."""
    body = {name: value for name, value in workflow.items() if name not in COMPUTED and value not in (None, [], {}, "")}
    nodes = [
        {
            name: value
            for name, value in node.items()
            if value not in (None, {}) and not (name in _DEFAULTS and value == _DEFAULTS[name])
        }
        for node in body.get("nodes") or ()
    ]
    return {**body, "nodes": nodes}
