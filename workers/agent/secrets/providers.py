"""Providers of a host's secrets: the agent's environment, a directory, a command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from jobqueue.errors import InvalidSettings, OperationFailed
from jobqueue.file_rights import others_may_write
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import Bounds, ProcessSpec, run_process
from jobqueue.plain_text import decoded
from jobqueue.settings import SECRET_PREFIX, SECRETS, Settings
from jobqueue.trust.secrets.forms import SHORTEST
from jobqueue.trust.secrets.reference import variable

#: Bytes of the longest secret.
LONGEST = 16 * 1024
#: Maximum number of secrets of a host: all output is searched for all of them.
MOST = 200
#: Seconds for the command, and maximum bytes read of its output.
_COMMAND_SECONDS = 30.0


class Provider(Protocol):
    """A source of secrets."""

    def get(self, name: str, context: Context) -> str | None:
        """The value of a secret; None if it is unknown here. Raises ``OperationFailed``."""

    def values(self) -> list[str]:
        """The values of all secrets that are available without running a command."""


class Environment:
    """``JOBQUEUE_SECRET_DB_PASSWORD`` is the secret ``db-password`` (and ``db.password``, ``DB_PASSWORD``)."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Environment:
        """Take the secrets out of ``environ``, so that no child process inherits them.

        Raises ``InvalidSettings`` for a value that cannot be a secret.
        """
        values = {}
        for name in [name for name in environ if name.startswith(SECRET_PREFIX)]:
            value = environ.pop(name)
            problem = fault(value)
            if problem:
                raise InvalidSettings(f"{name} cannot be a secret: {problem}.")
            values[name] = value
        return cls(values)

    def get(self, name: str, context: Context) -> str | None:
        return self._values.get(variable(name))

    def values(self) -> list[str]:
        return list(self._values.values())


class Own:
    """The agent's own credentials: jobs cannot reference them, and they are redacted from output."""

    def __init__(self, values: list[str]) -> None:
        self._values = values

    @classmethod
    def of(cls, settings: Settings) -> Own:
        values = [getattr(settings, name) for name in SECRETS]
        values += [unquote(urlsplit(url).password or "") for url in (settings.redis_url, settings.broker_url)]
        return cls([value for value in values if value and not fault(value)])

    def get(self, name: str, context: Context) -> str | None:
        return None

    def values(self) -> list[str]:
        return self._values


class Directory:
    """A file per secret, named as the secret; one line break at its end does not count."""

    def __init__(self, path: Path) -> None:
        """Raises ``InvalidSettings`` if it is not a readable directory."""
        self._path = path
        try:
            os.listdir(path)  # noqa: PTH208 - as an error names it
        except OSError as error:
            raise InvalidSettings(f"JOBQUEUE_SECRETS_DIR: {path} cannot be read ({error.strerror}).") from error
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._values: list[str] = []

    def get(self, name: str, context: Context) -> str | None:
        return self._read(self._path / name)

    def values(self) -> list[str]:
        try:
            with os.scandir(self._path) as entries:
                files = [(entry.name, entry.stat()) for entry in entries if entry.is_file() and entry.name[0] != "."]
        except OSError as error:
            raise OperationFailed(f"The directory of this host's secrets cannot be read: {error.strerror}.") from error
        if len(files) > MOST:
            raise OperationFailed(f"This host has {len(files)} secrets; at most {MOST} can be removed from output.")
        versions = tuple(sorted((name, state.st_mtime_ns, state.st_size) for name, state in files))
        if versions != self._seen:
            texts = [self._text(self._path / name) for name, _, _ in versions]
            self._values = [text for text in texts if text is not None and not fault(text)]
            self._seen = versions
        return self._values

    def _read(self, path: Path) -> str | None:
        text = self._text(path)
        if text is None:
            return None
        problem = fault(text)
        if problem:
            raise OperationFailed(f"The secret {path.name!r} of this host cannot be used: {problem}.")
        return text

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                if others_may_write(file):
                    raise OperationFailed(
                        f"Other users may write to the secret {path.name!r} of this host: chmod go-w."
                    )
                return decoded(file.read(4 * LONGEST + 6)).removesuffix("\n").removesuffix("\r")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise OperationFailed(f"The secret {path.name!r} of this host cannot be read.") from error


class Command:
    """A program that takes a name as its last argument and prints the secret; it may fail."""

    def __init__(self, line: str) -> None:
        self._argv = shlex.split(line)

    def get(self, name: str, context: Context) -> str | None:
        # runs as the agent's user, not the operation's; its output is not part of the job's output
        own = {key: value for key, value in os.environ.items() if not key.startswith("JOBQUEUE_")}
        until = context.clock() + _COMMAND_SECONDS
        deadline = until if context.deadline is None else min(until, context.deadline)
        done = run_process(
            ProcessSpec([*self._argv, name], env=own), Bounds(deadline, context.cancelled, output_bytes=2 * LONGEST)
        )
        context.check()
        if done.stopped or done.exit_code != 0:
            ending = "took too long" if done.stopped else f"ended with code {done.exit_code}"
            raise OperationFailed(f"This host's command for secrets {ending} for {name!r}.")
        text = done.stdout.text().removesuffix("\n").removesuffix("\r")
        problem = fault(text)
        if problem:
            raise OperationFailed(f"The secret {name!r} of this host cannot be used: {problem}.")
        return text

    def values(self) -> list[str]:
        return []


def fault(value: str) -> str:
    """Why a value cannot be a secret; empty if it can."""
    size = len(value.encode("utf-8", "surrogateescape"))
    if len(value.strip().encode("utf-8", "surrogateescape")) < SHORTEST:
        return f"it has fewer than {SHORTEST} bytes, too few to distinguish it from other text in output"
    if size > LONGEST:
        return f"it has more than {LONGEST} bytes"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    return ""
