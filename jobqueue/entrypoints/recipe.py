"""The recipe of an environment: requirements with every file that they name, and the resulting cache key."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobqueue.entrypoints.failure import setup_failed
from jobqueue.entrypoints.pip_options import FIND_LINKS
from jobqueue.entrypoints.requirements import Requirements, read_lines
from jobqueue.errors import InvalidInput, OperationFailed
from jobqueue.plain_text import decoded, reason_of

logger = logging.getLogger(__name__)

#: Incremented when existing environments become unusable.
_FORMAT = 1
#: The folder into which the working directory was unpacked: a variable whose name ends so. Clients put their own
#: prefix in front.
_WORKING_DIR = re.compile(r"\$\{\w*_CREATE_WORKING_DIR\}|\$\w*_CREATE_WORKING_DIR\b")
_DEEPEST = 10
_PYTHON_SECONDS = 20.0
_MAX_FILE_BYTES = 1024 * 1024
#: A requirement that leads to a file: [name @] file:///path or path [; marker], each with [extras] perhaps.
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\]\s*)?@\s*")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar\.gz|tgz|tar\.xz|tar\.bz2)(?=$|[\[#;\s])")


@dataclass(frozen=True)
class Recipe:
    """``lines`` and ``constraints`` for requirement files of uv, all their paths absolute; ``options`` for its command.

    ``python`` is the interpreter's path. Two recipes with the same ``key`` give the same environment.
    """

    lines: tuple[str, ...]
    constraints: tuple[str, ...]
    options: tuple[str, ...]
    check: bool
    python: str
    key: str

    @classmethod
    def of(cls, requirements: Requirements, working_dir: Path | None, source: Mapping[str, str]) -> Recipe:
        """Read every file that is named; relative paths start at ``working_dir``. ``source``: where uv looks.

        Raises ``OperationFailed`` for a missing or invalid file.
        """
        reader = _Reader(working_dir)
        options = reader.options(requirements.options)
        reader.read(requirements.lines, reader.working_dir, into=reader.lines)
        options += reader.found_options
        python = _python(requirements.python)
        content = {
            "format": _FORMAT,
            "python": _identity(python),
            "lines": reader.digested(reader.lines),
            "constraints": reader.digested(reader.constraints),
            "options": reader.digested(options),
            "check": requirements.check,
            "source": dict(source),
        }
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
        return cls(tuple(reader.lines), tuple(reader.constraints), tuple(options), requirements.check, python, key)


class _Reader:
    """Reads requirement files and the files that they name; ``digests`` identifies the content of each path."""

    def __init__(self, working_dir: Path | None) -> None:
        self.lines: list[str] = []
        self.constraints: list[str] = []
        self.found_options: list[str] = []
        self.working_dir = None if working_dir is None else working_dir.resolve()
        self._digests: dict[str, str] = {}

    def read(self, lines: Iterable[str], folder: Path | None, into: list[str], depth: int = 0) -> None:
        """Add ``lines``; files that they include are read from ``folder``."""
        for line in map(self._filled, lines):
            kind, _, name = line.partition(" ")
            if kind not in ("-r", "-c"):
                into.append(self._resolved(line, folder))
                continue
            if depth == _DEEPEST:
                raise setup_failed(f"Requirement files include each other more than {_DEEPEST} deep ({name}).")
            path = self._path(name, folder)
            try:
                inner, options = read_lines(_text(path).splitlines(), name)
            except InvalidInput as error:
                raise setup_failed(error.message) from error
            self.found_options += self.options(options, path.parent)
            self.read(inner, path.parent, self.constraints if kind == "-c" else into, depth + 1)

    def options(self, options: Iterable[str], folder: Path | None = None) -> list[str]:
        """Options with absolute paths."""
        arguments: list[str] = []
        previous = ""
        for word in map(self._filled, options):
            if previous == FIND_LINKS and "://" not in word:
                path = self._path(word, folder or self.working_dir)
                self._digests[str(path)] = _listing(path, self._is_own(path))
                arguments.append(str(path))
            else:
                arguments.append(word)
            previous = word
        return arguments

    def digested(self, words: Iterable[str]) -> list[str]:
        """``words`` with each path replaced by its content's digest, because paths may differ next time."""
        return [self._digests.get(word, word) for word in words]

    def _filled(self, text: str) -> str:
        if not _WORKING_DIR.search(text):
            return text
        if self.working_dir is None:
            raise setup_failed(f"{text!r} refers to the working directory, but the job has none.")
        folder = str(self.working_dir)
        return _WORKING_DIR.sub(lambda _: folder, text)

    def _resolved(self, line: str, folder: Path | None) -> str:
        """``line`` with an absolute path, if it has one."""
        prefix = (_NAMED.match(line) or re.match("", line))[0]  # type: ignore[index]
        location = line[len(prefix) :]
        is_url = location.startswith("file:")
        if not is_url and (
            "://" in location or prefix or not (location.startswith((".", "/", "~")) or _ARCHIVE.search(location))
        ):
            return line
        ending = _ARCHIVE.search(location)
        if ending is None:
            raise setup_failed(
                f"{line!r} is not a wheel or source archive; folders cannot be installed, so build a wheel."
            )
        name, rest = location[: ending.end()], location[ending.end() :]
        path = self._path(unquote(urlsplit(name).path) if is_url else name, folder)
        absolute = f"{prefix}{path.as_uri()}{rest}" if prefix else f"{path}{rest}"
        self._digests[absolute] = f"{prefix}{path.name}{rest}:{_digest(path)}"
        return absolute

    def _path(self, name: str, folder: Path | None) -> Path:
        path = Path(name.removeprefix("file://")).expanduser()
        if not path.is_absolute():
            if folder is None:
                raise setup_failed(f"{name!r} is a relative path, but the job has no working directory.")
            path = folder / path
        if not path.exists():
            raise setup_failed(
                f"{name!r} is not on this host" + (" or not in the working directory." if folder else ".")
            )
        return path.resolve()

    def _is_own(self, path: Path) -> bool:
        return self.working_dir is not None and path.is_relative_to(self.working_dir)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise setup_failed(f"{path.name} is too large for a requirements file.")
        return decoded(path.read_bytes())
    except (OSError, UnicodeError) as error:
        raise setup_failed(f"{path.name} cannot be read as a requirements file: {reason_of(error)}.") from error


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
            return digest.hexdigest()
    except OSError as error:
        raise setup_failed(f"{path.name} cannot be read: {error.strerror}.") from error


def _listing(folder: Path, by_content: bool) -> str:
    """The files in a folder of wheels: by content, or by sizes and times if it is not unpacked for each run."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else [folder]
        if by_content:
            return json.dumps([[entry.name, _digest(entry)] for entry in entries])
        states = [(entry.name, entry.stat()) for entry in entries]
        return json.dumps([str(folder), [[name, state.st_size, state.st_mtime_ns] for name, state in states]])
    except OSError as error:
        raise setup_failed(f"{folder} cannot be read: {error.strerror}.") from error


def _python(version: str) -> str:
    """The interpreter for "3.9" if the host has it, else the agent's own."""
    if version in ("", f"{sys.version_info[0]}.{sys.version_info[1]}"):
        return sys.executable
    path = shutil.which(f"python{version}")
    return (path and _real_python(path, version)) or sys.executable


def _real_python(program: str, version: str) -> str | None:
    """Path of the interpreter behind ``program``, which may be a version manager's script without that version."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    argv = [program, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=environ, timeout=_PYTHON_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeError) as error:
        logger.info("%s cannot be used: %s", program, error)
        return None
    answer, _, path = done.stdout.strip().partition(" ")
    return path if answer == version and Path(path).is_file() else None


def _identity(python: str) -> list[str]:
    """The identity of an interpreter."""
    real = os.path.realpath(python)
    if python == sys.executable:
        return [real, sys.version, platform.machine()]
    try:
        state = Path(real).stat()
    except OSError as error:
        raise OperationFailed(f"{python} cannot be used: {error.strerror}.") from error
    return [real, str(state.st_size), str(state.st_mtime_ns), platform.machine()]
