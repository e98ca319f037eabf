"""The Python packages that an entrypoint requires."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from jobqueue.entrypoints.pip_line import PipLine
from jobqueue.entrypoints.pip_options import translate
from jobqueue.errors import InvalidInput
from jobqueue.plain_text import without_mark

_MAX_LINES = 10_000
_MAX_BYTES = 1024 * 1024
_MAX_VERSION = 200
_COMMENT = re.compile(r"(?:^|\s)#.*$")
#: A requirement may carry its files' digests, and no other option.
#: (It begins with the first blank of several: else a million of them would take minutes.)
_DIGEST = re.compile(r"(?<!\s)\s+--hash[= ]\s*\w+:[0-9a-fA-F]+")
#: What marks a requirement as a path or an address rather than a name.
_PLACE = re.compile(r"[/$]|://|\.whl\b|\.zip\b|\.tar\.")
_FIELDS = {
    "pip": ("packages", "pip_check", "pip_install_options", "pip_version"),
    "uv": ("packages", "uv_check", "uv_pip_install_options", "uv_version"),
}


@dataclass(frozen=True)
class Requirements:
    """``lines`` as of a requirements file, without options but ``-r FILE`` and ``-c FILE``; ``options`` for uv.

    ``check``: verify that the installed packages are compatible. ``python`` is "3.9" where one was named, else "".
    ``tool_version`` is the requested version of pip or uv itself ("pip==23.3"), which is reported but not used.
    """

    lines: tuple[str, ...]
    options: tuple[str, ...] = ()
    check: bool = False
    python: str = ""
    tool_version: str = ""

    @classmethod
    def parse(cls, tool: str, value: Any) -> Requirements | None:
        """Parse ``runtime_env[tool]``, ``tool`` being "pip" or "uv": a list, an object, or a line for a shell.

        None if it requires no package. Raises ``InvalidInput``.
        """
        key = f"runtime_env['{tool}']"
        if isinstance(value, str):
            return _from_line(value, key)
        if isinstance(value, list):
            value = {"packages": value}
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{key} must be a list of requirements, or an object with 'packages'.")
        fields = _FIELDS[tool]
        for field in value:
            if field not in fields:
                raise InvalidInput(f"{key} has no key {str(field)[:100]!r}; it may have {', '.join(fields)}.")
        version = _version(tool, value.get(f"{tool}_version"), key)
        check = value.get(f"{tool}_check", False)
        if not isinstance(check, bool):
            raise InvalidInput(f"{key}['{tool}_check'] must be true or false.")
        if isinstance(value.get("packages"), str):
            raise InvalidInput(f"{key}['packages'] must be a list; put the lines of a requirements file into it.")
        packages_key, options_key = f"{key}['packages']", f"{key}['{fields[2]}']"
        lines, options = read_lines(_texts(value.get("packages"), packages_key), packages_key)
        words = [word for text in _texts(value.get(fields[2]) or [], options_key) for word in _words(text, options_key)]
        more, extra = translate(words, options_key)
        if any(not line.startswith("-") for line in more):
            raise InvalidInput(f"{options_key} must contain options only; name packages in 'packages'.")
        requirements = _requirements((*lines, *more), (*options, *extra), check)
        return replace(requirements, tool_version=version) if requirements is not None else None


def read_lines(texts: Iterable[str], key: str) -> tuple[list[str], list[str]]:
    """The lines of a requirements file, checked, as requirement lines and arguments for uv.

    Raises ``InvalidInput`` that names ``key`` and the line.
    """
    lines: list[str] = []
    options: list[str] = []
    for line in _logical(texts):
        if line.startswith("-"):
            more, extra = translate(_words(line, key), key)
            if any(not requirement.startswith("-") for requirement in more):
                raise InvalidInput(f"{key} has an option and a requirement on one line: {line[:100]!r}.")
            lines.extend(more)
            options.extend(extra)
        else:
            _check(line, key)
            lines.append(line)
    return lines, options


def _from_line(value: str, key: str) -> Requirements | None:
    if not re.search(r"\binstall\b", value):
        raise InvalidInput(
            f"{key} must be a list of requirements, an object with 'packages', or a line such as 'pip install a==1 b'."
        )
    _check_size([value], key)
    line = PipLine.parse(value, key)
    lines, options = translate(line.words, key)
    for requirement in lines:
        if not requirement.startswith("-"):
            _check(requirement, key)
    return _requirements(lines, options, line.check, line.python)


def _requirements(lines: Iterable[str], options: Iterable[str], check: bool, python: str = "") -> Requirements | None:
    unique = tuple(dict.fromkeys(lines))
    requirement_lines = [line for line in unique if not line.startswith("-c ")]
    return Requirements(unique, tuple(options), check, python) if requirement_lines else None


def _version(tool: str, value: Any, key: str) -> str:
    """The requested version of ``tool``, as a requirement; "" if none was requested."""
    if value in (None, ""):
        return ""
    name = f"{key}['{tool}_version']"
    if not isinstance(value, str) or len(value) > _MAX_VERSION:
        raise InvalidInput(f"{name} must be a version specifier in a string, such as '==23.3.2'.")
    requirement = f"{tool}{value.strip()}"
    sentence = f"{name} {value!r} is not a version specifier such as '==23.3.2'."
    try:
        if Requirement(requirement).name != tool:
            raise InvalidInput(sentence)
    except InvalidRequirement as error:
        raise InvalidInput(sentence) from error
    return requirement


def _texts(value: Any, key: str) -> list[str]:
    if not isinstance(value, list):
        raise InvalidInput(f"{key} must be a list of strings.")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise InvalidInput(f"{key}[{index}] must be a string.")
    texts = [without_mark(text) for text in value]
    _check_size(texts, key)
    return texts


def _check_size(texts: list[str], key: str) -> None:
    if len(texts) > _MAX_LINES or sum(map(len, texts)) > _MAX_BYTES:
        raise InvalidInput(f"{key} is too large: at most {_MAX_LINES} lines of {_MAX_BYTES} characters in all.")
    for text in texts:
        if not text.replace("\t", " ").replace("\n", " ").replace("\r", " ").isprintable():
            raise InvalidInput(f"{key} contains a character that is not allowed in a requirement: {text[:100]!r}.")


def _words(line: str, key: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidInput(f"{key}: {line[:100]!r} cannot be parsed: {error}.") from None


def _logical(texts: Iterable[str]) -> list[str]:
    """Lines without comments and blanks, those that end in a backslash joined with the next."""
    logical: list[str] = []
    continued = ""
    for text in texts:
        for raw in text.splitlines():
            line = continued + _COMMENT.sub("", raw).strip()
            continued = line[:-1].rstrip() + " " if line.endswith("\\") else ""
            if line and not continued:
                logical.append(line)
    if continued.strip():
        logical.append(continued.strip())
    return logical


def _check(line: str, key: str) -> None:
    bare = _DIGEST.sub("", line)
    if re.search(r"\s--?\w", bare):
        raise InvalidInput(f"{key}: {line[:100]!r} has an option that is not supported after a requirement.")
    if _PLACE.search(bare):
        return  # a path or an address: the agent finds out whether it exists
    try:
        Requirement(bare)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InvalidInput(f"{key}: {line[:100]!r} is not a requirement: {reason}.") from None
