"""Our API without some of its security, to see what that costs. BENCHMARK_WITHOUT names what to leave out.

``authentication``: every request comes from the administrator, and nothing of it is looked at. ``signing``: jobs are
stored as they are. ``audit``: nothing is written down.
"""

from __future__ import annotations

import json
import os
from typing import Any

from flask import g

from api.auth.gate import Gate
from api.server import Server, listen
from jobqueue.model.principal import Principal
from jobqueue.services.audit import AuditTrail
from jobqueue.settings import Settings
from jobqueue.trust.signing.work import WorkSigner

_ADMIN = Principal("admin", frozenset({"*"}))
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _let_in(_gate: Gate) -> None:
    g.principal = _ADMIN


def _do_not_sign(_signer: WorkSigner, _job_id: str, document: Any, **_terms: Any) -> str:
    return _ENCODER.encode(document)


def _do_not_write(_trail: AuditTrail, _deed: Any) -> None:
    """The trail stays empty."""


def leave_out(names: list[str]) -> None:
    """Replace the code of what is named, in this process and those that it forks."""
    if "authentication" in names:
        Gate.check = _let_in  # type: ignore[method-assign,assignment]
    if "signing" in names:
        WorkSigner.sign = _do_not_sign  # type: ignore[method-assign,assignment]
    if "audit" in names:
        AuditTrail.write = _do_not_write  # type: ignore[method-assign,assignment]


class OpenServer(Server):
    """Our server; what is left out is left out in each worker, after gevent has changed the standard library."""

    def load(self) -> Any:
        """Called by gunicorn in each worker."""
        leave_out(os.environ["BENCHMARK_WITHOUT"].split(","))
        return super().load()


if __name__ == "__main__":
    chosen = Settings.from_env()
    OpenServer(chosen, listen(chosen.api_host, chosen.api_port)).run()
