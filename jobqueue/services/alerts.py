"""Alerts by kind, and who has acknowledged them."""

from __future__ import annotations

from jobqueue.errors import AlertNotFound, Conflict
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import Acknowledgement, Alert, AlertGroup, grouped
from jobqueue.model.principal import Principal


class AlertManager:
    """Lists the newest alerts, and acknowledges them until one of their kind is raised or updated."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def groups(self) -> tuple[AlertGroup, ...]:
        """The newest alerts (at most a hundred) by kind, those that are not acknowledged first."""
        return grouped(self._ledger.executions.alerts(), self._ledger.acknowledgements.all())

    def newest(self, most: int) -> list[tuple[Alert, bool]]:
        """The newest alerts, newest first, each with whether its kind is acknowledged."""
        alerts = self._ledger.executions.alerts()
        groups = {group.kind: group for group in grouped(alerts, self._ledger.acknowledgements.all())}
        return [(alert, groups[alert.kind].is_acknowledged) for alert in alerts[:most]]

    def acknowledge(self, kind: str, version: str | None, note: str, principal: Principal) -> AlertGroup:
        """Acknowledge the alerts of a kind; returns them.

        Raises ``AlertNotFound``, and ``Conflict`` if ``version`` is given and no longer the current one.
        """
        group = self._group(kind)
        if version is not None and version != group.version:
            raise Conflict(
                f"The alerts of kind {kind!r} have changed since version {version[:16]!r}; list them again "
                "(`jobqueue alert list`), and acknowledge the current ones."
            )
        self._ledger.acknowledgements.keep(group.kind for group in self.groups())
        acknowledgement = Acknowledgement(kind, group.version, principal.name, self._ledger.time(), note)
        self._ledger.acknowledgements.put(acknowledgement)
        return AlertGroup(kind, group.alerts, acknowledgement)

    def reopen(self, kind: str) -> AlertGroup:
        """Take the acknowledgement of a kind back; returns its alerts. Raises ``AlertNotFound``."""
        group = self._group(kind)
        self._ledger.acknowledgements.remove(kind)
        return AlertGroup(kind, group.alerts)

    def _group(self, kind: str) -> AlertGroup:
        groups = {group.kind: group for group in self.groups()}
        if kind not in groups:
            kinds = ", ".join(sorted(groups)[:10]) or "none"
            raise AlertNotFound(f"No alerts of kind {kind[:80]!r} exist; kinds with alerts: {kinds}.")
        return groups[kind]
