"""What an attacker who can write to Redis could put into a queue in place of a message."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

_ODD: list[Any] = [None, 5, -1, 1.5, True, "", "x", [], [[]], {}, {"a": 1}, "é\x00", [None], 10**400, "x" * 20_000]


def by_hand(ours: str) -> Iterator[bytes]:
    """Each of them ended an agent once; ``ours`` is a message of ours."""
    yield from (b"{{{", b"5", b"[]", b'"x"', b"null", b"", b"{}", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 2000, b"NaN")
    yield b"[" * 4000
    for path, value in (
        *((("headers", "task"), odd) for odd in ([], {}, None, "other.task")),
        *((("headers", "id"), odd) for odd in ([], {}, None, 5)),
        *((("headers", name), []) for name in ("expires", "eta", "stamps", "group", "root_id", "retries", "argsrepr")),
        (("headers", "expires"), "2020-01-01T00:00:00Z"),
        (("headers", "timelimit"), 5),
        (("headers",), []),
        *((("content-type",), odd) for odd in (None, [], "application/x-python-serialize")),
        *((("content-encoding",), odd) for odd in (5, None, "binary")),
        *((("body",), odd) for odd in (5, None, "5", "[1,2]", "{", "[" * 3000, [], {}, "")),
        *((("properties", "body_encoding"), odd) for odd in ("base64", "rot13", [], 5)),
        *((("properties", "delivery_info"), odd) for odd in ("x", None, [])),
        *((("properties", "delivery_tag"), odd) for odd in ([], None, {})),
        *((("properties", "priority"), odd) for odd in ("x", [], 99, True)),
        (("properties",), None),
    ):
        yield json.dumps(_with(json.loads(ours), path, value)).encode()


def by_chance(ours: str, seed: int, count: int) -> Iterator[bytes]:
    """Ours with one thing wrong somewhere, and texts that are no messages."""
    chance = random.Random(seed)
    whole = json.loads(ours)
    paths = list(_paths(whole))
    for _ in range(count):
        if chance.random() < 0.3:
            raw = bytearray(ours.encode())
            for _ in range(chance.randint(1, 20)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            yield bytes(raw[: chance.randint(0, len(raw))])
        else:
            yield json.dumps(_with(whole, chance.choice(paths), chance.choice(_ODD))).encode()


def _with(whole: Any, path: tuple[str, ...], value: Any) -> Any:
    changed = copy.deepcopy(whole)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def _paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield (*above, name)
            yield from _paths(part, (*above, name))
