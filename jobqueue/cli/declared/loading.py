"""Reads YAML and JSON files: bounded, every key once, and only the types of JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobqueue.cli.views.text import one_line
from jobqueue.extras import require
from jobqueue.plain_text import decoded, reason_of

if TYPE_CHECKING:
    import yaml

_T = TypeVar("_T")
#: Maximum size of one file, and maximum number of values in it, aliases expanded.
MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000
_MAX_DEPTH = 50
SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
#: What text without quotes means, as in YAML 1.2: YAML 1.1 would read `no` as false, 12:30 as 750, 010 as 8.
MEANINGS = (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
)


@dataclass(frozen=True)
class Document:
    """One document of a file, which begins at ``location`` (FILE:LINE); ``lines``: those of its outermost fields."""

    location: str
    content: dict[str, Any]
    lines: dict[str, str]

    def where(self, field: str) -> str:
        """FILE:LINE of a field, or of the document."""
        return self.lines.get(field, self.location)


def load_document(path: str) -> dict[str, Any]:
    """The object in a file; ``-`` is standard input. Raises ``ClickException``, which names file and line."""
    documents = list(load_documents(path))
    if len(documents) != 1:
        raise click.ClickException(f"{one_line(path)}: it holds {len(documents)} documents; one is expected.")
    return documents[0].content


def load_documents(path: str) -> Iterator[Document]:
    """The objects in a file: a JSON file has one, a YAML file may have several, with --- between.

    Raises ``ClickException`` (not readable, too large, a syntax error, a key given twice), which names file and line.
    """
    text = read_file(path, decoded)
    if path.endswith(".json") or (path == STDIN and text.lstrip().startswith("{")):
        yield Document(f"{one_line(path)}:1", _checked(_json(path, text), path), {})
    else:
        yield from _yaml_documents(path, text)


def read_file(path: str, read: Callable[[bytes], _T]) -> _T:
    """What ``read`` makes of the content of a file; ``-`` is standard input.

    Raises ``ClickException``, which names the file, if it is too large or not readable, or ``read`` raises
    ``ValueError``.
    """
    try:
        if path == STDIN:
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise click.ClickException(f"{one_line(path)}: it has more than {MAX_BYTES} bytes.")
        return read(raw)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{one_line(path)}: it cannot be read: {reason_of(error)}.") from error


def _json(path: str, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, value in pairs:
            if key in members:
                raise click.ClickException(f"{one_line(path)}: the key {one_line(key)} is given twice in one object.")
            members[key] = value
        return members

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise click.ClickException(f"{one_line(path)}:{error.lineno}: it is not valid JSON: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{one_line(path)}: it is not valid JSON: {error}.") from error


def _yaml_documents(path: str, text: str) -> Iterator[Document]:
    for location, value, lines in yaml_values(path, text):
        yield Document(location, _checked(value, location), lines)


def yaml_values(path: str, text: str) -> Iterator[tuple[str, Any, dict[str, str]]]:
    """The documents of a YAML text with their locations, and those of the outermost fields. Raises ``ClickException``.

    ``path`` names the file in errors.
    """
    require("Reading YAML (JSON files need nothing)", "apply")
    import yaml

    loader = None
    try:
        loader = _loader()(text)
        while loader.check_node():
            node = loader.get_node()
            location = f"{one_line(path)}:{node.start_mark.line + 1}"
            if node.tag.endswith(":null") and not node.value:  # nothing between two ---
                continue
            _check_nodes(node, path)
            content = loader.construct_document(node)
            fields = node.value if isinstance(node, yaml.MappingNode) else []
            lines = {str(key.value): f"{one_line(path)}:{key.start_mark.line + 1}" for key, _ in fields}
            yield location, content, lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        raise click.ClickException(f"{one_line(path)}{line}: it is not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise click.ClickException(f"{one_line(path)}: it is not valid YAML: {one_line(str(error))}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _loader() -> type[yaml.SafeLoader]:
    """PyYAML's safe loader with the types of JSON only; it parses with libyaml, which takes a fifth of the time, where
    PyYAML was built with it.
    """
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # a subclass with resolvers of its own; the base's would be changed for every user of PyYAML
    loader: Any = type("Loader", (base,), {"yaml_implicit_resolvers": {}})
    for name, pattern, first in MEANINGS:
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), list(first))
    return loader  # type: ignore[no-any-return]


def _check_nodes(root: yaml.Node, path: str) -> None:
    """Raise ``ClickException`` for too many values (aliases expanded), too deep ones, and keys that are given twice."""
    import yaml

    count, pending = 0, [(root, 0)]
    while pending:
        node, depth = pending.pop()
        count += 1
        where = f"{one_line(path)}:{node.start_mark.line + 1}"
        if count > MAX_VALUES:
            raise click.ClickException(
                f"{where}: it has more than {MAX_VALUES} values; an alias (*name) counts as often as it is used."
            )
        if depth > _MAX_DEPTH:
            raise click.ClickException(f"{where}: it is nested more than {_MAX_DEPTH} levels deep, or contains itself.")
        if isinstance(node, yaml.MappingNode):
            seen: set[Any] = set()
            for key, value in node.value:
                line = f"{one_line(path)}:{key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                    shown = one_line(getattr(key, "value", None) if isinstance(key, yaml.ScalarNode) else "a list")
                    raise click.ClickException(f"{line}: the key {shown} is not text; put it in quotes.")
                if key.value in seen:
                    raise click.ClickException(f"{line}: the key {one_line(key.value)} is given twice.")
                seen.add(key.value)
                pending.append((value, depth + 1))
        elif isinstance(node, yaml.SequenceNode):
            pending += [(item, depth + 1) for item in node.value]


def _checked(value: Any, location: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise click.ClickException(f"{one_line(location)}: it must be an object of fields such as `name: deploy`.")
    return value
