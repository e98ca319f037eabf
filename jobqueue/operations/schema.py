"""Schemas of the operations' data: strict, and shown to callers as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import marshmallow
from marshmallow import RAISE, ValidationError, fields, validate
from marshmallow.exceptions import SCHEMA

from jobqueue.operations.text import is_clean
from jobqueue.unknown_fields import like_known

#: Longest time that a caller may allow one run, in seconds: a week.
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600
MAX_PATH_LENGTH = 4096
#: Maximum number of invalid fields, items or entries reported; checking stops there.
MAX_PROBLEMS = 20
#: Maximum entries of an object with names chosen by the caller, such as environment variables.
MAX_ENTRIES = 10_000


class Schema(marshmallow.Schema):
    """Base of every operation's schema: a field that is not declared is refused."""

    class Meta:
        unknown = RAISE

    def handle_error(self, error: ValidationError, data: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Add near matches to the message of an unknown field."""
        if isinstance(error.messages, dict):
            for name, near in like_known(error.messages, self).items():
                if near:
                    error.messages[name] = [f"Unknown field; did you mean {' or '.join(near)}?"]


class Text(fields.String):
    """A string that can be handed to the operating system: no NUL character, no lone surrogate."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\0" in text:
            raise ValidationError("Must not contain a NUL character.")
        return _without_surrogates(text)


class Document(fields.String):
    """A string that becomes bytes: anything that UTF-8 can encode, NUL characters included."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return _without_surrogates(super()._deserialize(value, attr, data, **kwargs))


class Flag(fields.Boolean):
    """JSON ``true`` or ``false``, but no lookalikes (1, "yes")."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Number(fields.Float):
    """A finite JSON number; strings and booleans are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Whole(fields.Integer):
    """A JSON integer; strings, booleans and fractions are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Path(Text):
    """An absolute path without ``..``, so that the path allowed or logged is the path used."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        path = super()._deserialize(value, attr, data, **kwargs)
        if not path.startswith("/"):
            raise ValidationError("Must be an absolute path.")
        if ".." in path.split("/"):
            raise ValidationError("Must not contain '..'.")
        if len(path.encode()) > MAX_PATH_LENGTH:
            raise ValidationError(f"Must be at most {MAX_PATH_LENGTH} bytes long.")
        return path


class Items(fields.List[Any]):
    """A list whose length is checked before its items are, and whose check ends with the first wrong ones."""

    def _deserialize(self, value: Any, *_args: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise self.make_error("invalid")
        for validator in self.validators:
            if isinstance(validator, validate.Length):
                validator(value)
        if type(self.inner) is Text and not self.inner.validators and _are_texts(value):
            return list(value)  # most lists; the field would take 2 us for each
        items: list[Any] = []
        wrong: dict[int, Any] = {}
        for number, each in enumerate(value):
            try:
                items.append(self.inner.deserialize(each, **kwargs))
            except ValidationError as error:
                wrong[number] = error.messages
                if len(wrong) == MAX_PROBLEMS:
                    break
        if wrong:
            raise ValidationError(wrong)
        return items


class Entries(fields.Dict):
    """An object of any names: their number is checked before they are, and the check ends with the first wrong ones."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"maxProperties": MAX_ENTRIES, **kwargs.get("metadata", {})}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, *_args: Any, **kwargs: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        if len(value) > MAX_ENTRIES:
            raise ValidationError(f"Must have at most {MAX_ENTRIES} entries, not {len(value)}.")
        entries: dict[Any, Any] = {}
        wrong: dict[Any, dict[str, Any]] = {}
        for key, each in value.items():
            problems: dict[str, Any] = {}
            name = _tried(self.key_field, "key", key, problems, kwargs)
            entries[name] = _tried(self.value_field, "value", each, problems, kwargs)
            if problems:
                wrong[key] = problems
                if len(wrong) == MAX_PROBLEMS:
                    break
        if wrong:
            raise ValidationError(wrong)
        return entries


def _tried(
    field: fields.Field[Any] | None, name: str, value: Any, problems: dict[str, Any], options: dict[str, Any]
) -> Any:
    """``value`` as loaded by ``field``. Errors go into ``problems``, as in marshmallow."""
    if field is None:
        return value
    try:
        return field.deserialize(value, **options)
    except ValidationError as error:
        problems[name] = error.messages
        return None


def _are_texts(values: Sequence[Any]) -> bool:
    """Whether ``Text`` would accept each unchanged."""
    if not all(type(value) is str for value in values):
        return False
    together = "".join(values)
    return "\0" not in together and is_clean(together)


class Match(validate.Validator):
    """The whole text matches ``pattern``, which is written so that JSON Schema understands it as well."""

    def __init__(self, pattern: str, error: str) -> None:
        self._pattern = re.compile(pattern)
        self._error = error

    def __call__(self, value: str) -> str:
        if not self._pattern.fullmatch(value):
            raise ValidationError(self._error)
        return value


def shape(pattern: str, error: str) -> dict[str, Any]:
    """Arguments of a field whose whole text must match ``pattern``, shown as such in the JSON Schema."""
    return {"validate": Match(pattern, error), "metadata": {"pattern": f"^(?:{pattern})$"}}


def timeout_field() -> Number:
    """Seconds that one run may take; without it only the job's own timeout holds."""
    return Number(
        validate=validate.Range(min=0, max=MAX_TIMEOUT_SECONDS, min_inclusive=False),
        metadata={"description": "Seconds after which the run is stopped and fails.", "exclusiveMinimum": 0},
    )


def flat_messages(messages: Any, prefix: str = "") -> dict[str, list[str]]:
    """Marshmallow's nested messages as ``{"argv.0": ["Not a valid string."]}``; "" names the data as a whole."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for key, inner in messages.items():
            name = prefix if key == SCHEMA else f"{prefix}.{key}" if prefix else str(key)
            for field, texts in flat_messages(inner, name).items():
                flat.setdefault(field, []).extend(texts)
        return flat
    texts = messages if isinstance(messages, list) else [messages]
    return {prefix: [str(text) for text in texts]}


def json_schema(schema: type[marshmallow.Schema]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``schema``, nested schemas written out in place."""
    # imported here: only the catalogue needs it, and agents and the command line start without it
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin

    plugin = MarshmallowPlugin(schema_name_resolver=_no_name)
    APISpec(title="operations", version="1", openapi_version="3.1.0", plugins=[plugin])
    if plugin.converter is None:
        raise RuntimeError("apispec did not set up its converter")
    document: dict[str, Any] = plugin.converter.schema2jsonschema(schema())
    document.setdefault("type", "object")
    return document


def _no_name(_schema: Any) -> str:
    """Makes apispec inline nested schemas; None does that, although its type hints do not allow it."""
    return cast(str, None)


def _without_surrogates(text: str) -> str:
    if not is_clean(text):
        raise ValidationError("Must not contain a lone surrogate.")
    return text
