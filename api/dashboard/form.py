"""A form made from an operation's JSON Schema, and the operation's data made from its fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api import limits
from jobqueue.errors import InvalidInput

#: Before the names of the data's fields, which may be called as the job's own.
PREFIX = "data."
#: The field that gives the whole data as JSON instead.
RAW = "raw"
_LONGEST_NUMBER = 40
#: Texts that usually have several lines, which a schema cannot express.
_LONG = frozenset({"command", "code", "content", "entrypoint", "script", "sql", "stdin"})

#: Kinds whose text is JSON.
_JSON = frozenset({"json", "steps"})


@dataclass(frozen=True)
class Field:
    """One field, labelled with the title of its schema, or else its name.

    ``kind``: text, long, lines (a list, a line each), pairs (NAME=value lines), json, steps (JSON: a list of objects
    with an operation each), number, choice.
    """

    name: str
    kind: str
    label: str
    help: str
    is_required: bool
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def input_name(self) -> str:
        """Its name in the form."""
        return PREFIX + self.name


def fields_of(schema: Mapping[str, Any], values: Mapping[str, str]) -> list[Field]:
    """The fields for a schema, required ones first, filled with the ``values`` values."""
    required = set(schema.get("required", ()))
    # a plan is made by a job that checked, never by a person
    hidden = {"plan"} if {"check", "diff"} <= schema.get("properties", {}).keys() else set()
    fields = [
        _field(name, about, name in required, values.get(PREFIX + name, ""))
        for name, about in schema.get("properties", {}).items()
        if name not in hidden
    ]
    return sorted(fields, key=lambda field: not field.is_required)


def data_of(schema: Mapping[str, Any], values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """``(data, problems by field)``. Fields that were left empty are not in it, unless they are required texts."""
    raw = values.get(RAW, "").strip()
    if raw:
        return _raw(raw)
    data: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields_of(schema, values):
        text = field.value.replace("\r\n", "\n")
        if not text.strip() and not (field.is_required and field.kind in ("text", "long")):
            continue
        try:
            data[field.name] = _value(field, schema["properties"][field.name], text)
        except ValueError as error:
            problems[field.name] = str(error)
    return data, problems


def given_of(schema: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, str]:
    """The form's values for ``data``: those of its fields, or JSON where the fields cannot express it."""
    values: dict[str, str] = {}
    for field in fields_of(schema, {}):
        if field.name in data:
            values[field.input_name] = _written(field, data[field.name])
    read_back, problems = data_of(schema, values)
    if problems or read_back != data:
        return {RAW: json.dumps(data, indent=2, ensure_ascii=False)}
    return values


def _written(field: Field, value: Any) -> str:
    if field.kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    if field.kind == "pairs" and isinstance(value, Mapping):
        return "\n".join(f"{name}={text}" for name, text in value.items())
    return _word(value) if field.kind not in _JSON else json.dumps(value, ensure_ascii=False)


def _field(name: str, about: Mapping[str, Any], is_required: bool, value: str) -> Field:
    kind = _kind(name, about)
    choices: list[tuple[str, str]] = []
    attributes: list[tuple[str, str]] = []
    default = about.get("default")
    if kind == "choice":
        options = about.get("enum", [True, False])
        words = {"true": "yes", "false": "no"}
        named = [(_word(option), words.get(_word(option), _word(option))) for option in options]
        unset = "choose" if is_required else f"default: {words.get(_word(default), _word(default))}"
        choices = [("", unset if is_required or default is not None else "default"), *named]
    elif kind == "number":
        attributes = [(html, str(about[key])) for key, html in (("minimum", "min"), ("maximum", "max")) if key in about]
        attributes.append(("step", "1" if about.get("type") == "integer" else "any"))
    elif kind in ("text", "long"):
        attributes = [("maxlength", str(about["maxLength"]))] if "maxLength" in about else []
    return Field(
        name,
        kind,
        str(about.get("title") or name),
        _help(about, kind, default),
        is_required,
        value,
        tuple(choices),
        tuple(attributes),
    )


def _kind(name: str, about: Mapping[str, Any]) -> str:
    type_ = about.get("type")
    if isinstance(type_, list):  # one that may be null is left empty for that
        type_ = next((name for name in type_ if name != "null"), None)
    if "enum" in about or type_ == "boolean":
        return "choice"
    if type_ in ("integer", "number"):
        return "number"
    if type_ == "string":
        return "long" if name in _LONG else "text"
    if type_ == "array" and _is_text(about.get("items")):
        return "lines"
    if type_ == "object" and _is_text(about.get("additionalProperties")):
        return "pairs"
    return "steps" if type_ == "array" and _is_step(about.get("items")) else "json"


def _is_text(about: Any) -> bool:
    return isinstance(about, Mapping) and about.get("type") == "string" and "enum" not in about


def _is_step(about: Any) -> bool:
    """Whether this is the schema of an object that names an operation, as a request does."""
    operation = about.get("properties", {}).get("operation", {}) if isinstance(about, Mapping) else {}
    return bool(operation.get("properties", {}).keys() == {"type", "data"})


def _help(about: Mapping[str, Any], kind: str, default: Any) -> str:
    parts = [str(about.get("description", ""))]
    if kind == "lines":
        parts.append("One item per line.")
    elif kind == "pairs":
        parts.append("NAME=value, one per line.")
    elif kind in _JSON:
        parts.append("JSON.")
    elif kind == "number" and "minimum" in about and "maximum" in about:
        parts.append(f"{about['minimum']:g} to {about['maximum']:g}.")
    if default is not None and kind != "choice":
        parts.append(f"Default: {_word(default)}.")
    return " ".join(part for part in parts if part)


def _value(field: Field, about: Mapping[str, Any], text: str) -> Any:
    """Raises ``ValueError`` with a sentence for the person."""
    if field.kind == "choice":
        options = {_word(option): option for option in about.get("enum", [True, False])}
        if text not in options:
            raise ValueError("Choose a listed value.")
        return options[text]
    if field.kind == "number":
        # a fact of the agent's is looked up there
        return text.strip() if text.strip().startswith("@") else number_of(text)
    if field.kind == "lines":
        return text.strip("\n").split("\n")
    if field.kind == "pairs":
        return _pairs(text)
    if field.kind in _JSON:
        return json_of(text)
    return text


def number_of(text: str) -> float | int:
    """A finite number; raises ``ValueError``."""
    stripped = text.strip()
    try:
        value = float(stripped)
    except ValueError:
        raise ValueError("Must be a number.") from None
    if not math.isfinite(value) or len(stripped) > _LONGEST_NUMBER:
        raise ValueError("Number too large.")
    try:
        return int(stripped)
    except ValueError:
        return value


def _pairs(text: str) -> dict[str, str]:
    return pairs_of(text, "NAME=value")


def pairs_of(text: str, shape: str) -> dict[str, str]:
    """``{name: value}`` of lines; raises ``ValueError``."""
    pairs: dict[str, str] = {}
    for line in filter(str.strip, text.replace("\r\n", "\n").split("\n")):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"Write {shape}, one per line; {line.strip()[:40]!r} is not.")
        if name.strip() in pairs:
            raise ValueError(f"{name.strip()[:40]!r} is given twice.")
        pairs[name.strip()] = value
    return pairs


def json_of(text: str) -> Any:
    """A value, with the rules for bodies of the API: a key that comes twice is refused, not guessed.

    Raises ``ValueError``.
    """
    try:
        value, is_suspect = limits.decode(text.encode("utf-8", "surrogatepass"), "This")
        if is_suspect:
            limits.check(value)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return value


def _raw(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        value = json_of(text)
    except ValueError as error:
        return {}, {RAW: str(error)}
    if not isinstance(value, dict):
        return {}, {RAW: 'Must be a JSON object, such as {"name": "value"}.'}
    return value, {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
