"""Contexts: named APIs, each with its address and where its token is. A file of the user's, ``contexts.toml``."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobqueue.atomic_file import replace_file
from jobqueue.errors import InvalidInput, NotFound
from jobqueue.file_rights import others_control
from jobqueue.plain_text import decoded, reason_of

FILE_NAME = "contexts.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELDS = ("url", "token_file", "token_command", "ca", "issuer", "client_id")
_TOKEN_LIMIT = 65_536
#: A command that gives a token may ask a person for a password.
COMMAND_SECONDS = 60.0
_MOST_SHOWN = 200


@dataclass(frozen=True)
class Context:
    """One API. The token is in ``token_file``, or is what ``token_command`` prints, or was given by the identity
    provider ``issuer`` to the client ``client_id`` (``jobqueue login``). ``ca`` is a PEM file.
    """

    name: str
    url: str
    token_file: str = ""
    token_command: str = ""
    ca: str = ""
    issuer: str = ""
    client_id: str = ""

    def token(self) -> str | None:
        """The token; None if the context has none. Raises ``InvalidInput`` that says why it cannot be had."""
        if self.token_file:
            return self._token_of_file(Path(self.token_file))
        return self._token_of_command() if self.token_command else None

    def authority(self) -> str | None:
        """The path of the CA's certificate. Raises ``InvalidInput`` if it cannot be read."""
        if not self.ca:
            return None
        try:
            with Path(self.ca).open("rb"):
                return self.ca
        except OSError as error:
            raise InvalidInput(
                f"The CA certificate of context {self.name!r} cannot be read: {self.ca}: {error.strerror}."
            ) from error

    def _token_of_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                text = decoded(file.read(_TOKEN_LIMIT)).strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InvalidInput(f"The token of context {self.name!r} cannot be read: {path}: {reason}.") from error
        if not text:
            raise InvalidInput(f"The token of context {self.name!r} is missing: {path} is empty.")
        return text

    def _token_of_command(self) -> str:
        argv = shlex.split(self.token_command)
        subject = f"The command for the token of context {self.name!r} ({argv[0]})"
        try:
            done = subprocess.run(argv, capture_output=True, timeout=COMMAND_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise InvalidInput(f"{subject} did not end within {COMMAND_SECONDS:g} s.") from error
        except OSError as error:
            raise InvalidInput(f"{subject} cannot be run: {error.strerror}.") from error
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = f": {lines[-1][:_MOST_SHOWN]}" if lines else ""
            raise InvalidInput(f"{subject} ended with exit code {done.returncode}{reason}")
        text = done.stdout[:_TOKEN_LIMIT].decode("utf-8", "replace").strip()
        if not text:
            raise InvalidInput(f"{subject} printed nothing.")
        return text


@dataclass(frozen=True)
class Contexts:
    """All contexts of a file. ``current``: the name of the one that is used by default, or an empty string."""

    path: Path
    items: Mapping[str, Context]
    current: str = ""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Contexts:
        """The contexts of this user. Raises ``InvalidInput`` for a damaged file, or one that others may write."""
        path = contexts_file(os.environ if environ is None else environ)
        try:
            with path.open("rb") as file:
                if others_control(file):
                    raise InvalidInput(
                        f"Other users may write to {path}, and so choose a program to run: chmod 600 {path}"
                    )
                document = tomllib.loads(decoded(file.read()))
        except (FileNotFoundError, NotADirectoryError):
            return cls(path, {})
        except (OSError, ValueError) as error:  # ValueError: not TOML, or not UTF-8
            raise InvalidInput(f"The contexts in {path} cannot be read: {reason_of(error)}.") from error
        return cls(path, *_parsed(document, path))

    def get(self, name: str) -> Context:
        """The context of this name. Raises ``NotFound`` with a suggestion."""
        if name in self.items:
            return self.items[name]
        near = difflib.get_close_matches(name[:100], self.items, n=1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        else:
            hint = f"there are {', '.join(self.items)}." if self.items else "create one with `jobqueue context create`."
        raise NotFound(f"There is no context {name[:100]!r}; {hint}")

    def with_context(self, context: Context) -> Contexts:
        """With one more, or one replaced."""
        return replace(self, items={**self.items, context.name: context})

    def without(self, name: str) -> Contexts:
        """The contexts without one; if it was the current one, no context is current. Raises ``NotFound``."""
        self.get(name)
        items = {key: item for key, item in self.items.items() if key != name}
        return replace(self, items=items, current="" if self.current == name else self.current)

    def using(self, name: str) -> Contexts:
        """With another current one, or with none for an empty name. Raises ``NotFound``."""
        if name:
            self.get(name)
        return replace(self, current=name)

    def save(self) -> None:
        """Write the file, for this user only. Raises ``InvalidInput``."""
        try:
            replace_file(self.path, _text(self))
        except OSError as error:
            raise InvalidInput(f"The contexts cannot be written to {self.path}: {error.strerror}.") from error


def contexts_file(environ: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/jobqueue/contexts.toml``, or ``~/.config/jobqueue/contexts.toml``."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        try:
            base = f"{home if home.startswith('/') else Path.home()}/.config"
        except RuntimeError:  # no home directory, and so no contexts
            base = "/nonexistent"
    return Path(base) / "jobqueue" / FILE_NAME


def check_name(name: str) -> str:
    """Return ``name`` if a context may carry it, else raise ``InvalidInput``."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"Invalid context name {name[:80]!r}: use up to 64 letters, digits, dots, dashes and _.")
    return name


def check_command(command: str) -> str:
    """Return ``command`` if it is a program with arguments, else raise ``InvalidInput``."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidInput(f"The token's command {command[:80]!r} cannot be read ({error}).") from error
    if not words:
        raise InvalidInput("The token's command is empty; give a program with its arguments.")
    return command


def _parsed(document: Mapping[str, Any], path: Path) -> tuple[dict[str, Context], str]:
    items, current = document.get("contexts", {}), document.get("current", "")
    unknown = document.keys() - {"contexts", "current"}
    if unknown or not isinstance(items, dict) or not isinstance(current, str):
        raise InvalidInput(
            f"{path} holds more than `current` and `contexts`: {', '.join(sorted(unknown)) or 'a list'}."
        )
    return {name: _context(name, values, path) for name, values in items.items()}, current


def _context(name: str, values: Any, path: Path) -> Context:
    subject = f"Context {name[:80]!r} in {path}"
    check_name(name)
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise InvalidInput(f"{subject} must contain strings only: {', '.join(_FIELDS)}.")
    unknown = values.keys() - set(_FIELDS)
    if unknown or not values.get("url"):
        wrong = f"does not know {', '.join(sorted(unknown))}" if unknown else "has no url"
        raise InvalidInput(f"{subject} {wrong}; it may have {', '.join(_FIELDS)}.")
    if values.get("token_file") and values.get("token_command"):
        raise InvalidInput(f"{subject} has a token_file and a token_command; keep one of them.")
    if values.get("token_command"):
        check_command(values["token_command"])
    return Context(name, **values)


def _text(contexts: Contexts) -> str:
    """As TOML; a JSON string is a basic string of TOML."""
    lines = [f"current = {json.dumps(contexts.current)}"] if contexts.current else []
    for context in contexts.items.values():
        lines += ["", f"[contexts.{json.dumps(context.name)}]"]
        lines += [f"{name} = {json.dumps(value)}" for name in _FIELDS if (value := getattr(context, name))]
    return "\n".join(lines).lstrip("\n") + "\n"
