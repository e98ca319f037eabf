"""Text -> syntax tree -> canonical text."""

from __future__ import annotations

from jobqueue.errors import InvalidTarget
from jobqueue.targets import limits
from jobqueue.targets.nodes import Node, Stored, walk
from jobqueue.targets.parser import parse
from jobqueue.targets.printer import text_of


def tree(text: str) -> Node:
    """The syntax tree of a job's target or of a stored target. Raises ``InvalidTarget``."""
    return parse(text, limits.MAX_STORED_TEXT)


def spelled(text: str, longest: int = limits.MAX_TEXT) -> str:
    """The canonical spelling. Raises ``InvalidTarget``, which names the character."""
    canonical = text_of(parse(text, longest))
    if len(canonical) > longest:
        raise InvalidTarget(f"The target has {len(canonical)} characters, at most {longest} are allowed.")
    return canonical


def references(text: str) -> frozenset[str]:
    """The names of the stored targets that an expression refers to."""
    return frozenset(node.name for node, _ in walk(tree(text)) if isinstance(node, Stored))
