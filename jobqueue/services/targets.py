"""Targets of submissions: parses them, and evaluates expressions over the registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from jobqueue.errors import InvalidTarget, JobAltered, TargetNotFound, UnknownTarget
from jobqueue.ledger.roster import MOST_KEPT_SECONDS, Roster
from jobqueue.ledger.stored_targets import StoredTargets
from jobqueue.model.agent import AgentState
from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import Target, TargetKind
from jobqueue.services import batch_budget
from jobqueue.services.result_verifier import FORGED, REVOKED, UNSIGNED
from jobqueue.targets import host_pattern, suggestions
from jobqueue.targets.evaluation import Evaluation, Unmatched
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.nodes import Hosts, JobHosts, Match, Node, Sample, Stored, walk

_CHANGED = "changed"
_DOUBTFUL = frozenset({UNSIGNED, FORGED, REVOKED})
#: Most notes on terms that match nothing.
_MOST_NOTES = 20
#: Notes with a suggestion, which takes up to 30 ms.
_MOST_HINTS = 3
#: Evaluations over one reading of the registry that are kept.
_MOST_KEPT = 100


@dataclass(frozen=True)
class ResolvedTarget:
    """The hosts that a target names, whether or not they take work; ``notes`` name the terms that match nothing."""

    fleet: Fleet
    hosts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def direct(text: str) -> Target | None:
    """The target, if the ledger resolves it by itself: ``_any``, ``_all``, a hostname, a label."""
    try:
        target = Target.parse(text)
    except InvalidTarget:
        return None
    return target if target.is_direct else None


def parsed(text: str) -> Target:
    """Any target in its canonical spelling. Raises ``InvalidTarget``, which names the character.

    The batch that is submitted is charged for expressions.
    """
    target = direct(text)
    if target is not None:
        return target
    from jobqueue.targets import language  # its parser is loaded by those who need it only

    batch = batch_budget.current()
    if batch is None:
        canonical = language.spelled(text)
    else:
        batch.charge_text(text)
        try:
            canonical = language.spelled(text)
        except InvalidTarget:
            batch.target_refused()
            raise
    return direct(canonical) or Target(TargetKind.HOSTS, canonical)


class TargetResolver:
    """Evaluates expressions. ``job`` reads a job with its results verified."""

    def __init__(self, roster: Roster, job: Callable[[str], Job], stored: StoredTargets) -> None:
        self._roster = roster
        self._job = job
        self._stored = stored
        #: Evaluations over one reading of the registry: the jobs of a batch often have the same target.
        self._kept: tuple[Fleet, dict[str, ResolvedTarget]] | None = None
        self._read_anew = float("-inf")

    def read_again(self) -> None:
        """Read the agents again. Raises ``LedgerUnavailable``."""
        self._roster.fleet(is_fresh=True)

    def fleet(self) -> Fleet:
        """The registry, as it was a moment ago."""
        return self._roster.fleet()

    def resolve(self, target: Target, seed: str, *, is_patient: bool) -> ResolvedTarget:
        """The hosts that an expression names. ``seed`` determines the samples.

        ``is_patient``: the job waits for hosts that are offline, so samples may contain them. The batch that is
        submitted is charged for the evaluation. Raises ``UnknownTarget`` if no agent matches, or for a hostname or key
        that no agent has; ``InvalidTarget``, ``JobNotFound``.
        """
        try:
            return self._resolve(self._roster.fleet(), target, seed, is_patient=is_patient)
        except UnknownTarget:  # an agent may have registered a moment ago
            if (batch := batch_budget.current()) is not None:
                batch.target_refused()
            if time.monotonic() - self._read_anew < MOST_KEPT_SECONDS:
                raise  # a batch of unknown targets must not read the registry for each
            self._read_anew = time.monotonic()
            return self._resolve(self._roster.fleet(is_fresh=True), target, seed, is_patient=is_patient)

    def explain(self, target: Target) -> str:
        """The question what a direct target without any agent was meant to be; may be empty."""
        fleet = self._roster.fleet()
        if target.kind is TargetKind.HOST:
            return suggestions.for_host(fleet, target.text)
        if target.kind is not TargetKind.LABEL:
            return ""
        if not fleet.index(target.key).is_known:
            return suggestions.for_key(fleet, target.key)
        return suggestions.for_value(fleet, target.key, target.value)

    def _resolve(self, fleet: Fleet, target: Target, seed: str, *, is_patient: bool) -> ResolvedTarget:
        node = _tree(target.text)
        is_constant = not any(isinstance(part, (Sample, JobHosts, Stored)) for part, _ in walk(node))
        if self._kept is None or self._kept[0] is not fleet:
            self._kept = fleet, {}
        cached = self._kept[1]
        if is_constant and target.text in cached:
            return cached[target.text]
        batch = batch_budget.current()
        if batch is not None:
            batch.charge(_steps(node, len(fleet.hosts)))
        job = cache(self._job)  # the same one may be meant several times

        def eligible() -> int:
            return fleet.where(lambda host: host.state is AgentState.READY) if is_patient else fleet.taking

        evaluation = Evaluation(
            fleet, seed=seed, eligible=eligible, job_hosts=partial(_job_hosts, job), stored=self._stored_tree
        )
        hosts = evaluation.hosts(node)
        if not fleet.hosts:
            raise UnknownTarget("No agent is known yet; `jobqueue agent list` shows all agents.")
        suggests = batch is None or batch.suggests
        _refuse_unknown(fleet, evaluation.unmatched, suggests)
        notes = _notes(fleet, evaluation.unmatched.terms, suggests)
        if not hosts:
            raise UnknownTarget(f"No agent matches the target {target.text[:200]!r}. {' '.join(notes)}".rstrip())
        resolved = ResolvedTarget(fleet, tuple(host.hostname for host in fleet.members(hosts)), notes)
        if is_constant and len(cached) < _MOST_KEPT:
            cached[target.text] = resolved
        return resolved

    def _stored_tree(self, name: str) -> Node:
        try:
            return _tree(self._stored.get(name).text)
        except TargetNotFound as error:
            near = suggestions.near(name, [target.name for target in self._stored.all()])
            hint = suggestions.question([f"@{name}" for name in near])
            raise UnknownTarget(f"{error.message}{hint}") from error


def _job_hosts(read: Callable[[str], Job], job_id: str, outcome: str) -> Sequence[str]:
    job = read(job_id)
    if outcome == _CHANGED:
        matching = [
            execution
            for execution in job.executions
            if execution.state is ExecutionState.COMPLETED and execution.changed
        ]
    else:
        matching = [execution for execution in job.executions if execution.state is ExecutionState(outcome)]
    doubtful = [x.hostname or x.slot for x in matching if x.authenticity in _DOUBTFUL]
    if doubtful:
        raise JobAltered(
            f"The results of job {job_id} cannot select hosts: that of {doubtful[0]} is not, or no longer, "
            "signed by its agent. Name the hosts instead."
        )
    return [x.hostname or x.slot for x in matching]


def _steps(node: Node, hosts: int) -> int:
    """The cost of an evaluation, in steps of a batch's budget."""
    steps = 50
    for one, _ in walk(node):
        if isinstance(one, Hosts):
            patterns = [host_pattern.parse(pattern) for pattern in one.patterns]
            steps += sum(hosts if pattern.is_glob else pattern.size for pattern in patterns)
        elif isinstance(one, (Sample, JobHosts, Stored)):
            steps += 2 * hosts + 20
        elif isinstance(one, Match):
            steps += hosts if one.scans else 10
    return steps


def _tree(text: str) -> Node:
    from jobqueue.targets import language

    return language.tree(text)


def _refuse_unknown(fleet: Fleet, unmatched: Unmatched, suggests: bool) -> None:
    """Raise ``UnknownTarget`` for the first name that no agent has: ``not evn:prod`` would name every host."""
    for key in unmatched.keys:
        hint = suggestions.for_key(fleet, key) if suggests else ""
        raise UnknownTarget(
            f"No agent has a label or fact {key[:80]!r}.{hint} `jobqueue agent show HOSTNAME` shows those of an agent."
        )
    for hostname in unmatched.hosts:
        hint = suggestions.for_host(fleet, hostname) if suggests else ""
        raise UnknownTarget(
            f"No host is known as {hostname[:80]!r}.{hint} `jobqueue agent list` shows all agents and labels."
        )


def _notes(fleet: Fleet, terms: Sequence[tuple[str, str]], suggests: bool) -> tuple[str, ...]:
    notes: dict[str, None] = {}
    for number, (key, value) in enumerate(terms[:_MOST_NOTES]):
        hint = suggestions.for_value(fleet, key, value) if key and suggests and number < _MOST_HINTS else ""
        notes[f"No agent matches {f'{key}:{value}' if key else value}.{hint}"] = None
    return tuple(notes)
