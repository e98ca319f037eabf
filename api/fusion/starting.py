"""The answer to a start: at once, or when the run has ended."""

from __future__ import annotations

from flask import Response

from api import audit
from api.context import principal, services
from api.errors import Closing
from api.fusion import mapping, requests
from api.fusion.context import runs
from api.fusion.runs import Started
from api.live.closing import closing
from api.responses import json_response
from jobqueue.model.configuration import Configuration

#: The ledger has not confirmed the run in time; an error would make the caller start it a second time.
_NOT_CONFIRMED = 202


def start(config_id: str) -> Response:
    """Start a run of a stored configuration."""
    audit.note(configuration=config_id)
    return _answer(runs().start(config_id, principal()))


def start_inline(configuration: Configuration) -> Response:
    """Start a run of the configuration that the caller brings."""
    audit.note(configuration=configuration.id, type=configuration.type)
    return _answer(runs().start_inline(configuration, principal()))


def note(started: Started) -> None:
    """Put a start into the audit trail."""
    audit.note(type=started.configuration.type, run=started.run_id, job=started.job_id)
    if started.operation:
        audit.note(operation=started.operation, target=started.target)


def _answer(started: Started) -> Response:
    """The run's status; with ``?sync=true`` the last one."""
    note(started)
    if started.is_over:
        return json_response(mapping.status(services().jobs.get(started.job_id)))
    if not started.is_confirmed:
        return json_response(mapping.starting(started), _NOT_CONFIRMED)
    if not requests.is_sync():
        return json_response(mapping.starting(started))
    ended = runs().wait(started.job_id, closing.is_set)
    if ended is None:
        raise Closing(
            f"Run {started.run_id} was started and continues; this server is stopping. Query another one for its end: "
            f"GET /api/spark/jobs/{started.run_id}.",
            {"jobRunId": started.run_id},
        )
    return json_response(mapping.status(ended))
