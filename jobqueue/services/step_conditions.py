"""Notes on the conditions of steps: what no agent has, and is thus perhaps misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from jobqueue.operations.references import STEP
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.targets import host_pattern, suggestions
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.nodes import Hosts, Match, Node, walk

_MOST_NOTES = 20
_SHOWN = 80


def notes(run: RequestedRun, fleet: Fleet) -> tuple[str, ...]:
    """Sentences about keys and hostnames in conditions that no agent has; there they match nothing.

    A condition is not refused for them, unlike a target: it may be about hosts to come.
    """
    from jobqueue.targets import language

    found: dict[str, None] = {}
    for part, _ in run.parts:
        for sentence in _unknown(language.tree(part.condition), fleet) if part.condition else ():
            found[f"{part.label}: {sentence}"] = None
            if len(found) == _MOST_NOTES:
                return tuple(found)
    return tuple(found)


def _unknown(tree: Node, fleet: Fleet) -> Iterator[str]:
    for node, _ in walk(tree):
        if isinstance(node, Match) and not node.key.startswith(f"{STEP}.") and not fleet.index(node.key).is_known:
            yield f"No agent has a label or fact {node.key[:_SHOWN]!r}.{suggestions.for_key(fleet, node.key)}"
        elif isinstance(node, Hosts):
            for text in node.patterns:
                if host_pattern.parse(text).is_literal and text not in fleet.positions:
                    yield f"No host is known as {text[:_SHOWN]!r}.{suggestions.for_host(fleet, text)}"
