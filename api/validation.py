"""From marshmallow's messages to ones that people can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any
from weakref import WeakKeyDictionary

import marshmallow as ma

from api.limits import inside
from jobqueue.errors import InvalidInput
from jobqueue.schema_fast_path import SchemaFastPath
from jobqueue.unknown_fields import UNKNOWN, like_known, many_unknown

#: Problems named in one answer; the rest are counted.
MAX_PROBLEMS = 20
#: Unknown fields of one object that marshmallow looks at: it takes time, and a batch has a thousand objects.
_MOST_UNKNOWN = 8

_loaders: WeakKeyDictionary[ma.Schema, SchemaFastPath] = WeakKeyDictionary()


class StrictSchema(ma.Schema):
    """A schema that refuses unknown fields, and says which known one they resemble."""

    error_messages = {  # noqa: RUF012 (marshmallow's own convention)
        "unknown": UNKNOWN,
        "type": "Must be a JSON object.",
    }

    class Meta:
        unknown = ma.RAISE

    def handle_error(self, error: ma.ValidationError, data: Any, **kwargs: Any) -> None:
        """Add near matches to the message of every unknown field."""
        if not isinstance(error.messages, dict):
            return
        names = sorted(field.data_key or attribute for attribute, field in self.load_fields.items())
        for name, near in like_known(error.messages, self).items():
            error.messages[name] = [_unknown_message(names, near)]


def _unknown_message(names: Sequence[str], near: Sequence[str] = ()) -> str:
    if near:
        return f"Unknown field; did you mean {' or '.join(near)}?"
    return f"Unknown field; the known ones are {', '.join(names)}."


def load(schema: ma.Schema, data: Any, prefix: str = "", *, explains: bool = True) -> dict[str, Any]:
    """``schema.load`` that raises ``InvalidInput``: a sentence, and ``{field: [messages]}`` with dotted field names.

    Unless it ``explains``, the error does not name the fields: finding all of them takes much longer.
    """
    loader = _loaders.get(schema)
    if loader is None:
        loader = _loaders[schema] = SchemaFastPath(schema)
    quick = loader.load(data)
    if quick is not None:
        return quick
    if not explains and loader.is_exact:
        raise InvalidInput("Not valid, like earlier jobs of this batch; correct those first to see the reason.")
    _refuse_many_unknown(schema, data, prefix)
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ma.ValidationError as error:
        raise invalid(error.messages, prefix) from error
    return loaded


def _refuse_many_unknown(schema: ma.Schema, data: Any, prefix: str) -> None:
    """Raise ``InvalidInput`` for an object with more unknown fields than marshmallow should check."""
    unknown = many_unknown(schema, data, _MOST_UNKNOWN)
    if unknown:
        known = _unknown_message(unknown.known)
        raise invalid({name: [known] for name in unknown.names}, reduce(inside, unknown.way, prefix), unknown.count)


def invalid(messages: Any, prefix: str = "", count: int | None = None) -> InvalidInput:
    """The error for marshmallow's nested ``messages``; ``count``: how many problems there are, if not all are there."""
    problems = list(_flat(messages, prefix))
    shown = dict(problems[:MAX_PROBLEMS])
    name, texts = next(iter(shown.items()))
    more = (len(problems) if count is None else count) - 1
    tail = f" (and {more} more {'problem' if more == 1 else 'problems'}, see details)" if more else ""
    return InvalidInput(f"{name}: {texts[0]}{tail}", shown)


def _flat(messages: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            if key == ma.exceptions.SCHEMA:  # about the object itself
                yield from _flat(inner, path)
            else:
                yield from _flat(inner, inside(path, key))
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        yield path or "body", [str(message) for message in messages]
    else:
        yield path or "body", [str(messages)]
