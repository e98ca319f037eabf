"""Workflows: named procedures whose nodes each run a job, one after another or side by side, on any hosts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.record_name import check_record_name
from jobqueue.model.saved_job import Granted

#: When a node runs, by the outcomes of the nodes that it needs.
SUCCESS, FAILURE, ALWAYS = "success", "failure", "always"
WHEN = (SUCCESS, FAILURE, ALWAYS)
#: Maximum number of nodes.
MAX_NODES = 50
#: Prefix of the ledger's list of the jobs of one run.
RUN_GROUP = "workflow-run|"
#: The tags by which the jobs of a workflow are found.
WORKFLOW_TAG, RUN_TAG, NODE_TAG = "workflow", "workflow_run", "workflow_node"
#: Maximum number of tags of a node's job, besides these.
MAX_NODE_TAGS = 60


@dataclass(frozen=True)
class Node:
    """A node runs one job: ``job``, the fields of ``JobFields`` in JSON form, or the saved job ``saved`` with
    ``parameters`` and, if it allows one, another ``target``. All of them may contain templates.

    ``needs`` are the nodes that must have ended before, and ``when`` says with which outcome. With ``ignore_failure``,
    its failure counts as a success. ``expires_after``: how long its job waits for hosts that are offline, in
    microseconds; None: it does not.
    """

    name: str
    job: Mapping[str, Any] | None = None
    saved: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    needs: tuple[str, ...] = ()
    when: str = SUCCESS
    ignore_failure: bool = False
    expires_after: int | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        work: dict[str, Any] = (
            {"saved": self.saved, "parameters": dict(self.parameters), "target": self.target}
            if self.job is None
            else {"job": dict(self.job)}
        )
        terms = {"needs": list(self.needs), "when": self.when, "ignore_failure": self.ignore_failure}
        return {"name": self.name, **work, **terms, "expires_after": self.expires_after}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Node:
        """The inverse of ``document``."""
        return cls(**{**document, "needs": tuple(document["needs"])})


@dataclass(frozen=True)
class Workflow(Granted):
    """``nodes`` in the order in which they were declared. The other fields are as those of ``SavedJob``."""

    name: str
    nodes: tuple[Node, ...]
    title: str = ""
    description: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run_by: tuple[str, ...] = ()
    edit_by: tuple[str, ...] = ()
    managed_by: str = ""
    version: int = 0
    changed: int = 0
    changed_by: str = ""

    @property
    def content(self) -> dict[str, Any]:
        """The content of a version: everything but its number, time and author."""
        return {
            "title": self.title,
            "description": self.description,
            "nodes": [node.document() for node in self.nodes],
            "parameters": {name: dict(schema) for name, schema in self.parameters.items()},
            "run_by": list(self.run_by),
            "edit_by": list(self.edit_by),
            "managed_by": self.managed_by,
        }

    @classmethod
    def of(cls, name: str, content: Mapping[str, Any]) -> Workflow:
        """The workflow of a content, which may also have a number, a time and an author."""
        nodes = tuple(map(Node.of, content["nodes"]))
        grants = {field: tuple(content[field]) for field in ("run_by", "edit_by")}
        return cls(**{**content, **grants, "name": name, "nodes": nodes})


def check_graph(nodes: Sequence[Node]) -> None:
    """Raise ``InvalidInput`` for nodes without order: equal or unknown names, and cycles, which the error names."""
    if not 1 <= len(nodes) <= MAX_NODES:
        raise InvalidInput.of("nodes", f"A workflow has 1 to {MAX_NODES} nodes, not {len(nodes)}.")
    names: list[str] = []
    for number, node in enumerate(nodes):
        try:
            check_record_name(node.name)
        except InvalidInput as error:
            raise InvalidInput.of(f"nodes[{number}].name", error.message.removeprefix("name: ")) from error
        if node.name in names:
            raise InvalidInput.of(f"nodes[{number}].name", f"Two nodes have the name {node.name!r}.")
        names.append(node.name)
    for number, node in enumerate(nodes):
        for needed in node.needs:
            if needed not in names:
                near = difflib.get_close_matches(needed[:80], names, n=1)
                hint = f" Did you mean {near[0]}?" if near else f" The nodes are {', '.join(names)}."
                raise InvalidInput.of(f"nodes[{number}].needs", f"No node has the name {needed[:80]!r}.{hint}")
        if node.when == FAILURE and not node.needs:
            sentence = "A node with when: failure needs the nodes whose failure it is for; name them in needs."
            raise InvalidInput.of(f"nodes[{number}].when", sentence)
    cycle = _cycle({node.name: node.needs for node in nodes})
    if cycle:
        raise InvalidInput.of("nodes", f"The nodes need one another in a circle: {' -> '.join(cycle)}.")


def layers(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes by their distance from the start: each needs only nodes of earlier layers."""
    depth: dict[str, int] = {}
    by_name = {node.name: node for node in nodes}
    waiting = list(nodes)
    while waiting:
        ready = [node for node in waiting if all(name in depth for name in node.needs)]
        for node in ready:
            depth[node.name] = max((depth[name] + 1 for name in by_name[node.name].needs), default=0)
        waiting = [node for node in waiting if node.name not in depth]
        if not ready:
            break
    found: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        if node.name in depth:
            found[depth[node.name]].append(node)
    return found


def _cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of a cycle, the first one also at the end; empty without a cycle."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        pending = [(start, 0)]
        while pending:
            name, number = pending.pop()
            del path[len(pending) :]
            path.append(name)
            if name in done or number == len(needs[name]):
                done.add(name)
                continue
            pending.append((name, number + 1))
            following = needs[name][number]
            if following in path:
                return [*path[path.index(following) :], following]
            pending.append((following, 0))
    return []
