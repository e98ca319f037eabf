"""Crontabs, as Debian's cron reads them, into saved jobs and schedules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from jobqueue.cli.imports import crontab_times
from jobqueue.cli.imports.crontab_command import name_of, split_stdin
from jobqueue.cli.imports.imported import Imported, ImportedFile, Names, NotTakenOver, literal
from jobqueue.cli.views.text import one_line
from jobqueue.plain_text import decoded, with_unix_breaks

#: What cron sets if the crontab does not.
_DEFAULT_PATH, _DEFAULT_SHELL = "/usr/bin:/bin", "/bin/sh"
_ENVIRONMENT = re.compile(r"""(?P<q>["']?)(?P<name>[^\s"'=]+)(?P=q)\s*=\s*(?P<value>.*)""")
_QUOTES = ('"', "'")
#: Variables that cron reads for the mail with the output, and the one that it sets itself.
_MAIL = ("MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")
_SET_BY_CRON = "LOGNAME"
_CRON_TZ = "CRON_TZ"
_RANDOM_DELAY = "RANDOM_DELAY"
_TIME_FIELDS = 5


@dataclass(frozen=True)
class CrontabOptions:
    """``user``: as whom the agents run commands, if the lines name users; None if they do not. ``time_zone``: that of
    the hosts' clocks. ``prefix`` begins the names of the records.
    """

    target: str
    prefix: str
    time_zone: str = "UTC"
    user: str | None = None


def import_crontab(data: bytes, file: str, options: CrontabOptions) -> Imported:
    """Read a crontab; ``file`` names it in remarks. Raises ``ValueError`` for a text that has a byte order mark and is
    not in its encoding.
    """
    reader = _Reader(file, options)
    for number, line in enumerate(_lines(data), 1):
        reader.read(number, line)
    return reader.imported


def _lines(data: bytes) -> list[bytes]:
    """The lines in UTF-8 as far as they are text, without line breaks of Windows if all are such."""
    try:
        text = with_unix_breaks(decoded(data))
    except UnicodeDecodeError as error:
        if error.encoding != "utf-8":
            raise
        return data.split(b"\n")
    return text.encode().split(b"\n")


@dataclass
class _Reader:
    """Reads lines in order: an environment line counts for the lines after it."""

    file: str
    options: CrontabOptions
    imported: Imported = field(default_factory=Imported)
    _names: Names = field(default_factory=Names)
    _environment: dict[str, str] = field(default_factory=dict)
    #: Why the lines that follow cannot be imported, if there is a reason: cron refuses the file, or until the next
    #: CRON_TZ, the lines have another time zone.
    _refusal: str = ""
    _other_zone: str = ""

    def read(self, number: int, raw: bytes) -> None:
        where = f"{one_line(self.file)}:{number}"
        stripped = raw.lstrip(b" \t")
        if stripped.startswith(b"#") or not stripped.strip():
            return
        try:
            line = _text(stripped)
            assignment = _ENVIRONMENT.fullmatch(line)
            if assignment:
                self._assign(assignment["name"], assignment["value"].strip(" \t"), where, number)
            elif self._refusal or self._other_zone:
                raise NotTakenOver(self._refusal or self._other_zone)
            else:
                self._take(line, where)
        except NotTakenOver as reason:
            self.imported.leave_out(where, str(reason))

    def _assign(self, name: str, value: str, where: str, number: int) -> None:
        if value.startswith(_QUOTES):
            if len(value) < 2 or value[0] != value[-1]:
                self._refusal = (
                    f"line {number} assigns {one_line(name)} a value with an open quote, which cron refuses."
                )
                self.imported.note(
                    where, f"the value of {one_line(name)} has an open quote; the lines after it are not imported."
                )
                return
            value = value[1:-1]
        if name in _MAIL:
            if name == "MAILTO" and value:
                note = f"mail to {one_line(value)} is not sent; the output is kept with each job."
                self.imported.note(where, note)
            return
        if name == _SET_BY_CRON:
            self.imported.note(where, f"cron sets {name} itself; the line is left out.")
        elif name == _CRON_TZ:
            self._other_zone = self._zone_obstacle(value, number)
        elif name == _RANDOM_DELAY:
            self.imported.note(where, "RANDOM_DELAY has no counterpart; a schedule's `jitter` delays its times.")
        else:
            self._environment[name] = value

    def _zone_obstacle(self, zone: str, number: int) -> str:
        if zone == self.options.time_zone:
            return ""
        return (
            f"line {number} sets CRON_TZ={one_line(zone)}, which cronie obeys and Debian's cron ignores; import with "
            f"--time-zone {one_line(zone)}, or remove the line."
        )

    def _take(self, line: str, where: str) -> None:
        cron, rest = _times(line)
        if self.options.user is not None:
            user, rest = _word(rest)
            if not rest:
                raise NotTakenOver("it has no command after the user.")
            if user != self.options.user:
                raise NotTakenOver(
                    f"it runs as {one_line(user)}, and the agents as {self.options.user} (--agent-user); jobs cannot "
                    "name a user."
                )
        if not rest:
            raise NotTakenOver("it has no command.")
        command, stdin = split_stdin(rest)
        if not command.strip():
            raise NotTakenOver("its command is empty.")
        name = self._names.unique(self.options.prefix, name_of(command))
        saved: dict[str, Any] = {
            "kind": "saved-job",
            "name": name,
            "operation": self._operation(command, stdin),
            "target_hostname": self.options.target,
        }
        schedule: dict[str, Any] = {"kind": "schedule", "name": name, "cron": cron, "time_zone": self.options.time_zone}
        # cron starts a command even if its last run has not ended, and does not make up for times
        schedule |= {"job": {"saved": name}, "overlap": "allow", "catch_up": "never"}
        self.imported.files.append(ImportedFile(name, (saved, schedule), f"{where}: {one_line(line)}"))

    def _operation(self, command: str, stdin: str | None) -> dict[str, Any]:
        shell = self._environment.get("SHELL", _DEFAULT_SHELL)
        data: dict[str, Any] = {"command": command} if shell == _DEFAULT_SHELL else {"argv": [shell, "-c", command]}
        data["env"] = {"PATH": _DEFAULT_PATH, "SHELL": shell, **self._environment}
        if "HOME" in self._environment:
            data["cwd"] = self._environment["HOME"]
        if stdin:
            data["stdin"] = stdin
        kind = "command.shell.execute" if shell == _DEFAULT_SHELL else "command.exec.execute"
        return {"type": kind, "data": literal(data)}


def _text(raw: bytes) -> str:
    try:
        line = raw.decode()
    except UnicodeDecodeError as error:
        raise NotTakenOver(
            f"it is not UTF-8 (byte {error.start + 1}); convert the file, for instance by iconv."
        ) from error
    if line.endswith("\r"):
        raise NotTakenOver("it ends with a carriage return, unlike other lines, and cron gives it to the command.")
    if any((sign < " " and sign != "\t") or sign == "\x7f" for sign in line):
        raise NotTakenOver("it has a control character.")
    return line


def _times(line: str) -> tuple[str, str]:
    """The times of a line as a schedule has them, and what follows them."""
    if line.startswith("@"):
        word, rest = _word(line)
        return crontab_times.short_form(word), rest
    fields: list[str] = []
    rest = line
    while rest and len(fields) < _TIME_FIELDS:
        word, rest = _word(rest)
        fields.append(word)
    if len(fields) < _TIME_FIELDS:
        raise NotTakenOver(f"it has {len(fields)} fields; a line has five for its times, and a command.")
    return crontab_times.expression(fields), rest


def _word(text: str) -> tuple[str, str]:
    """The first word, and what follows the blanks after it."""
    match = re.match(r"[^ \t]*", text)
    word = match[0] if match else ""
    return word, text[len(word) :].lstrip(" \t")
