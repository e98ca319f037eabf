"""Targets of grants: which expressions may be used, whether one is within another, and their hosts."""

from __future__ import annotations

from collections.abc import Sequence

from jobqueue.errors import InvalidTarget
from jobqueue.targets import language
from jobqueue.targets.evaluation import Evaluation
from jobqueue.targets.fleet import REPORTED, Fleet
from jobqueue.targets.nodes import And, JobHosts, Match, Node, Not, Sample, Stored, walk

#: Besides the plain names of what changes from moment to moment, the same with their namespace.
_MOMENTARY = REPORTED | {f"agent.{name}" for name in REPORTED}


def spelled(text: str) -> str:
    """The canonical spelling of a grant's target.

    Raises ``InvalidTarget`` for an expression that cannot be used in a grant: a sample, a stored target (which others
    may change), the hosts of a job, or a property that changes from moment to moment.
    """
    canonical = language.spelled(text)
    for node, _ in walk(language.tree(canonical)):
        if reason := _unfit(node):
            raise InvalidTarget(f"The target {canonical[:80]!r} cannot be used in a grant: {reason}.")
    return canonical


def is_within(target: str, scope: str) -> bool:
    """Whether one canonical target surely names only hosts that the other names: it is the same text, or an ``and`` of
    it and more.
    """
    if target == scope:
        return True
    inner, outer = language.tree(target), language.tree(scope)
    parts = outer.parts if isinstance(outer, And) else (outer,)
    return isinstance(inner, And) and set(parts) <= set(inner.parts)


def hosts(text: str, fleet: Fleet) -> int:
    """The hosts of a grant's target, as a set of the fleet; none for an expression that cannot be used in a grant."""
    try:
        tree = language.tree(text)
        if any(_unfit(node) for node, _ in walk(tree)):
            return 0
        return Evaluation(fleet, seed="", eligible=lambda: 0, job_hosts=_no_hosts, stored=_no_target).hosts(tree)
    except InvalidTarget:  # a grant in Redis that was altered, or that a later version wrote
        return 0


def doubtful_keys(text: str, fleet: Fleet) -> list[str]:
    """Keys under a ``not`` that no agent has: ``not evn:prod`` would name every host."""
    tree = language.tree(text)
    negated = [inner for node, _ in walk(tree) if isinstance(node, Not) for inner, _ in walk(node.of)]
    keys = dict.fromkeys(node.key for node in negated if isinstance(node, Match))
    return [key for key in keys if not fleet.index(key).is_known] if fleet.hosts else []


def _unfit(node: Node) -> str:
    if isinstance(node, Sample):
        return "a sample names other hosts for each job"
    if isinstance(node, Stored):
        return f"@{node.name} can be changed later; write out the expression"
    if isinstance(node, JobHosts):
        return "the hosts of a job depend on how it ended"
    if isinstance(node, Match) and node.key in _MOMENTARY:
        return f"{node.key} changes from moment to moment; use labels, hostnames or facts"
    return ""


def _no_hosts(job_id: str, outcome: str) -> Sequence[str]:
    raise InvalidTarget(f"The hosts of job {job_id}.{outcome} cannot be used in a grant.")


def _no_target(name: str) -> Node:
    raise InvalidTarget(f"The stored target @{name} cannot be used in a grant.")
