"""Parameters of saved jobs: each is described by a part of JSON Schema, by which values are checked."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from jobqueue.errors import InvalidInput, InvalidTarget
from jobqueue.model.target import check_hostname
from jobqueue.trust.secrets.reference import KEY as SECRET_KEY
from jobqueue.trust.secrets.reference import faults as secret_faults
from jobqueue.trust.secrets.reference import has_secret

#: Formats of a parameter: a list of hostnames, and a target expression.
HOSTS, TARGET = "hosts", "target"
SECRET = "secret"  # noqa: S105 - the name of a keyword
MAX_PARAMETERS = 100
#: Maximum size of all values of one run, in bytes of JSON.
MAX_VALUES_BYTES = 256 * 1024
_MOST_FAULTS = 20
_MOST_CHOICES = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: Words that have a meaning of their own in a template's expression.
_RESERVED = frozenset(
    ("true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "self", "loop")
)
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_ITEM_TYPES = ("string", "integer", "number", "boolean")
_ARTICLES = {"integer": "an integer", "array": "a list", "object": "an object", "boolean": "true or false"}
_TEXTS, _NUMBERS = ("title", "description", "pattern"), ("minimum", "maximum")
_MAX_TEXT = {"title": 200, "description": 2000, "pattern": 500}
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems")
#: The keywords of each type, besides those of all.
_OWN = {
    "string": ("minLength", "maxLength", "pattern", "format", SECRET),
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "boolean": (),
    "array": ("minItems", "maxItems", "items", "format"),
    "object": (),
}
_COMMON = ("type", "title", "description", "default", "enum", "required")


def check_parameters(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters with their types filled in. Raises ``InvalidInput``, which names ``parameters.NAME.KEYWORD``."""
    if len(raw) > MAX_PARAMETERS:
        raise InvalidInput.of("parameters", f"At most {MAX_PARAMETERS} parameters, not {len(raw)}.")
    schemas: dict[str, dict[str, Any]] = {}
    for name, schema in raw.items():
        where = f"parameters.{name[:80]}"
        if not _NAME.fullmatch(name) or name in _RESERVED:
            sentence = "The name of a parameter has 1 to 64 letters, digits or _, and does not begin with a digit."
            raise InvalidInput.of(where, f"{sentence} {name[:80]!r} is reserved." if name in _RESERVED else sentence)
        if not isinstance(schema, dict):
            raise InvalidInput.of(where, 'Must be a JSON Schema such as {"type": "string"}.')
        schemas[name] = _schema(schema, where)
    return schemas


def is_required(schema: Mapping[str, Any]) -> bool:
    """Whether a run must give a value."""
    return bool(schema.get("required", "default" not in schema))


def values_of(parameters: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run: those given, and the defaults of the others. A parameter without either is left out.

    Raises ``InvalidInput``, which names ``parameters.NAME``, for one that is missing, not declared or of the wrong
    type.
    """
    if len(json.dumps(values)) > MAX_VALUES_BYTES:
        raise InvalidInput.of("parameters", f"The values have more than {MAX_VALUES_BYTES} bytes together.")
    faults: dict[str, list[str]] = {}
    for name, sentence in islice(_value_faults(parameters, values), _MOST_FAULTS):
        faults[f"parameters.{name[:80]}"] = [sentence]
    if faults:
        field, sentences = next(iter(faults.items()))
        raise InvalidInput(f"{field}: {sentences[0]}", faults)
    defaults = {name: schema["default"] for name, schema in parameters.items() if "default" in schema}
    return defaults | dict(values)


def _value_faults(parameters: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name not in parameters:
            yield name, _undeclared(name, parameters)
            continue
        sentence = value_fault(parameters[name], value)
        if sentence:
            yield name, sentence
    for name, schema in parameters.items():
        if name not in values and is_required(schema):
            yield name, "Missing; it is required."


def _undeclared(name: str, parameters: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name[:80], parameters, n=1)
    if near:
        return f"Unknown parameter; did you mean {near[0]}?"
    names = ", ".join(islice(parameters, _MOST_FAULTS))
    return f"Unknown parameter; choose from {names}." if names else "Unknown parameter; this saved job has none."


def value_fault(schema: Mapping[str, Any], value: Any) -> str:
    """Why the value is refused; empty if it is accepted."""
    if schema.get(SECRET):
        return _secret_fault(value)
    kind = str(schema["type"])
    if not _TYPES[kind](value):
        return f"Must be {_ARTICLES.get(kind, f'a {kind}')}, not {json.dumps(value)[:80]}."
    if has_secret(value):
        return f'Only a parameter with "secret": true takes {{"{SECRET_KEY}": ...}}.'
    if "enum" in schema and not any(_is_same(value, choice) for choice in schema["enum"]):
        choices = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in schema["enum"][:_MOST_FAULTS])
        return f"Must be one of {choices}."
    return _bounds_fault(schema, value) or _format_fault(schema.get("format"), value) or _items_fault(schema, value)


def _secret_fault(value: Any) -> str:
    if not isinstance(value, dict) or set(value) != {SECRET_KEY} or secret_faults({"value": value}):
        return f'Must name a secret of the agents, as {{"{SECRET_KEY}": "name"}}; the API never sees its value.'
    return ""


def _is_same(value: Any, choice: Any) -> bool:
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def _bounds_fault(schema: Mapping[str, Any], value: Any) -> str:
    for keyword in _NUMBERS:
        if keyword in schema and (value < schema[keyword] if keyword == "minimum" else value > schema[keyword]):
            return f"Must be at {'least' if keyword == 'minimum' else 'most'} {schema[keyword]}, not {value}."
    for keyword in _LENGTHS:
        if keyword not in schema:
            continue
        is_least, unit = keyword.startswith("min"), "characters" if keyword.endswith("Length") else "items"
        if len(value) < schema[keyword] if is_least else len(value) > schema[keyword]:
            return f"Must have at {'least' if is_least else 'most'} {schema[keyword]} {unit}, not {len(value)}."
    if "pattern" in schema:
        from jobqueue.targets import regex

        if not regex.searcher(schema["pattern"])(value):
            return f"Must match the pattern {schema['pattern']}."
    return ""


def _items_fault(schema: Mapping[str, Any], value: Any) -> str:
    if "items" not in schema:
        return ""
    for number, item in enumerate(value):
        sentence = value_fault(schema["items"], item)
        if sentence:
            return f"Item {number}: {sentence}"
    return ""


def _format_fault(kind: str | None, value: Any) -> str:
    if kind is None:
        return ""
    from jobqueue.services import targets

    try:
        if kind == TARGET:
            targets.parsed(value)
        for hostname in value if kind == HOSTS else ():
            if not isinstance(hostname, str):
                return f"{json.dumps(hostname)[:80]} is not a hostname."
            check_hostname(hostname)
    except InvalidTarget as error:
        return error.message
    return ""


def _schema(raw: dict[str, Any], where: str, *, is_item: bool = False) -> dict[str, Any]:
    kind = raw.get("type", "array" if raw.get("format") == HOSTS else "string")
    allowed = _ITEM_TYPES if is_item else tuple(_TYPES)
    if not isinstance(kind, str) or kind not in allowed:
        raise InvalidInput.of(f"{where}.type", f"Must be one of {', '.join(allowed)}.")
    keywords = (*_COMMON, *_OWN[kind])
    for keyword in raw:
        if keyword not in keywords:
            near = difflib.get_close_matches(keyword[:80], keywords, n=1)
            hint = f"did you mean {near[0]}?" if near else f"of type {kind}: {', '.join(keywords)}."
            raise InvalidInput.of(f"{where}.{keyword[:80]}", f"Unknown keyword; {hint}")
    schema = {"type": kind, **raw}
    for keyword, value in schema.items():
        sentence = _keyword_fault(keyword, value, kind)
        if sentence:
            raise InvalidInput.of(f"{where}.{keyword}", sentence)
    if "items" in schema:
        schema["items"] = _schema(schema["items"], f"{where}.items", is_item=True)
    _check_whole(schema, where)
    return schema


def _keyword_fault(keyword: str, value: Any, kind: str) -> str:
    if keyword in _TEXTS:
        return _text_fault(keyword, value)
    if keyword in _NUMBERS:
        return "" if _TYPES["number"](value) else "Must be a number."
    if keyword in _LENGTHS:
        return "" if _TYPES["integer"](value) and value >= 0 else "Must be a whole number from 0."
    if keyword in (SECRET, "required"):
        return "" if isinstance(value, bool) else "Must be true or false."
    if keyword == "enum":
        is_list = isinstance(value, list) and 1 <= len(value) <= _MOST_CHOICES
        return "" if is_list else f"Must be a list of 1 to {_MOST_CHOICES} values."
    if keyword == "format":
        allowed = HOSTS if kind == "array" else TARGET
        return "" if value == allowed else f"Of type {kind}, the only format is {allowed!r}."
    if keyword == "items":
        return "" if isinstance(value, dict) else "Must be a JSON Schema."
    return ""


def _text_fault(keyword: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        return "Must be one line of text, without control characters."
    if len(value) > _MAX_TEXT[keyword]:
        return f"Must have at most {_MAX_TEXT[keyword]} characters, not {len(value)}."
    if keyword != "pattern":
        return ""
    from jobqueue.targets import regex

    fault = regex.fault(value)
    return f"Not a regular expression of RE2: {fault}." if fault else ""


def _check_whole(schema: Mapping[str, Any], where: str) -> None:
    """Raise ``InvalidInput`` for keywords that contradict each other."""
    if schema.get("required") and "default" in schema:
        raise InvalidInput.of(
            f"{where}.required", "A parameter with a default cannot be required; leave out one of the two."
        )
    if schema.get(SECRET) and len(schema.keys() & {"enum", "pattern", "format", "minLength", "maxLength"}):
        raise InvalidInput.of(
            f"{where}.secret", "The API does not see the value of a secret: enum, pattern and lengths do not apply."
        )
    for number, choice in enumerate(schema.get("enum", ())):
        sentence = value_fault({name: value for name, value in schema.items() if name != "enum"}, choice)
        if sentence:
            raise InvalidInput.of(f"{where}.enum.{number}", sentence)
    if "default" in schema:
        sentence = value_fault(schema, schema["default"])
        if sentence:
            raise InvalidInput.of(f"{where}.default", sentence)
