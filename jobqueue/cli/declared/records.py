"""The records that files declare."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.declared.kinds import BY_NAME, KINDS, Kind
from jobqueue.cli.declared.loading import STDIN, SUFFIXES, Document, load_documents
from jobqueue.cli.views.text import one_line

_MAX_FILES = 10_000
#: Fields that say which record it is; the others are its body.
_KIND, _NAME = "kind", "name"
#: A field that no file may have: `apply` sets it.
_MANAGER = "managed_by"


@dataclass(frozen=True)
class Record:
    """One declared record; ``body`` is what the API stores."""

    kind: Kind
    name: str
    body: dict[str, Any]
    document: Document

    def __str__(self) -> str:
        return f"{self.kind.name} {one_line(self.name)}"


def read_records(paths: Sequence[str], manager: str) -> list[Record]:
    """The records in files and directories, in the order in which they are stored.

    Raises ``ClickException`` for what is wrong in a file, with file and line: a kind or a name that is missing or
    unknown, two records of one kind and name.
    """
    by_name: dict[tuple[str, str], Record] = {}
    for file in _files(paths):
        for document in load_documents(file):
            record = _record(document, manager)
            earlier = by_name.setdefault((record.kind.name, record.name), record)
            if earlier is not record:
                raise click.ClickException(
                    f"{document.where(_NAME)}: {record} is declared twice; first in {earlier.document.where(_NAME)}."
                )
    ordered: list[Record] = []
    for kind in KINDS:
        records = {record.name: record for record in by_name.values() if record.kind is kind}
        ordered += [records[name] for name in in_order({name: kind.uses(item.body) for name, item in records.items()})]
    return ordered


def in_order(uses: Mapping[str, frozenset[str]]) -> list[str]:
    """The names in alphabetical order, but each after those that it uses. Those that use each other come last."""
    ordered: dict[str, None] = {}
    waiting = sorted(uses)
    while waiting:
        ready = [name for name in waiting if all(use in ordered or use not in uses for use in uses[name])]
        ordered |= dict.fromkeys(ready or waiting)
        waiting = [name for name in waiting if name not in ordered]
    return list(ordered)


def _record(document: Document, manager: str) -> Record:
    body = dict(document.content)
    kind = body.pop(_KIND, None)
    if kind is None:
        raise click.ClickException(
            f"{document.location}: the field kind is missing; it is one of {', '.join(BY_NAME)}."
        )
    if not isinstance(kind, str) or kind not in BY_NAME:
        near = difflib.get_close_matches(str(kind)[:80], BY_NAME, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(BY_NAME)}."
        raise click.ClickException(f"{document.where(_KIND)}: unknown kind {one_line(kind)[:80]}; {hint}")
    name = body.pop(_NAME, None)
    if not isinstance(name, str) or not name:
        raise click.ClickException(f"{document.where(_NAME)}: the field name is missing, or is not text.")
    if _MANAGER in body:
        raise click.ClickException(
            f"{document.where(_MANAGER)}: the field {_MANAGER} is set by `jobqueue apply --manager`; leave it out."
        )
    return Record(BY_NAME[kind], name, {**body, _MANAGER: manager}, document)


def _files(paths: Sequence[str]) -> Iterator[str]:
    """The files, and those in directories and below with the suffix of YAML or JSON, in order, each once."""
    seen: set[Path] = set()
    for path in paths:
        inside = [path] if path == STDIN or not Path(path).is_dir() else _inside(Path(path))
        for file in inside:
            root = Path(file).absolute()
            if file == STDIN or root not in seen:
                seen.add(root)
                yield file


def _inside(directory: Path) -> list[str]:
    paths: list[str] = []
    for file in sorted(directory.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(directory).parts)
        if file.suffix in SUFFIXES and not hidden and file.is_file():
            paths.append(str(file))
        if len(paths) > _MAX_FILES:
            raise click.ClickException(f"{one_line(str(directory))}: it has more than {_MAX_FILES} files.")
    return paths
