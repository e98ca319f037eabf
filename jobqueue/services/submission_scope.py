"""Keeps a submission within the hosts on which its principal has the permissions that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from jobqueue.errors import JobNotFound, NoLiveAgent, PermissionDenied
from jobqueue.ledger.rate_limits import Charge
from jobqueue.model.principal import Principal
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target, TargetKind
from jobqueue.services import approvals
from jobqueue.services.blast_radius import BlastRadius
from jobqueue.services.scopes import Scope, Scopes, outside, unknown
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.nodes import JobHosts, walk

READ_AGENTS = "agent:read"
#: Hosts among which the ledger chooses one for a job with the target ``_any``.
MOST_CHOICES = 200


@dataclass(frozen=True)
class Restriction:
    """What a submission of a restricted principal must keep to.

    ``scopes``: those of the permissions that it needs, the narrowest first; none if its grants limit only the number of
    hosts (``BlastRadius``). ``visible``: the hosts that refusals may name.
    """

    principal: Principal
    scopes: tuple[Scope, ...]
    visible: Scope | None
    permissions: tuple[str, ...]

    def require(self, target: Target, hosts: Sequence[str]) -> None:
        """Raise ``PermissionDenied`` unless all of these hosts are within every scope."""
        for scope in self.scopes:
            if any(host not in scope for host in hosts):
                if target.kind is TargetKind.HOST:  # the caller wrote the name: name no other host
                    raise unknown(self.principal, scope, target.text)
                raise outside(self.principal, scope, hosts, self.visible)

    @property
    def hosts(self) -> frozenset[str] | None:
        """The hosts within every scope; None: all."""
        return frozenset.intersection(*(scope.hosts for scope in self.scopes)) if self.scopes else None

    def unknown(self, target: Target) -> PermissionDenied:
        """The refusal of a target without any host; it names no host outside of the scopes."""
        return unknown(self.principal, self.scopes[0], target.text)


class SubmissionScope:
    """Applies the scopes of a principal to targets. ``sees_job``: whether a principal may see all of a job."""

    def __init__(
        self,
        scopes: Scopes,
        sees_job: Callable[[Principal, str], bool],
        radius: BlastRadius,
        approval_seconds: int,
    ) -> None:
        self._scopes = scopes
        self._sees_job = sees_job
        self._radius = radius
        self._approval_seconds = approval_seconds

    def of(self, principal: Principal, permissions: Iterable[str]) -> Restriction | None:
        """The restriction of a submission that needs these permissions; None if they are granted without one."""
        if not principal.restricted:
            return None
        granted = tuple(permission for permission in permissions if principal.may_somewhere(permission))
        is_limited = any(
            grant.has_limits
            for permission in granted
            if not principal.may(permission)
            for grant in principal.grants(permission)
        )
        scopes = [scope for permission in granted if (scope := self._scopes.of(principal, permission)) is not None]
        if not scopes and not is_limited:
            return None
        scopes.sort(key=lambda scope: len(scope.hosts))
        return Restriction(principal, tuple(scopes), self._scopes.of(principal, READ_AGENTS), granted)

    def visible(self, principal: Principal) -> Scope | None:
        """The hosts that a principal may see; None: all."""
        return self._scopes.of(principal, READ_AGENTS)

    def check_jobs(self, principal: Principal, target: Target) -> None:
        """Raise ``JobNotFound`` for the hosts of a job of which the principal may not see all."""
        if not principal.restricted or target.kind is not TargetKind.HOSTS:
            return
        from jobqueue.targets import language

        for node, _ in walk(language.tree(target.text)):
            if isinstance(node, JobHosts) and not self._sees_job(principal, node.job_id):
                raise JobNotFound.of(node.job_id)

    def listed(
        self, restriction: Restriction, submission: Submission, target: Target, only: tuple[str, ...] = ()
    ) -> tuple[Submission, Target]:
        """The submission with its hosts listed, if the ledger would look for them: it does not know the scopes.

        ``only``: the hosts that a retry picks. Raises ``PermissionDenied`` for a target that names a host outside of
        the scopes; ``NoLiveAgent``.
        """
        fleet = self._scopes.fleet()
        if submission.needs is not None and restriction.scopes:
            scope = restriction.scopes[0]
            sentence = (
                f"{restriction.principal.name} has {scope.permission} on some hosts only ({scope.text}), so a job with "
                "needs is refused: it may wait, and is then placed on any host that meets them. Name a target instead."
            )
            raise PermissionDenied(sentence, {"permission": scope.permission})
        if target.kind is TargetKind.ANY:
            if not restriction.scopes:
                return submission, target
            return replace(submission, among=self._choices(restriction, submission, fleet)), target
        if target.kind is TargetKind.HOST:
            restriction.require(target, [target.text])
            return submission, target
        if submission.among:  # a retry
            restriction.require(target, only or submission.among)
            return submission, target
        if only:
            restriction.require(target, only)
            return replace(submission, among=only), replace(target, kind=TargetKind.HOSTS)
        hosts = fleet.named_by(target)
        if not hosts and not restriction.scopes:
            return submission, target  # the ledger refuses it, and suggests others
        if not hosts:
            raise restriction.unknown(target)
        restriction.require(target, hosts)
        return replace(submission, among=tuple(hosts)), replace(target, kind=TargetKind.HOSTS)

    def excess(self, restriction: Restriction, target: Target, hosts: Sequence[str]) -> str:
        """Which limit per job a submission to these hosts would exceed; empty if none. Nothing is counted."""
        reached = hosts[:1] if target.kind is TargetKind.ANY else hosts
        return self._radius.excess(restriction.principal, restriction.permissions, reached)

    def within_radius(
        self, restriction: Restriction, submission: Submission, target: Target, only: tuple[str, ...]
    ) -> tuple[Submission, Target, tuple[Charge, ...]]:
        """The submission, or if it reaches more hosts than its principal may without an approval, one that waits; and
        what was counted for it, which is to be taken back (``refund``) if the ledger refuses the job.

        Raises ``PermissionDenied`` if such a submission has no fixed hosts.
        """
        hosts = only or submission.among
        if target.kind is TargetKind.HOST:
            hosts = (target.text,)
        elif target.kind is TargetKind.ANY:  # one of them
            hosts = (hosts or tuple(self._scopes.fleet().hostnames))[:1]
        because, charges = self._radius.charge(restriction.principal, restriction.permissions, hosts)
        if because:
            submission, target = approvals.held(submission, target, hosts, because, self._approval_seconds)
        return submission, target, charges

    def refund(self, charges: Iterable[Charge]) -> None:
        """Take back what was counted for a submission that was not accepted."""
        self._radius.refund(charges)

    def _choices(self, restriction: Restriction, submission: Submission, fleet: Fleet) -> tuple[str, ...]:
        """The hosts among which the ledger may choose: those that can run the job, as far as they are permitted."""
        among = frozenset(submission.among)
        permitted = [host for host in fleet.hosts if all(host.hostname in scope for scope in restriction.scopes)]
        if among:
            permitted = [host for host in permitted if host.hostname in among]
        if not permitted:
            raise unknown(restriction.principal, restriction.scopes[0], submission.target)
        needed = frozenset((submission.operation, *submission.inner_operations))
        able = [host for host in permitted if needed <= host.operations]
        taking = [host for host in able if host.takes_work] or (able if submission.expires_at is not None else [])
        if not taking:
            raise NoLiveAgent(
                f"No agent that supports {submission.operation!r} and takes work is live on the hosts on which "
                f"{restriction.principal.name} has {restriction.scopes[0].permission}."
            )
        # from a varying start, so that the first hosts do not get all the work
        start = hash((id(fleet), submission.idempotency_key, len(taking))) % len(taking)
        return tuple(sorted(host.hostname for host in (taking[start:] + taking[:start])[:MOST_CHOICES]))
