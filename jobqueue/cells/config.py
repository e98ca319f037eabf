"""The file with the addresses of the cells (``JOBQUEUE_CELLS``), in TOML: a table ``cells.NAME`` for each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobqueue.client.address import Address, check_url
from jobqueue.client.contexts import Context, check_command
from jobqueue.errors import InvalidInput, InvalidSettings
from jobqueue.file_rights import others_control
from jobqueue.plain_text import decoded, reason_of

#: Every request of a list asks every cell.
MOST_CELLS = 32
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TEXTS = ("url", "token_file", "token_command", "ca")
_TIMEOUT = "timeout_seconds"
_FIELDS = (*_TEXTS, _TIMEOUT)
_SHORTEST, _LONGEST = 0.1, 60.0


@dataclass(frozen=True)
class CellAddress:
    """One cell: its API's address, where its token is, and how many seconds one answer may take.

    ``token_file`` and ``ca`` are absolute paths; one of ``token_file`` and ``token_command`` is set.
    """

    name: str
    url: str
    token_file: str = field(default="", repr=False)
    token_command: str = field(default="", repr=False)
    ca: str = ""
    timeout_seconds: float = 5.0

    def address(self) -> Address:
        """The address with the token as it is now. Raises ``InvalidInput`` if that, or the CA, cannot be read."""
        context = Context(self.name, self.url, self.token_file, self.token_command, self.ca)
        return Address(self.url, context.token(), context.authority())


def load(path: Path) -> tuple[CellAddress, ...]:
    """The cells of a file, by name. Raises ``InvalidSettings``, which names the file, the cell and the field."""
    try:
        with path.open("rb") as file:
            if others_control(file):
                raise InvalidSettings(
                    f"JOBQUEUE_CELLS: other users may write to {path}, and so choose where tokens are sent: "
                    f"chmod 600 {path}"
                )
            document = tomllib.loads(decoded(file.read()))
    except (OSError, ValueError) as error:  # ValueError: not TOML, or not UTF-8
        raise InvalidSettings(f"JOBQUEUE_CELLS: {path} cannot be read: {reason_of(error)}.") from error
    tables, unknown = document.get("cells"), document.keys() - {"cells"}
    if unknown or not isinstance(tables, dict) or not 1 <= len(tables) <= MOST_CELLS:
        wrong = f"holds {', '.join(sorted(unknown))}" if unknown else "holds none, or too many"
        raise InvalidSettings(
            f"JOBQUEUE_CELLS: {path} {wrong}; give 1 to {MOST_CELLS} tables [cells.NAME], each with a url and a "
            "token_file or token_command."
        )
    cells = tuple(_cell(name, tables[name], path) for name in sorted(tables))
    by_url: dict[str, str] = {}
    for cell in cells:
        if (other := by_url.setdefault(cell.url, cell.name)) != cell.name:
            raise InvalidSettings(
                f"JOBQUEUE_CELLS: in {path} the cells {other} and {cell.name} have the same address, {cell.url}; a job "
                "would be shown twice."
            )
    return cells


def _cell(name: str, values: Any, path: Path) -> CellAddress:
    subject = f"JOBQUEUE_CELLS: cell {name[:80]!r} in {path}"
    if not _NAME.fullmatch(name):
        raise InvalidSettings(f"{subject}: a name has 1 to 32 lower-case letters, digits and dashes.")
    if not isinstance(values, dict):
        raise InvalidSettings(f"{subject} must be a table: [cells.{name}].")
    unknown = values.keys() - set(_FIELDS)
    if unknown:
        raise InvalidSettings(f"{subject} has no field {', '.join(sorted(unknown))}; it may have {', '.join(_FIELDS)}.")
    if not all(isinstance(values.get(name, ""), str) for name in _TEXTS):
        raise InvalidSettings(f"{subject}: {', '.join(_TEXTS)} are texts.")
    if bool(values.get("token_file")) == bool(values.get("token_command")):
        raise InvalidSettings(f"{subject} needs either a token_file or a token_command.")
    return _checked(name, values, path, subject)


def _checked(name: str, values: Mapping[str, Any], path: Path, subject: str) -> CellAddress:
    timeout = values.get(_TIMEOUT, CellAddress.timeout_seconds)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not _SHORTEST <= timeout <= _LONGEST:
        raise InvalidSettings(f"{subject}: {_TIMEOUT} must be a number from {_SHORTEST:g} to {_LONGEST:g}.")
    try:
        url = check_url(values.get("url", ""))
        if values.get("token_command"):
            check_command(values["token_command"])
    except InvalidInput as error:
        raise InvalidSettings(f"{subject}: {error.message}") from error
    files = {key: str(path.parent / values[key]) for key in ("token_file", "ca") if values.get(key)}
    return CellAddress(
        name, url, files.get("token_file", ""), values.get("token_command", ""), files.get("ca", ""), float(timeout)
    )
