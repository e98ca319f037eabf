"""Routes of what an operator watches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobqueue.client.routes import Routes, path_of, time_text, without_none


class StatusRoutes(Routes):
    """Health, alerts, pauses, and the operations that agents offer."""

    def health(self) -> dict[str, Any]:
        """Whether the API is alive."""
        return self._object("GET", "/health")

    def ready(self) -> dict[str, Any]:
        """Whether the API reaches its ledger; raises ``Unavailable`` immediately if not."""
        return self._object("GET", "/health/ready", repeatable=False)

    def status(self) -> dict[str, Any]:
        """Components, counts of jobs, agents."""
        return self._object("GET", "/health/status")

    def alerts(self) -> dict[str, Any]:
        """``{"items": [{"kind", "count", "message", "hosts", "version", "acknowledged", "acknowledgement", ...}],
        "total", "unacknowledged"}``: the newest alerts by kind, those that are not acknowledged first.
        """
        return self._object("GET", "/alert")

    def acknowledge_alert(self, kind: str, *, version: str | None = None, note: str = "") -> dict[str, Any]:
        """Acknowledge the alerts of a kind until one is raised or updated, and return them.

        Raises ``Conflict`` if ``version`` (that of the alerts as they were seen) is not the current one any more.
        """
        body = {"version": version, "note": note}
        return self._object("POST", path_of("/alert", kind, "acknowledge"), body=body, repeatable=True)

    def reopen_alert(self, kind: str) -> dict[str, Any]:
        """Take the acknowledgement of the alerts of a kind back, and return them."""
        return self._object("DELETE", path_of("/alert", kind, "acknowledge"))

    def pauses(self) -> dict[str, Any]:
        """``{"pauses": [{"id", "what", "kind", "value", "reason", "created_by", "until", ...}], "total": n}``."""
        return self._object("GET", "/pause")

    def begin_pause(
        self,
        *,
        reason: str,
        operation: str | None = None,
        tag: str | None = None,
        target: str | None = None,
        everything: bool = False,
        until: datetime | str | None = None,
        rate: str | None = None,
    ) -> dict[str, Any]:
        """Pause an operation (``command.*``: all whose type begins so), jobs with a tag, the hosts of a target, or
        everything: nothing new starts there, or with a ``rate`` such as ``10/m`` only a limited
        number; running executions continue. Returns the pause, with its ``id``.
        """
        body: dict[str, Any] = {
            "operation": operation,
            "tag": tag,
            "target": target,
            "everything": everything or None,
            "reason": reason,
            "until": time_text(until),
            "rate": rate,
        }
        return self._object("POST", "/pause", body=without_none(body))

    def end_pause(self, pause_id: str) -> None:
        """End a pause: what it held back starts, in its former order."""
        self._http.request("DELETE", path_of("/pause", pause_id))

    def operations(self) -> dict[str, Any]:
        """``{"operations": [{"type", "summary", "schema", "changes", "idempotent", "permission"}, ...], ...}``."""
        return self._object("GET", "/operation")
