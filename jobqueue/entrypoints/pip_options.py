"""The options of ``pip install`` that apply to an environment, translated for uv."""

from __future__ import annotations

from collections.abc import Sequence

from jobqueue.errors import InvalidInput

#: Options that take a value.
_VALUES = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--trusted-host": "--allow-insecure-host",
    "--allow-insecure-host": "--allow-insecure-host",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--index": "--index",
    "--default-index": "--default-index",
    "--index-strategy": "--index-strategy",
    "--resolution": "--resolution",
    "--prerelease": "--prerelease",
    "--exclude-newer": "--exclude-newer",
}
#: Options without a value. Empty: always the case, because an environment is new, built once and kept.
_FLAGS: dict[str, tuple[str, ...]] = {
    "--no-index": ("--no-index",),
    "--no-deps": ("--no-deps",),
    "--require-hashes": ("--require-hashes",),
    "--no-build-isolation": ("--no-build-isolation",),
    "--pre": ("--prerelease", "allow"),
    "--no-build": ("--no-build",),
    "--compile-bytecode": ("--compile-bytecode",),
    "--upgrade": (),
    "-U": (),
    "--force-reinstall": (),
    "--reinstall": (),
    "--ignore-installed": (),
    "-I": (),
    "--no-cache-dir": (),
    "--no-cache": (),
    "-n": (),
    "--no-input": (),
    "--disable-pip-version-check": (),
    "--no-warn-script-location": (),
    "--no-warn-conflicts": (),
    "--quiet": (),
    "-q": (),
    "-qq": (),
    "--verbose": (),
    "-v": (),
    "--no-progress": (),
    "--no-color": (),
    "--no-clean": (),
    "--no-python-version-warning": (),
    "--break-system-packages": (),
    "--require-virtualenv": (),
    "--no-compile": (),
    "--compile": ("--compile-bytecode",),
    "--check-build-dependencies": (),
    "--use-pep517": (),
    "--debug": (),
    "-vv": (),
    "-vvv": (),
    "-qqq": (),
}
#: Options without a counterpart in uv, which would choose other versions than pip, and the alternative.
_WITHOUT_COUNTERPART = {
    "--prefer-binary": "uv takes the newest version even if only its source is there; "
    "pin the version, or name the packages that must not be built with --only-binary",
}
#: Options that name a file with requirements or constraints.
FILES = {
    "-r": "-r",
    "--requirement": "-r",
    "--requirements": "-r",
    "-c": "-c",
    "--constraint": "-c",
    "--constraints": "-c",
}
#: Options with a value that do not affect the environment: progress display, pip's own operation.
_IGNORED_VALUES = frozenset({"--progress-bar", "--root-user-action", "--use-feature", "--use-deprecated"})
#: The option whose value may be a folder on the agent's host.
FIND_LINKS = "--find-links"


def translate(words: Sequence[str], key: str) -> tuple[list[str], list[str]]:
    """The words of an installation as requirement lines (``-r FILE`` and ``-c FILE`` among them) and uv's arguments.

    ``key`` is their key, for messages. Raises ``InvalidInput`` for an option that is not supported.
    """
    lines: list[str] = []
    options: list[str] = []
    unread = list(words)
    while unread:
        word = unread.pop(0)
        if word == "--":
            lines.extend(unread)
            break
        if not word.startswith("-") or word == "-":
            lines.append(word)
            continue
        name, value = _name_and_value(word)
        if name in _FLAGS and value is None:
            options.extend(_FLAGS[name])
        elif name in FILES:
            lines.append(f"{FILES[name]} {_value(name, value, unread, key)}")
        elif name in _VALUES:
            options.extend((_VALUES[name], _value(name, value, unread, key)))
        elif name in _IGNORED_VALUES:
            _value(name, value, unread, key)
        elif name in _WITHOUT_COUNTERPART:
            raise InvalidInput(f"{key} has the option {name}, which uv does not have: {_WITHOUT_COUNTERPART[name]}.")
        else:
            raise InvalidInput(f"{key} has the option {word[:100]!r}, which is not supported; leave it out.")
    return lines, options


def _name_and_value(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    short = word[:2]
    if short in _VALUES or short in FILES:  # -rfile, as pip takes it
        return short, word[2:].removeprefix("=") or None
    return word, None


def _value(name: str, value: str | None, unread: list[str], key: str) -> str:
    if value is None:
        value = unread.pop(0) if unread else ""
    if not value or value.startswith("-"):
        raise InvalidInput(f"{key}: the option {name} needs a value.")
    return value
