"""Text from hosts, made safe to show. A host's output must not control the reader's terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

#: Invisible, but parts of words and of emoji.
_JOINERS = "\u200c\u200d"
_DEEPEST = 8


def visible(text: str, keep: str = "") -> str:
    r"""``text`` with everything that does not print spelled out: ESC becomes ``\x1b``, a reversed order ``\u202e``.

    ``keep`` names characters that stay as they are, such as a line break.
    """
    if text.isprintable():
        return text
    return "".join(char if _prints(char) or char in keep else _spelled(char) for char in text)


def one_line(value: Any) -> str:
    """``value`` for a table's cell or a message: one line, nothing that a terminal would obey."""
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return visible(" ".join(value.split()))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return visible(json.dumps(value, ensure_ascii=False))


def pairs(mapping: Any) -> str:
    """``{"group": "web", "n": "1"}`` -> ``"group=web n=1"``; ``"-"`` if there is none."""
    if not isinstance(mapping, dict):
        return one_line(mapping)
    return " ".join(f"{one_line(key)}={one_line(value)}" for key, value in mapping.items()) or "-"


def lines(value: Any, depth: int = 0) -> list[str]:
    """``value`` for a person, over as many lines as it needs: ``key: value``, ``- item``, text as it is."""
    if isinstance(value, str):
        return visible(value.replace("\r\n", "\n").removesuffix("\n"), keep="\n\t").split("\n")
    if depth >= _DEEPEST or not value or not isinstance(value, (dict, list)):
        return [visible(json.dumps(value, ensure_ascii=False))]
    wrapped: list[str] = []
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        head = "-" if key is None else f"{visible(str(key))}:"
        inner = lines(item, depth + 1)
        if len(inner) == 1 and not (isinstance(item, (dict, list)) and item):
            wrapped.append(f"{head} {inner[0]}".rstrip())
        elif key is None:
            wrapped += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
        else:
            wrapped += [head, *(f"  {line}" for line in inner)]
    return wrapped


def state_of(agent: Mapping[str, Any]) -> Any:
    """An agent's state for a table. That one which is offline would take work says nothing, and looks well."""
    return None if agent.get("status") == "offline" and agent.get("state") == "Ready" else agent.get("state")


def _prints(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _spelled(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
