"""Parses expressions: text -> syntax tree."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from jobqueue.errors import InvalidTarget
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY, LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN
from jobqueue.targets import host_pattern, limits, quantity, regex
from jobqueue.targets.grammar import GRAMMAR, WORDS
from jobqueue.targets.nodes import (
    And,
    Everything,
    Hosts,
    JobHosts,
    Match,
    Node,
    Not,
    Or,
    Sample,
    Stored,
    conjunction,
    disjunction,
    walk,
)
from jobqueue.targets.printer import KEYWORDS

#: How an execution can have ended, and ``changed``: it completed and made a change.
OUTCOMES = (*sorted(state.value for state in ExecutionState), "changed")

_KEY = re.compile(LABEL_KEY_PATTERN)
_LABEL_VALUE = re.compile(LABEL_VALUE_PATTERN)
_JOB = re.compile(r"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?:\.(.*))?")
_OPERATORS = {"=": ":", "==": ":", "!=": ":", "!~": "~"}
_WHOLE = 100.0
_OF_SAMPLES = frozenset({"QUANTITY", "OF", "PER"})
_MAX_VALUE = 256
_SHOWN = 30
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class _Malformed(Exception):
    """What is wrong, and at which character of the text (from 0)."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class _Builder(Transformer[Token, Node]):
    """Makes nodes while the text is parsed, without recursion."""

    def __init__(self) -> None:
        super().__init__(visit_tokens=False)

    def start(self, children: list[Node]) -> Node:
        return children[0]

    def group(self, children: list[Node]) -> Node:
        return children[1]

    def negated(self, children: list[Node]) -> Node:
        return Not(children[1])

    def disjunction(self, children: list[Node]) -> Node:
        return disjunction(children[::2])

    def conjunction(self, children: list[Node]) -> Node:
        return conjunction(children[::2])

    def stored(self, children: list[Token]) -> Node:
        return Stored(children[0][1:])

    def host(self, children: list[Token]) -> Token:
        return children[0]

    value = host

    def hosts(self, children: list[Token]) -> Node:
        words = children[::2]
        for word in words:
            _check_host(word, is_alone=len(words) == 1)
        if str(words[0]) == ALL:
            return Everything()
        return Hosts(tuple(dict.fromkeys(_content(word) for word in words)))

    def match(self, children: list[Token]) -> Node:
        key, sign, value = children
        if not _KEY.fullmatch(key):
            raise _Malformed(f"{key[:_SHOWN]!r} is not a key: letters, digits and . _ - / inside, at most 63", _at(key))
        operator, content = _OPERATORS.get(sign, str(sign)), _content(value)
        if not content or len(content) > _MAX_VALUE:
            raise _Malformed(f"a value has 1 to {_MAX_VALUE} characters", _at(value))
        _check_value(operator, content, value)
        condition = _job(key, operator, content, value) or Match(str(key), operator, content)
        return Not(condition) if sign.startswith("!") else condition

    def sample(self, children: list[Token | None]) -> Node:
        amount, per = children[0], children[2]
        of = children[-1]
        assert isinstance(amount, Token)  # noqa: S101 (the grammar)
        is_percent = amount.endswith("%")
        number = float(amount.rstrip("%"))
        if is_percent and not 0 < number <= _WHOLE:
            raise _Malformed(f"{amount[:_SHOWN]} is not a share: use more than 0% and at most 100%", _at(amount))
        if not is_percent and not 1 <= number <= limits.MAX_RANGE:
            raise _Malformed(f"{amount[:_SHOWN]} is not a sample: use 1 to {limits.MAX_RANGE}", _at(amount))
        if per is not None and not _KEY.fullmatch(per):
            raise _Malformed(f"{per[:_SHOWN]!r} is not the key of a label or a fact", _at(per))
        return Sample(number, is_percent, "" if per is None else str(per), of)  # type: ignore[arg-type]


def parse(text: str, longest: int = limits.MAX_TEXT) -> Node:
    """The syntax tree. Raises ``InvalidTarget``, which names the character and what is allowed there."""
    if len(text) > longest:
        raise InvalidTarget(
            f"The target has {len(text)} characters, at most {longest} are allowed: use ranges such as web[01-20], "
            "or a stored target (@name)."
        )
    return _parsed(text)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Node:
    try:
        if control := _CONTROL.search(text):
            raise _Malformed("control characters are not allowed", control.start())
        node: Node = _lark().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _invalid(text, *_unexpected(text, error)) from error
    except _Malformed as error:
        raise _invalid(text, str(error), error.at) from error
    _check_size(node)
    return node


@cache
def _lark() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=True, transformer=_Builder())


def _at(token: Token) -> int:
    return token.start_pos or 0


def _content(token: Token) -> str:
    if token.type != "STRING":
        return str(token)
    mark = token[0]
    return token[1:-1].replace(mark * 2, mark)


def _check_host(word: Token, *, is_alone: bool) -> None:
    text = _content(word)
    if text == ANY:
        raise _Malformed("_any stands alone: write '1 of ...' for one of several agents", _at(word))
    if text == ALL:
        if is_alone and word.type == "WORD":
            return
        raise _Malformed("_all cannot be part of a list of hosts", _at(word))
    if word.type == "STRING" and text.lower() not in KEYWORDS and not host_pattern.is_plain(text):
        raise _Malformed("a hostname has letters, digits and . - _ inside", _at(word))
    try:
        host_pattern.parse(text)
    except host_pattern.BadPattern as error:
        raise _Malformed(str(error), _at(word) + error.at) from error


def _check_value(operator: str, content: str, value: Token) -> None:
    if operator == "~":
        reason = regex.fault(content)
        if reason:
            raise _Malformed(f"the regular expression is not valid: {reason}", _at(value))
    elif operator != ":":
        if not quantity.is_comparable(content):
            raise _Malformed(
                f"{content[:_SHOWN]!r} cannot be compared: use a number such as 8 or 16GiB, or a version such as 1.2",
                _at(value),
            )
    elif "[" in content or "]" in content:
        raise _Malformed("ranges in [] are for hostnames; a value takes * and ?", _at(value))


def _job(key: str, operator: str, content: str, value: Token) -> JobHosts | None:
    match = _JOB.fullmatch(content) if key == "job" and operator == ":" else None
    if match is None:
        return None
    if match[2] not in OUTCOMES:
        raise _Malformed(f"a job's id is followed by .outcome, one of {', '.join(OUTCOMES)}", _at(value) + match.end(1))
    return JobHosts(match[1].lower(), match[2])


def _check_size(node: Node) -> None:
    """Raise ``InvalidTarget`` unless the tree is within the limits, so that others may walk it recursively."""
    terms = scanning = names = 0
    jobs: set[str] = set()
    for one, depth in walk(node):
        if depth > limits.MAX_DEPTH:
            raise InvalidTarget(f"The target is nested more than {limits.MAX_DEPTH} levels deep.")
        if isinstance(one, Hosts):
            terms += len(one.patterns)
            patterns = [host_pattern.parse(pattern) for pattern in one.patterns]
            scanning += sum(pattern.is_glob for pattern in patterns)
            names += sum(pattern.size for pattern in patterns)
        elif not isinstance(one, (And, Or, Not)):
            terms += 1
            scanning += isinstance(one, Match) and one.scans
            if isinstance(one, JobHosts):
                jobs.add(one.job_id)
    if terms > limits.MAX_TERMS:
        raise InvalidTarget(f"The target has {terms} terms, at most {limits.MAX_TERMS} are allowed.")
    if len(jobs) > limits.MAX_JOBS:
        raise InvalidTarget(f"The target refers to {len(jobs)} earlier jobs, at most {limits.MAX_JOBS} are allowed.")
    if names > limits.MAX_NAMES:
        raise InvalidTarget(
            f"The ranges of the target stand for {names} hosts, at most {limits.MAX_NAMES} are allowed: use a pattern "
            "such as web*, or a label."
        )
    if scanning > limits.MAX_SCANNING_TERMS:
        raise InvalidTarget(
            f"The target has {scanning} patterns and comparisons, at most {limits.MAX_SCANNING_TERMS} are allowed."
        )


def _unexpected(text: str, error: UnexpectedInput) -> tuple[str, int]:
    found_at: Any = error.pos_in_stream  # lark declares it as None
    at: int = found_at or 0
    if isinstance(error, UnexpectedCharacters):
        if text[at] == "[":
            return "'[' is not closed by ']'", at
        if text[at] in "\"'":
            return "the quotation mark is not closed", at
        return f"{text[at]!r} is not expected; expected {_listed(error.allowed or set())}", at
    assert isinstance(error, UnexpectedToken)  # noqa: S101 (the only other error of this lexer and parser)
    if error.token.type == "$END":
        return f"it ends too early; expected {_listed(error.accepts or error.expected)}", len(text)
    hint = "; a sample inside another expression needs parentheses" if error.token.type in _OF_SAMPLES else ""
    return (
        f"{str(error.token)[:_SHOWN]!r} is not expected; expected {_listed(error.accepts or error.expected)}{hint}",
        at,
    )


def _listed(terminals: set[str]) -> str:
    if terminals <= {"WORD", "STRING"}:
        return "a word, or a quoted string"
    words = [WORDS[name] for name in WORDS if name in terminals]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _invalid(text: str, reason: str, at: int) -> InvalidTarget:
    rest = text[at : at + _SHOWN]
    context = f", before {rest!r}" if rest else ""
    end = "" if reason.endswith("?") else "."
    return InvalidTarget(f"The target is not well formed at character {at + 1}{context}: {reason}{end}")
