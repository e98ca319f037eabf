"""The principals of runs, with the permissions that they have when a node starts."""

from __future__ import annotations

from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Owner
from jobqueue.model.workflow_run import Runner
from jobqueue.services.schedule_owner import OwnerReader, owner_of

#: How long a run may start jobs for a principal whose permissions are only in the token that it sent, in microseconds.
TOKEN_MICROS = 24 * 3600 * 1_000_000


def runner_of(principal: Principal, now: int) -> Runner:
    """The principal as the runner of a run that starts, or goes on, now."""
    try:
        owner = owner_of(principal)
    except InvalidInput:  # the permissions cannot be looked up later
        return Runner(
            principal.kind,
            principal.id,
            principal.name,
            tuple(sorted(principal.permissions)),
            principal.roles,
            tuple(sorted(principal.makers)),
            now + TOKEN_MICROS,
        )
    return Runner(owner.kind, owner.id, owner.name)


class RunnerReader:
    """Looks runners up. Raises ``LedgerUnavailable``."""

    def __init__(self, owners: OwnerReader) -> None:
        self._owners = owners

    def principal(self, runner: Runner, now: int) -> Principal | None:
        """The runner with its present permissions; None if its key or user was revoked, disabled, or has expired."""
        if runner.permissions is None:
            return self._owners.principal(Owner(runner.kind, runner.id, runner.name))
        if now > (runner.until or 0):
            return None
        return Principal(
            runner.name,
            frozenset(runner.permissions),
            runner.roles,
            runner.kind,
            runner.id,
            frozenset(runner.makers),
        )
