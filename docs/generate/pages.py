"""Which parts of which pages are made from the code.

In a page, such a part stands between ``<!-- made by make reference: NAME -->`` and ``<!-- end of NAME -->``; all around
it is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generate import (
    aggregations,
    commands,
    diagram,
    job_fields,
    keys,
    operations,
    permissions,
    routes,
    settings,
    verbs,
)

DOCS = Path(__file__).resolve().parents[1]
DIAGRAM = DOCS / "images" / "lifecycle.svg"

#: name of a part -> what makes its text
PARTS: Mapping[str, Callable[[], str]] = {
    "routes": routes.text,
    "settings": settings.text,
    "permissions": permissions.text,
    "roles": permissions.roles_text,
    "operations": operations.text,
    "commands": commands.text,
    "transitions": diagram.table,
    "functions": aggregations.text,
    "verbs": verbs.text,
    "fields": job_fields.text,
    "keys": keys.text,
}
_PART = re.compile(r"(<!-- made by make reference: ([a-z]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def stale(docs: Path = DOCS) -> dict[Path, str]:
    """Files that are not as the code says -> what they should hold."""
    wanted = {path: fresh(path.read_text(encoding="utf-8")) for path in sorted(docs.glob("**/*.md"))}
    wanted[docs / DIAGRAM.relative_to(DOCS)] = diagram.svg()
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text}


def fresh(page: str) -> str:
    """``page`` with every part generated again."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]().strip()}\n\n{match[3]}", page)


def parts_of(page: str) -> list[str]:
    """The names of the parts in ``page``."""
    return [match[2] for match in _PART.finditer(page)]
