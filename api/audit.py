"""Which requests go into the audit trail: all that may change something, and all that are refused."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import Any

from flask import Flask, Response, g, request

from api import request_id
from api.auth.throttle import network_of
from api.context import principal, services
from jobqueue.model.audit import Deed

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = frozenset({401, 403, 429})
_MOST_PATH = 300
_MOST_DETAILS = 4000
#: Refusals of one client that are written per minute and process. The trail is bounded: whoever is refused without end
#: must not push out of it what others did. What is left out is counted in the next entry.
_MOST_REFUSALS = 60
_MINUTE = 60.0
_MOST_CLIENTS = 10_000


def note(**details: Any) -> None:
    """Say more about what this request does; no secrets. The audit trail shows it under ``details``."""
    found: dict[str, Any] = g.setdefault("audit_details", {})
    found.update(details)


def install(app: Flask) -> None:
    """Write the audit trail of ``app``."""
    refusals = _Refusals()

    @app.after_request
    def record(response: Response) -> Response:
        status = response.status_code
        is_refused = status in _REFUSED
        if not is_refused and (request.method in _SAFE or request.endpoint is None):
            return response
        if is_refused:
            left_out = refusals.count(network_of(request.remote_addr or ""))
            if left_out is None:
                return response
            if left_out:
                note(left_out=left_out)
        services().audit.write(_deed(status, "refused" if is_refused else "done" if status < 400 else "failed"))
        return response


def _deed(status: int, result: str) -> Deed:
    who = principal()
    details = g.get("audit_details", {})
    if len(json.dumps(details)) > _MOST_DETAILS:
        details = {"cut": f"more than {_MOST_DETAILS} characters"}
    return Deed(
        who=who.name,
        kind=who.kind,
        address=request.remote_addr or "",
        method=request.method[:20],
        path=request.path[:_MOST_PATH],
        status=status,
        result=result,
        request_id=request_id.current(),
        credential=who.id,
        details=details,
    )


class _Refusals:
    """Counts refusals per client and minute."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, list[float]] = OrderedDict()

    def count(self, client: str) -> int | None:
        """None: leave this one out. Else how many of this client's were left out before it."""
        now = time.monotonic()
        found = self._clients.get(client)
        if found is None:
            found = self._clients[client] = [now, 0, 0]  # since when, written, left out
            while len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)
        if now - found[0] >= _MINUTE:
            found[0], found[1] = now, 0
        if found[1] >= _MOST_REFUSALS:
            found[2] += 1
            return None
        found[1] += 1
        left_out, found[2] = int(found[2]), 0
        return left_out
