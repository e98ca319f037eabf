"""The canonical spelling of an expression: parsing it gives the same tree."""

from __future__ import annotations

import re

from jobqueue.targets.nodes import And, Everything, Hosts, JobHosts, Match, Node, Not, Or, Sample, Stored

#: Words that need quotation marks as a hostname or a value.
KEYWORDS = frozenset({"and", "or", "not", "of", "per"})
#: Values without quotation marks.
_PLAIN = re.compile(r"[A-Za-z0-9._/*?-]+")


def text_of(node: Node) -> str:
    """The one spelling of the expression."""
    if isinstance(node, Everything):
        return "_all"
    if isinstance(node, Hosts):
        return ",".join(pattern if pattern.lower() not in KEYWORDS else quoted(pattern) for pattern in node.patterns)
    if isinstance(node, Match):
        return f"{node.key}{node.operator}{_value(node)}"
    if isinstance(node, JobHosts):
        return f"job:{node.job_id}.{node.outcome}"
    if isinstance(node, Stored):
        return f"@{node.name}"
    return _compound(node)


def quoted(text: str) -> str:
    """The text in quotation marks; a quotation mark inside is doubled."""
    return '"' + text.replace('"', '""') + '"'


def _compound(node: Not | And | Or | Sample) -> str:
    if isinstance(node, Not):
        return f"not {_inside(node.of, (And, Or, Sample))}"
    if isinstance(node, And):
        return " and ".join(_inside(part, (Or, Sample)) for part in node.parts)
    if isinstance(node, Or):
        return " or ".join(_inside(part, (Sample,)) for part in node.parts)
    amount = f"{node.amount:.15g}%" if node.is_percent else f"{node.amount:.0f}"
    per = f" per {node.per}" if node.per else ""
    return f"{amount}{per} of {text_of(node.of)}"


def _inside(node: Node, needing: tuple[type[Node], ...]) -> str:
    text = text_of(node)
    return f"({text})" if isinstance(node, needing) else text


def _value(node: Match) -> str:
    if node.operator == "~" or not _PLAIN.fullmatch(node.value) or node.value.lower() in KEYWORDS:
        return quoted(node.value)
    return node.value
