"""Editing a saved job as YAML in the user's editor, as `kubectl edit` does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.connection import sentence
from jobqueue.cli.declared.loading import yaml_values
from jobqueue.cli.declared.writing import yaml_of
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client, ClientError, InvalidRequest
from jobqueue.client.saved import body_of

_COMMENT = "# "
_MANAGER = "managed_by"
#: How often a text that was refused is shown again.
_MOST_ATTEMPTS = 20


def edit_saved(client: Client, name: str) -> dict[str, Any] | None:
    """Let the user edit a saved job, and store it: the API's answer, None if nothing was changed.

    A text that is refused is shown again with the reason. Raises ``ClickException`` if the user gives up then, if
    the saved job was changed meanwhile, or if the API cannot store it; the error names the file that has the text.
    """
    saved = client.saved.get(name)
    body = {field: value for field, value in body_of(saved).items() if field != _MANAGER}
    version = int(saved["version"])
    original = text = yaml_of(body)
    head = _head(saved)
    for _ in range(_MOST_ATTEMPTS):
        edited = click.edit(head + text, extension=".yaml")
        edited = None if edited is None else _without_comments(edited)
        if edited is None or edited == text:
            if text != original:
                raise click.ClickException(f"The text was refused and not changed again. {_kept(name, text)}")
            return None
        text = edited
        if not text.strip() or text == original:
            return None
        try:
            return client.saved.put(name, _parsed(text), version=version)
        except (InvalidRequest, click.ClickException) as error:
            reason = sentence(error) if isinstance(error, InvalidRequest) else error.message
            head = _comment(f"It was refused: {one_line(reason)}", "Change it, or leave the editor to give up.")
        except ClientError as error:
            raise click.ClickException(f"{sentence(error)} {_kept(name, text)}") from error
    raise click.ClickException(f"The text was refused {_MOST_ATTEMPTS} times. {_kept(name, text)}")


def _head(saved: Mapping[str, Any]) -> str:
    lines = [
        f"The saved job {one_line(saved['name'])}, version {saved['version']}. Lines with # at the top are ignored.",
        "An empty file, or one without a change, stores nothing.",
    ]
    if saved.get(_MANAGER):
        lines.append(f"It is managed by {one_line(saved[_MANAGER])}: `jobqueue apply` will undo a change by hand.")
    return _comment(*lines)


def _comment(*lines: str) -> str:
    return "".join(f"{_COMMENT}{line}\n" for line in lines)


def _without_comments(text: str) -> str:
    """The text without the lines with # at its beginning; those further down may be part of a script."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith(_COMMENT.strip()):
        lines.pop(0)
    return "".join(lines)


def _parsed(text: str) -> dict[str, Any]:
    values = [value for _, value, _ in yaml_values("the text", text)]
    if len(values) != 1 or not isinstance(values[0], dict):
        raise click.ClickException("the text must be one object of fields such as `title: Deploy`.")
    return values[0]


def _kept(name: str, text: str) -> str:
    """A sentence that says where the text is kept."""
    descriptor, path = tempfile.mkstemp(prefix=f"jobqueue-{Path(name).name}-", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return f"Your text is kept in {path}; `jobqueue saved set {one_line(name)} -f {path}` stores it."
