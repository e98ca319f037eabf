"""The verbs of the ledger: each Lua file's own description."""

from __future__ import annotations

import re

from docs.generate.markdown import code, table
from jobqueue.ledger.scripts import VERBS, folder_of, header_of

#: The description: the comment lines in front of `include` or `KEYS`.
_DESCRIPTION = re.compile(r"((?:-- [^\n]*\n)+?)-- (?:include|KEYS):")


def text() -> str:
    """A table of each folder of ``jobqueue/ledger/lua``."""
    folders: dict[str, list[tuple[str, str]]] = {}
    for verb in VERBS:
        folders.setdefault(folder_of(verb), []).append((code(verb), _description(verb)))
    return "\n\n".join(f"**{folder}**\n\n{table(('verb', 'does'), rows)}" for folder, rows in folders.items())


def _description(verb: str) -> str:
    match = _DESCRIPTION.match(header_of(verb))
    if match is None:
        raise ValueError(f"{verb}.lua does not begin with a description")
    return " ".join(line.removeprefix("-- ") for line in match[1].splitlines())
