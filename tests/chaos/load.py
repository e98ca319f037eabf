"""The clients: they send the plan's requests over HTTP, patiently, and write down the answers."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError

from tests.chaos.book import Promise
from tests.chaos.plan import Plan, Request

_TIMEOUT = 4.0
_PAUSE = 0.2
_CLIENTS = 8
#: A request that gets no answer for so long means that the system does not come back.
_PATIENCE = 180.0
#: Where 202 means that the ledger has not confirmed the jobs in time: they may be stored. (A cancel is answered 202.)
_SUBMISSIONS = ("/job", "/job/batch")


class Answer(NamedTuple):
    """The final answer to a request that was sent ``tries`` times, the last of them ``asked`` (microseconds).

    With more than one try, an earlier one whose answer was lost may have been carried out, or will be when the process
    that has it wakes up.
    """

    status: int
    document: Any
    tries: int
    asked: int


class Load:
    """Sends requests when their time comes. ``promises`` is complete once ``join`` has returned."""

    def __init__(self, url: str, token: str, effects: Path, script: Path) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._effects = effects
        self._script = script
        self._pool = urllib3.PoolManager(maxsize=_CLIENTS, retries=False, timeout=_TIMEOUT)
        self._todo: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.promises: list[Promise] = []
        self.complaints: list[str] = []

    def start(self, plan: Plan) -> None:
        """Begin now, in the background."""
        begin = time.monotonic()
        for _, group in groupby(plan.requests, lambda request: request.batch or -request.number):
            promises = [Promise(request) for request in group]
            self.promises += promises
            self._at(begin + promises[0].request.at, self._submission(promises))
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()

    def join(self) -> None:
        """Wait until every request was sent and has its answer."""
        assert self._thread is not None
        self._thread.join()
        self._pool.clear()

    def _at(self, when: float, action: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._todo, (when, next(self._order), action))

    def _run(self) -> None:
        with ThreadPoolExecutor(_CLIENTS) as clients:
            running: set[Any] = set()
            while True:
                running = {future for future in running if not future.done() or future.result()}
                with self._lock:
                    due = self._todo and self._todo[0][0] <= time.monotonic()
                    action = heapq.heappop(self._todo)[2] if due else None
                    is_over = not self._todo and not running
                if action:
                    running.add(clients.submit(action))
                elif is_over:
                    return
                else:
                    time.sleep(0.005)

    def _submission(self, promises: list[Promise]) -> Callable[[], None]:
        return (
            (lambda: self._submit_batch(promises)) if promises[0].request.batch else (lambda: self._submit(promises[0]))
        )

    def _submit(self, promise: Promise) -> None:
        body = self._body(promise.request)
        answer = self._ask("POST", "/job", body, again=promise.request.keyed)
        if answer is not None:
            self._note(promise, answer)

    def _submit_batch(self, promises: list[Promise]) -> None:
        body = {"jobs": [self._body(promise.request) for promise in promises]}
        answer = self._ask("POST", "/job/batch", body, again=True)
        if answer is None:
            return
        if answer.status != 201:
            self.complaints.append(f"POST /job/batch: {answer.status} {answer.document}")
            return
        for promise, item in zip(promises, answer.document["items"], strict=True):
            self._note(promise, answer._replace(status=item.get("code", 201), document=item))

    def _note(self, promise: Promise, answer: Answer) -> None:
        status, document, promise.tries, promise.asked = answer
        if status in (200, 201):
            promise.outcome, promise.job_id = "accepted", document["job_id"]
            promise.replayed = status == 200
            self._follow_up(promise)
        elif status == 409:  # no agent of the target is live just now
            promise.outcome = "refused"
        elif status == 400 and "expires_at" in (document.get("details") or {}):
            promise.outcome = "unknown"  # its deadline passed on the way; an earlier try may have been accepted
        else:
            self.complaints.append(f"POST /job: {status} {document}")

    def _follow_up(self, promise: Promise) -> None:
        now = time.monotonic()
        if promise.request.cancel_after is not None:
            self._at(now + promise.request.cancel_after, lambda: self._cancel(promise))
        # an earlier try that comes late finds its job by the key; without one it would make it anew
        if promise.request.delete_after is not None and promise.tries == 1:
            self._at(now + promise.request.delete_after, lambda: self._delete(promise))

    def _cancel(self, promise: Promise) -> None:
        answer = self._ask("POST", f"/job/{promise.job_id}/cancel", {}, again=True)
        status = answer.status if answer else 0
        promise.cancelled = status == 202
        if status not in (0, 202, 409) and not (status == 404 and promise.maybe_deleted):
            self.complaints.append(f"POST /job/{promise.job_id}/cancel: {answer}")

    def _delete(self, promise: Promise) -> None:
        promise.maybe_deleted = True
        answer = self._ask("DELETE", f"/job/{promise.job_id}", None, again=True)
        status = answer.status if answer else 0
        # 404: an earlier try did it, and its answer was lost
        was_lost = answer is not None and answer.tries > 1
        promise.deleted = status == 204 or (status == 404 and was_lost)
        promise.maybe_deleted = not status or promise.deleted or was_lost
        if not (status in (0, 204, 409) or promise.deleted):
            self.complaints.append(f"DELETE /job/{promise.job_id}: {answer}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, *, again: bool) -> Answer | None:
        """One request until it is answered (``again``), or one try. None: the outcome is unknown."""
        data = None if body is None else json.dumps(body).encode()
        end = time.monotonic() + _PATIENCE
        tries = 0
        while True:
            tries, asked = tries + 1, int(time.time() * 1_000_000)
            try:
                response = self._pool.request(method, self._url + path, body=data, headers=self._headers)
                if response.status != 503 and not (path in _SUBMISSIONS and response.status == 202):
                    document = json.loads(response.data) if response.data else {}
                    return Answer(response.status, document, tries, asked)
            except (HTTPError, OSError):
                pass  # the API died, or was not there: what is to be tested
            if not again:
                return None
            if time.monotonic() > end:
                self.complaints.append(f"{method} {path}: no answer for {_PATIENCE:g} s")
                return None
            time.sleep(_PAUSE)

    def _body(self, request: Request) -> dict[str, Any]:
        """The body of POST /job. The number of the request is in its tags, so that its job can be recognised."""
        file = str(self._effects / str(request.number))
        if request.operation == "command.exec.execute":
            argv = ["/bin/sh", str(self._script), f"{file}.@fact.hostname", str(request.seconds)]
            data: dict[str, Any] = {"argv": argv}
        else:
            data = {"file": file, "seconds": request.seconds, "failures": request.failures}
        body: dict[str, Any] = {
            "operation": {"type": request.operation, "data": data},
            "target_hostname": request.target,
            "tags": {"n": str(request.number)},
            **request.options,
        }
        now = datetime.now(timezone.utc)
        for name, seconds in (("not_before", request.not_before), ("expires_at", request.expires_at)):
            if seconds is not None:
                body[name] = (now + timedelta(seconds=seconds)).isoformat()
        if request.keyed:
            body["idempotency_key"] = f"request-{request.number}"
        return body
