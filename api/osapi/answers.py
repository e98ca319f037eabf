"""The parts of an operation's result that OSAPI's clients get, with their names and types.

A result comes from an agent, which may send anything: a part of another type is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.openapi import Document
from api.osapi import agent_mapping, shapes
from api.osapi.times import uptime_text

#: In place of a part that is absent, or of another type.
MISSING = object()
#: Instead of the name of a part: the whole result.
ALL = "."


@dataclass(frozen=True)
class Part:
    """A value: its JSON schema, and how it is read. ``source`` is its name in the result; empty: that of the answer."""

    schema: Document
    read: Callable[[Any], Any]
    source: str = ""

    def named(self, source: str) -> Part:
        """The same, under another name in the result."""
        return Part(self.schema, self.read, source)


Parts = Mapping[str, Part]


def read(parts: Parts, result: Any) -> Document:
    """The parts that a result has."""
    if not isinstance(result, Mapping):
        return {}
    values = {
        name: part.read(result if part.source == ALL else result.get(part.source or name))
        for name, part in parts.items()
    }
    return {name: value for name, value in values.items() if value is not MISSING}


def schemas(parts: Parts) -> Mapping[str, Document]:
    """The JSON schemas of parts, by name."""
    return {name: part.schema for name, part in parts.items()}


def _of(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if type(value) is kind else MISSING


def _number(value: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else MISSING


TEXT = Part(shapes.STRING, _of(str))
WHOLE = Part(shapes.INTEGER, _of(int))
FLAG = Part(shapes.BOOLEAN, _of(bool))
NUMBER = Part(shapes.NUMBER, _number)


def items(part: Part) -> Part:
    """A list; values of another type are left out."""

    def read_all(value: Any) -> Any:
        if not isinstance(value, list):
            return MISSING
        return [item for item in map(part.read, value) if item is not MISSING]

    return Part(shapes.array(part.schema), read_all)


def group(parts: Parts) -> Part:
    """An object with these parts, as far as they are there."""

    def read_group(value: Any) -> Any:
        return read(parts, value) if isinstance(value, Mapping) else MISSING

    return Part(shapes.fields({}, schemas(parts)), read_group)


def _texts(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return MISSING
    return {str(key): text for key, text in value.items() if isinstance(text, str)}


def _made(make: Callable[[Any], Document]) -> Callable[[Any], Any]:
    """Reads an object by ``make``; MISSING for another type, and for an object with too few values."""
    return lambda value: (make(value) or MISSING) if isinstance(value, Mapping) else MISSING


def _load(value: Mapping[str, Any]) -> Document:
    load = [value.get(name) for name in ("load1", "load5", "load15")]
    return agent_mapping.load_average(load) if all(_number(value) is not MISSING for value in load) else {}


def _uptime(value: Any) -> Any:
    seconds = value.get("seconds") if isinstance(value, Mapping) else None
    return uptime_text(seconds) if type(seconds) is int else MISSING


def _milliseconds(value: Any) -> Any:
    return f"{value:g}ms" if _number(value) is not MISSING else MISSING


LABELS = Part(shapes.mapping_of(shapes.STRING), _texts)
OS = Part(shapes.fields({"distribution": shapes.STRING, "version": shapes.STRING}), _made(agent_mapping.os_info))
LOAD = Part(shapes.fields(dict.fromkeys(("1min", "5min", "15min"), shapes.NUMBER)), _made(_load))
MEMORY = Part(shapes.fields(dict.fromkeys(("total", "free", "used"), shapes.INTEGER)), _made(agent_mapping.memory))
UPTIME = Part(shapes.STRING, _uptime)
MILLISECONDS = Part(shapes.STRING, _milliseconds)


def _disk(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return MISSING
    sizes = {name: value.get(name) for name in ("total", "used", "free")}
    name = value.get("mountpoint")
    if not isinstance(name, str) or any(type(size) is not int for size in sizes.values()):
        return MISSING
    return {"name": name, **sizes}


DISKS = items(
    Part(shapes.fields({"name": shapes.STRING, **dict.fromkeys(("total", "used", "free"), shapes.INTEGER)}), _disk)
)
