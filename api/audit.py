"""Which requests go into the audit trail: all that may change something, and all that are refused."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response

from api import request_id
from api.auth.rules import rule_name
from api.auth.throttle import network_of
from api.context import http_request, notes, principal, services
from jobqueue.ledger.audit import together
from jobqueue.model.audit import AuditEntry
from jobqueue.model.principal import Principal

if TYPE_CHECKING:
    from flask.ctx import _AppCtxGlobals

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = frozenset({401, 403, 429})
#: The ledger cannot be reached.
_AWAY = 503
_WRONG = 400
_TURNED_AWAY = "audit_turned_away"
_TOGETHER = "audit_together"
_CHANGES = "audit_changes"
#: What changes who may get in, and what runs where with whose permissions: by the name of the view, the status of an
#: answer that says it was done. It is written into the trail in one step with the change, and refused while that fails.
ACCESS = {
    "key.create_key": 201,
    "key.revoke_key": 204,
    "user.create_user": 201,
    "user.set_password": 200,
    "user.disable_user": 200,
    "user.enable_user": 200,
    "user.delete_user": 204,
    "role.create_role": 201,
    "role.delete_role": 204,
    "agent.accept_agent": 200,
    "agent.revoke_agent": 200,
    "agent.remove_agent": 204,
    "agent.invite_agent": 201,
    "bundle.make_bundle": 201,
    "dashboard.accept": 303,
    # targets are expanded when a job is submitted, also by schedules
    "target.store_target": 201,
    "target.put_target": 200,
    "target.delete_target": 204,
    # schedules run saved jobs with the permissions of their owners
    "saved.put_saved": 200,
    "saved.delete_saved": 204,
    "saved.restore_saved": 200,
    "dashboard.save_job": 303,
    # runs of workflows submit jobs with the permissions of those who start them
    "workflow.put_workflow": 200,
    "workflow.delete_workflow": 204,
    "schedule.create_schedule": 201,
    "schedule.put_schedule": 200,
    "schedule.delete_schedule": 204,
    "schedule.pause_schedule": 200,
    "schedule.resume_schedule": 200,
    "dashboard.save_schedule": 303,
    "dashboard.pause_schedule": 303,
    "dashboard.resume_schedule": 303,
    "dashboard.delete_schedule": 303,
    # messages contain what their owner may read, and are signed for whom receives them
    "notification.put_notification": 200,
    "notification.delete_notification": 204,
    "dashboard.delete_notification": 303,
    # hosts deploy objects
    "file.post_file": 201,
    "file.put_file": 200,
    "file.delete_file": 204,
    "dashboard.store_file": 303,
    "dashboard.delete_file": 303,
    "pause.add_pause": 201,
    "pause.end_pause": 204,
    "dashboard.end_pause": 303,
    "job.approve_batch": 200,
    "dashboard.approve_batch": 303,
}
_WRITTEN = "audit_written"
_MOST_PATH = 300
_MOST_TEXT, _MOST_ITEMS = 200, 20
#: Refusals of one client that are written per minute and process. The trail is bounded: a client that is refused
#: without end must not push out other entries. The refusals left out are counted in the next entry.
_MOST_REFUSALS = 60
_MINUTE = 60.0
_MOST_CLIENTS = 10_000


def add(access: Mapping[str, int]) -> None:
    """Add the routes of a facade that change access, each with its status of success."""
    ACCESS.update(access)


def note(**details: str | int | list[str]) -> None:
    """Add details of this request to its audit entry; never secrets."""
    noted: dict[str, Any] = notes().setdefault("audit_details", {})
    for name, value in details.items():
        noted[name] = _short(value)


def turned_away() -> None:
    """This request is refused, although its answer leads elsewhere, such as to where one signs in."""
    setattr(notes(), _TURNED_AWAY, True)


def changes_something() -> None:
    """This request is written down as those that change something are, although it is a GET."""
    setattr(notes(), _CHANGES, True)


def entry_of(status: int) -> AuditEntry:
    """The entry of this request if it ends with ``status``, for the ledger to write together with the change."""
    return _entry(http_request(), principal(), status, "done")


def is_written(status: int) -> None:
    """The ledger has written the ``entry_of`` entry."""
    setattr(notes(), _WRITTEN, status)


def write_first(status: int) -> None:
    """Write this request's entry now, as if it ended with ``status``: what follows shows in no record of the ledger.

    Raises ``AuditUnavailable``.
    """
    services().audit_trail.must_write(entry_of(status))
    is_written(status)


def install(app: Flask) -> None:
    """Write the audit trail of ``app``."""
    refusals = _Refusals()

    @app.before_request
    def open_scope() -> None:
        current = http_request()
        status = ACCESS.get(rule_name(current.endpoint or ""))
        if status is not None and current.method not in _SAFE:
            scope = together(lambda: entry_of(status))
            setattr(notes(), _TOGETHER, (scope, scope.__enter__(), status))

    @app.teardown_request
    def forget(_: BaseException | None) -> None:
        pending = notes().pop(_TOGETHER, None)
        if pending is not None:
            pending[0].__exit__(None, None, None)

    app.after_request(partial(_record, refusals))


def _record(refusals: _Refusals, response: Response) -> Response:
    """Write the entry of a request that has no entry yet."""
    status, noted = response.status_code, notes()
    if _is_complete(noted, status):
        return response
    pending = noted.get(_TOGETHER)
    if pending is not None and pending[1].is_written:
        # a PUT has two answers that say it was done
        is_written(status if status < _WRONG else pending[2])
    current, caller = http_request(), principal()
    is_change = current.method not in _SAFE or noted.get(_CHANGES, False)
    changes = is_change and current.endpoint is not None
    is_refused = status in _REFUSED or noted.get(_TURNED_AWAY, False)
    if not is_refused and (not changes or noted.get(_WRITTEN) == status):
        return response
    # an unknown client must not push out entries either, whatever its requests get wrong
    is_stranger = not caller.name and status >= _WRONG
    if is_refused or is_stranger:
        left_out = refusals.count(network_of(current.remote_addr or ""))
        if left_out is None:
            return response
        if left_out:
            note(left_out=left_out)
    result = "refused" if is_refused or is_stranger else "done" if status < _WRONG else "failed"
    entry = _entry(current, caller, status, result)
    if status == _AWAY:  # Redis has just kept this request waiting; it would once more
        services().audit_trail.miss(entry, "Redis is unavailable")
    else:
        services().audit_trail.write(entry)
    return response


def _is_complete(noted: _AppCtxGlobals, status: int) -> bool:
    """Whether a request that was not refused has its entry already, as most submissions have."""
    return noted.get(_WRITTEN) == status and status < _WRONG and not noted.get(_TURNED_AWAY)


def _entry(current: Request, caller: Principal, status: int, result: str) -> AuditEntry:
    return AuditEntry(
        who=caller.name,
        kind=caller.kind,
        address=current.remote_addr or "",
        method=current.method[:20],
        path=current.path[:_MOST_PATH],
        status=status,
        result=result,
        request_id=request_id.current(),
        credential=caller.id,
        details=notes().get("audit_details", {}),
    )


def _short(value: str | int | list[str]) -> str | int | list[str]:
    """No more than an entry should hold."""
    if isinstance(value, str):
        return value[:_MOST_TEXT]
    if isinstance(value, list):
        return [item[:_MOST_TEXT] for item in value[:_MOST_ITEMS]]
    return value


class _Refusals:
    """Counts refusals per client and minute."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, list[float]] = OrderedDict()

    def count(self, client: str) -> int | None:
        """None: leave this one out. Else how many of this client's were left out before it."""
        now = time.monotonic()
        refused = self._clients.get(client)
        if refused is None:
            refused = self._clients[client] = [now, 0, 0]  # since when, written, left out
            while len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)
        if now - refused[0] >= _MINUTE:
            refused[0], refused[1] = now, 0
        if refused[1] >= _MOST_REFUSALS:
            refused[2] += 1
            return None
        refused[1] += 1
        left_out, refused[2] = int(refused[2]), 0
        return left_out
