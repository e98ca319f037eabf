"""References in data to what only the host knows: ``@fact.NAME``, and in the steps of a job ``@step.NAME.FIELD``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.facts import fact
from jobqueue.operations.result import encoded_size
from jobqueue.operations.text import brief

if TYPE_CHECKING:
    from jobqueue.operations.base import Operation

#: Kinds of references. Those to steps are references in the data of a step only, elsewhere they are plain text.
FACT, STEP = "fact", "step"
FACTS: tuple[str, ...] = (FACT,)
IN_STEPS: tuple[str, ...] = (FACT, STEP)
#: Gives the value of a name. Raises ``OperationFailed`` with a sentence for the user.
Lookup = Callable[[str], Any]
#: Bytes that the values of earlier steps may take in the data of one step, as JSON.
MAX_INSERTED = 1024 * 1024
_PLAIN = frozenset({int, float, bool, type(None)})


@dataclass(frozen=True)
class Reference:
    """One in a text. ``way`` leads to the text within the data."""

    way: tuple[str | int, ...]
    kind: str
    name: str

    @property
    def written(self) -> str:
        """How it is written, for sentences."""
        return f"@{self.kind}.{brief(self.name, 100)}"


def has_reference(data: Any, kinds: Sequence[str] = FACTS) -> bool:
    """Whether a string anywhere in ``data`` has a reference (or escapes one)."""
    if isinstance(data, str):
        return _may_have(data, kinds) and bool(_pattern(tuple(kinds)).search(data))
    values = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    for value in values:  # most values are plain texts, and there may be tens of thousands
        if ("@" in value if type(value) is str else type(value) not in _PLAIN) and has_reference(value, kinds):
            return True
    return False


def references_in(data: Any, kinds: Sequence[str], way: tuple[str | int, ...] = ()) -> Iterator[Reference]:
    """The references in the strings of ``data``, without those that are escaped."""
    if isinstance(data, str):
        for match in _pattern(tuple(kinds)).finditer(data) if _may_have(data, kinds) else ():
            if not match[1]:
                yield Reference(way, match[2], match[3] or match[4])
    elif isinstance(data, (Mapping, list)):
        for key, value in data.items() if isinstance(data, Mapping) else enumerate(data):
            if type(value) not in _PLAIN:
                yield from references_in(value, kinds, (*way, key))


def escaped(value: Any, kinds: Sequence[str]) -> Any:
    """``value`` so that ``resolve`` gives it back as it is, whatever its texts look like."""
    if isinstance(value, str):
        if not kinds or not _may_have(value, kinds):
            return value
        return _pattern(tuple(kinds)).sub(lambda match: f"@{match[0]}", value)
    if isinstance(value, Mapping):
        return {key: escaped(inner, kinds) for key, inner in value.items()}
    return [escaped(inner, kinds) for inner in value] if isinstance(value, list) else value


def resolve(data: Any, sources: Mapping[str, Lookup]) -> Any:
    """``data`` with the values of its references, whose kinds ``sources`` has; keys stay as they are.

    A string that consists of a reference becomes the value itself, of any type; inside other text, a text or
    a number is put in its place. ``@@fact.x`` gives the plain text ``@fact.x``; within a word, as in an address of
    e-mail, it is plain text. Values are not searched again. Raises ``OperationFailed`` for an unknown name.
    """
    if isinstance(data, str):
        return _resolve_text(data, sources) if _may_have(data, sources) else data
    if isinstance(data, Mapping):
        return {key: resolve(value, sources) for key, value in data.items()}
    return [resolve(value, sources) for value in data] if isinstance(data, list) else data


def filled(
    operation: Operation, data: Mapping[str, Any], facts: Mapping[str, Any], steps: Lookup | None = None
) -> Mapping[str, Any]:
    """The data as the operation gets it on a host with these facts, and in a job with ``steps`` after earlier ones.

    Raises ``OperationFailed`` for a fact or a value that there is not.
    """
    sources: dict[str, Lookup] = {FACT: lambda name: fact(name, facts)} if operation.takes_facts else {}
    if steps is None:
        resolved: Mapping[str, Any] = resolve(data, sources) if sources else data
        return resolved
    values, code = sources | {STEP: _Bounded(steps).value}, sources | {STEP: _refused_in_code}
    return {name: _filled_field(value, name, operation.code, values, code) for name, value in data.items()}


def touches_code(path: str, code: Iterable[str]) -> bool:
    """Whether a value at this dotted path is one of the fields that are ``code``, within one, or has one."""
    return any(f"{name}.".startswith(f"{path}.") or path.startswith(f"{name}.") for name in code)


def _filled_field(
    value: Any, path: str, code: Iterable[str], sources: Mapping[str, Lookup], in_code: Mapping[str, Lookup]
) -> Any:
    if path in code or not touches_code(path, code):
        return resolve(value, in_code if path in code else sources)
    if isinstance(value, Mapping):
        return {key: _filled_field(inner, f"{path}.{key}", code, sources, in_code) for key, inner in value.items()}
    return resolve(value, in_code)


class _Bounded:
    """Values of steps, up to a size in all: a step may name a large one many times."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._left = MAX_INSERTED

    def value(self, name: str) -> Any:
        value = self._lookup(name)
        self._left -= encoded_size(value)
        if self._left < 0:
            raise OperationFailed(f"The values of earlier steps in its data have more than {MAX_INSERTED} bytes.")
        return value


def _refused_in_code(name: str) -> Any:
    raise OperationFailed(f"The value of @{STEP}.{brief(name, 100)} would become code.")


def _resolve_text(text: str, sources: Mapping[str, Lookup]) -> Any:
    pattern = _pattern(tuple(sources))
    whole = pattern.fullmatch(text)
    if whole and not whole[1]:
        return sources[whole[2]](whole[3] or whole[4])

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        kind, name = match[2], match[3] or match[4]
        value = sources[kind](name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, (str, int, float)):
            subject = "Fact" if kind == FACT else "Step value"
            raise OperationFailed(f"{subject} {name!r} is not a single value and cannot be put inside a string.")
        return str(value)

    return pattern.sub(replace, text)


def _may_have(text: str, kinds: Sequence[str] | Mapping[str, Any]) -> bool:
    return any(f"@{kind}." in text for kind in kinds)


@lru_cache(maxsize=8)
def _pattern(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """``@fact.name`` or ``@fact.{name}``, the latter where text follows at once or the name has other characters.

    One more ``@`` in front makes it plain text. Within a word, as in press@fact.org, it is plain text anyway.
    """
    return re.compile(
        rf"(?:(@)|(?<!\w))@({'|'.join(kinds)})\.(?:\{{([^{{}}]{{1,200}})\}}|([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*))"
    )
