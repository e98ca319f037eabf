"""Parameters of an aggregation: values that its SQL refers to, some of them made from others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobqueue.errors import InvalidInput

_REGEX = "_regex/"
_PART = r"((?:\\.|[^\\/])*)"  # up to a slash that has no backslash before it
_PARTS = re.compile(rf"{_REGEX}{_PART}/{_PART}/{_PART}/([gi]*)", re.DOTALL)
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z])")
_GROUP = re.compile(r"\\(.)|\$(\d)|\$\{(\w+)\}", re.DOTALL)
_REFERENCE = re.compile(r"\$?\{(\w+)\}")


def resolve(parameters: Mapping[str, str]) -> dict[str, str]:
    """Every parameter's value. ``_regex/SOURCE/PATTERN/REPLACEMENT/FLAGS`` makes one from another one's value.

    Patterns and replacements are Java's: ``$1`` is a group. Flag g replaces all matches, i ignores case. Raises
    ``InvalidInput`` that names the parameter.
    """
    resolved: dict[str, str] = {}

    def value(name: str, asking: tuple[str, ...]) -> str:
        if name in asking:
            raise InvalidInput(f"parameters: {' -> '.join([*asking, name])} is a circular reference.")
        if name not in resolved:
            text = parameters[name]
            resolved[name] = _from_regex(name, text, asking) if text.startswith(_REGEX) else text
        return resolved[name]

    def _from_regex(name: str, text: str, asking: tuple[str, ...]) -> str:
        parts = _PARTS.fullmatch(text)
        if parts is None:
            raise InvalidInput(f"parameters: {name} must be _regex/SOURCE/PATTERN/REPLACEMENT/FLAGS, with / as \\/.")
        source, pattern, replacement, flags = parts.groups()
        if source not in parameters:
            raise InvalidInput(f"parameters: {name} is made from {source!r}, which does not exist.")
        try:
            compiled = re.compile(_NAMED_GROUP.sub("(?P<", pattern), re.IGNORECASE if "i" in flags else 0)
            template = _python_template(replacement)
            return compiled.sub(template, value(source, (*asking, name)), count=0 if "g" in flags else 1)
        except (re.error, IndexError) as error:
            raise InvalidInput(f"parameters: {name} has an invalid pattern: {error}.") from error

    return {name: value(name, ()) for name in parameters}


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``{name}`` and ``${name}`` replaced where ``values`` has the name; all else stays."""
    return _REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)


def _python_template(replacement: str) -> str:
    """A replacement in Java's spelling as ``re.sub`` wants it."""

    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return re.escape(match[1]) if match[1] == "\\" else match[1]
        return f"\\g<{match[2] or match[3]}>"

    return _GROUP.sub(one, replacement)
