"""The condition of a step: a target expression about the host itself, and about the steps before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jobqueue.errors import InvalidInput, InvalidTarget
from jobqueue.operations.context import Context
from jobqueue.operations.references import STEP
from jobqueue.operations.step_values import ALWAYS_KNOWN, StepValues, split

if TYPE_CHECKING:
    from jobqueue.targets.nodes import Node

#: Characters of a condition.
MAX_CONDITION = 1000
_STEP = f"{STEP}."
_SHOWN = 100


class StepCondition:
    """A condition, parsed and checked. ``steps``: the names of the steps before."""

    def __init__(self, text: str, steps: Iterable[str]) -> None:
        """Raises ``InvalidInput`` with a sentence."""
        # imported here: the parser is loaded by those who have conditions only
        from jobqueue.targets import language
        from jobqueue.targets.nodes import Match, walk

        self.text = text
        try:
            self._tree = language.tree(text)
        except InvalidTarget as error:
            raise InvalidInput(error.message.replace("The target", "The condition", 1)) from error
        names = tuple(steps)
        #: The values of steps that it compares, by their keys in the expression.
        self._keys: dict[str, tuple[str, str]] = {}
        for node, _ in walk(self._tree):
            _check(node)
            if isinstance(node, Match) and node.key.startswith(_STEP):
                step, field, _ = split(node.key.removeprefix(_STEP), names)
                self._keys[node.key] = step, field

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps whose values it compares, each once."""
        return tuple(dict.fromkeys(step for step, _ in self._keys.values()))

    def holds(self, context: Context, values: StepValues) -> bool:
        """Whether it holds on this host now. Raises ``OperationFailed`` for a value that a step should have."""
        from jobqueue import __version__
        from jobqueue.targets.evaluation import Evaluation
        from jobqueue.targets.fleet import Fleet
        from jobqueue.targets.host import Host, flat_facts

        known = {key: self._value(key, values) for key in self._keys}
        facts = flat_facts({**context.facts, **{key: value for key, value in known.items() if value is not None}})
        fleet = Fleet([Host(context.hostname, labels=context.labels, facts=facts, version=__version__)])
        evaluation = Evaluation(fleet, seed="", eligible=lambda: 1, job_hosts=_none, stored=_none)
        return bool(evaluation.hosts(self._tree))

    def _value(self, key: str, values: StepValues) -> Any:
        """The value; None, which nothing matches, if the step has not run."""
        step, field = self._keys[key]
        if field not in ALWAYS_KNOWN and not values.has_result(step):
            return None
        return values.value(key.removeprefix(_STEP))


def _check(node: Node) -> None:
    """Raise ``InvalidInput`` for what only the API can evaluate, over all hosts."""
    from jobqueue.targets import host_pattern
    from jobqueue.targets.nodes import Hosts, JobHosts, Match, Sample, Stored

    if isinstance(node, (Sample, JobHosts, Stored)):
        kind = {Sample: "samples", JobHosts: "hosts of earlier jobs", Stored: "stored targets"}[type(node)]
        raise InvalidInput(f"A condition is about one host, so it has no {kind}.")
    if isinstance(node, Match) and node.operator == "~":
        raise InvalidInput("Agents evaluate conditions without regular expressions; use * and ? in a value.")
    if isinstance(node, Match) and node.key in ("state", "condition", "agent.state", "agent.condition"):
        raise InvalidInput(f"{node.key!r} is known to the API only, not on the host.")
    if isinstance(node, Hosts):
        for text in node.patterns:
            pattern = host_pattern.parse(text)
            if pattern.is_glob and pattern.size > 1:
                raise InvalidInput(f"{text[:_SHOWN]!r}: in a condition, a hostname has ranges or wildcards, not both.")


def _none(*_: str) -> Any:
    """A condition has no earlier jobs and no stored targets."""
    return ()
