"""An operation's result, checked: strictly JSON, and not too large."""

from __future__ import annotations

import json
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.text import brief

_MAX_DEPTH = 100


def encoded_size(value: Any) -> int:
    """Bytes of ``value`` as compact JSON in UTF-8."""
    return len(_encode(value))


def checked(value: Any, max_bytes: int) -> Any:
    """``value`` as plain JSON (tuples as lists), or ``OperationFailed`` that says where and why it is not JSON."""
    plain = _plain(value, "", 0)
    try:
        size = len(_encode(plain))
    except UnicodeEncodeError:
        raise OperationFailed("The result is not valid JSON: it contains a lone surrogate.") from None
    except ValueError as error:  # an integer with more digits than Python is willing to print
        raise OperationFailed(f"The result is not valid JSON: {brief(str(error), 200)}.") from error
    if size > max_bytes:
        raise OperationFailed(f"The result is too large: {size} bytes as JSON, at most {max_bytes} are kept.")
    return plain


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _refused(path, f"{value} is not a JSON number")
        return value
    if depth > _MAX_DEPTH:
        raise OperationFailed(f"The result is not valid JSON: it is nested deeper than {_MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise _refused(path, f"the key {key!r} is a {type(key).__name__}, not a string")
        return {key: _plain(inner, f"{path}.{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    raise _refused(path, f"a {type(value).__name__} is not a JSON value")


def _refused(path: str, reason: str) -> OperationFailed:
    where = f" at {brief(path.lstrip('.'), 200)}" if path else ""
    return OperationFailed(f"The result is not valid JSON{where}: {brief(reason, 300)}.")
