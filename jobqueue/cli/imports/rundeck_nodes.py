"""Rundeck's node filters as targets, and its dispatch to several nodes as rollouts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.cli.imports.rundeck_values import as_flag, as_number, check_fields
from jobqueue.cli.views.text import one_line

_FILTERS = {"dispatch", "filter", "filterExclude", "include", "exclude"}
_DISPATCH = {
    *("keepgoing", "threadcount", "excludePrecedence", "rankAttribute", "rankOrder", "successOnEmptyNodeFilter"),
}
#: `key: value`, with or without a ! before it, or a value alone.
_CLAUSE = re.compile(r"(!?)(?:([A-Za-z][\w.-]*):\s*)?(\S+)\s*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"([A-Za-z0-9-]+)\.\*")
_TAG = re.compile(r"[A-Za-z0-9._-]+")
_ANY = ".*"
_NAMES = ("name", "nodename")


@dataclass(frozen=True)
class Nodes:
    """Where a job runs; ``rollout``: in which order, if not everywhere at once."""

    target: str
    rollout: dict[str, Any] | None
    notes: tuple[str, ...]


def nodes_of(filters: Any, tag_label: str | None, default: str | None) -> Nodes:
    """The nodes of ``nodefilters``. ``tag_label`` is the label that holds Rundeck's tags; ``default`` the target of
    jobs without a filter, which run on Rundeck's server. Raises ``NotTakenOver``.
    """
    if not filters or (isinstance(filters, Mapping) and not filters.keys() & (_FILTERS - {"dispatch"})):
        if default is None:
            raise NotTakenOver("it has no node filter and runs on Rundeck's server; --on names its target.")
        return Nodes(default, None, ())
    if not isinstance(filters, Mapping):
        raise NotTakenOver("its nodefilters are not an object.")
    check_fields(filters, _FILTERS, "nodefilters")
    terms = _terms(filters.get("filter"), tag_label, "")
    terms += _terms(filters.get("filterExclude"), tag_label, "!")
    for name, sign in (("include", ""), ("exclude", "!")):
        clauses = filters.get(name) or {}
        if not isinstance(clauses, Mapping):
            raise NotTakenOver(f"the {name} of its nodefilters is not an object.")
        for key, value in clauses.items():
            terms.append(_term(sign, str(key), str(value), tag_label))
    restrictions = [term for term in terms if term != "_all"] or ["_all"]
    target = " and ".join(restrictions) if len(restrictions) > 1 else restrictions[0]
    is_one_host = bool(_HOST.fullmatch(target))
    rollout, notes = _dispatch(filters.get("dispatch") or {}, is_one_host=is_one_host)
    return Nodes(target, rollout, notes)


def _terms(text: Any, tag_label: str | None, sign: str) -> list[str]:
    if text is None or not str(text).strip():
        return []
    text = str(text).strip()
    if "${" in text:
        raise NotTakenOver(f"its node filter {one_line(text)!r} has a variable.")
    terms: dict[tuple[str, str], str] = {}
    end = 0
    while end < len(text):
        match = _CLAUSE.match(text, end)
        key = (sign or match[1], match[2] or "name") if match else ("", "")
        # a key that comes twice, or is excluded from what is excluded
        if match is None or key in terms or (sign and match[1]):
            raise NotTakenOver(f"its node filter {one_line(text)!r} cannot be read.")
        terms[key] = _term(*key, match[3], tag_label)
        end = match.end()
    return list(terms.values())


def _term(sign: str, key: str, value: str, tag_label: str | None) -> str:
    if key in _NAMES:
        term = _names(value)
    elif key == "tags":
        term = _tags(value, tag_label)
    else:
        raise NotTakenOver(f"its node filter has {one_line(key)}: {one_line(value)}, which has no exact counterpart.")
    if not sign:
        return term
    if term == "_all":
        raise NotTakenOver("its node filter excludes every node.")
    return f"not ({term})" if "," in term or " " in term else f"not {term}"


def _names(value: str) -> str:
    """A regular expression for names, if it means a list of names, prefixes or everything."""
    names = value.split(",")
    if names == [_ANY]:
        return "_all"
    terms = []
    for name in names:
        prefix = _PREFIX.fullmatch(name)
        if prefix:
            terms.append(f"{prefix[1]}*")
        elif _HOST.fullmatch(name):
            terms.append(name)
        else:
            raise NotTakenOver(
                f"its node filter has the regular expression {one_line(name)!r}; targets have wildcards."
            )
    return ",".join(terms)


def _tags(value: str, label: str | None) -> str:
    if label is None:
        raise NotTakenOver(f"its node filter has tags: {one_line(value)}; --tag-label names the label that holds tags.")
    alternatives = []
    for alternative in value.split(","):
        tags = alternative.split("+")
        if not all(map(_TAG.fullmatch, tags)):
            raise NotTakenOver(
                f"its node filter has tags: {one_line(value)}, with a pattern, which targets do not have."
            )
        alternatives.append(" and ".join(f"{label}:{tag}" for tag in tags))
    text = " or ".join(alternatives)
    return f"({text})" if " or " in text else text


def _dispatch(dispatch: Any, *, is_one_host: bool) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The terms of a rollout that runs on as many nodes at a time, and what differs."""
    if not isinstance(dispatch, Mapping):
        raise NotTakenOver("its dispatch is not an object.")
    check_fields(dispatch, _DISPATCH, "dispatch")
    notes = []
    if as_flag(dispatch.get("successOnEmptyNodeFilter"), "successOnEmptyNodeFilter"):
        notes.append("successOnEmptyNodeFilter: a job without any host is refused, and does not succeed.")
    threads = as_number(dispatch.get("threadcount", 1), "threadcount", 1)
    if is_one_host:
        return None, tuple(notes)
    if dispatch.get("rankAttribute") not in (None, "", "nodename") or dispatch.get("rankOrder") == "descending":
        raise NotTakenOver("its nodes have an order (rankAttribute, rankOrder); a rollout's hosts are ordered by name.")
    if threads > 1:
        notes.append(f"threadcount: hosts run in batches of {threads}; a batch begins when the last one has ended.")
    keeps_going = as_flag(dispatch.get("keepgoing"), "keepgoing")
    return {"batch": threads, "max_failures": "100%" if keeps_going else 1}, tuple(notes)
