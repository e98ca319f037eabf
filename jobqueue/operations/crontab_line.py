"""Lines of a crontab of the system: when, as which user, which command."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Names of schedules, and the intervals that have one.
INTERVALS = {"hourly": "@hourly", "daily": "@daily", "weekly": "@weekly", "monthly": "@monthly"}
_NAMED = frozenset({*INTERVALS.values(), "@reboot", "@yearly", "@annually", "@midnight"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Lowest and highest number of each field, and names of numbers from the lowest on.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")
#: A percent sign without a backslash before it.
_PERCENT = re.compile(r"(?<!\\)%")


@dataclass(frozen=True)
class CrontabLine:
    """``schedule`` has five fields, or is a name such as @daily."""

    schedule: str
    user: str
    command: str

    @property
    def text(self) -> str:
        """The line, with its end."""
        return f"{self.schedule} {self.user} {self.command}\n"

    @classmethod
    def parse(cls, line: str) -> CrontabLine | None:
        """The parts of a line that ``text`` wrote; None for another one."""
        count = 1 if line.startswith("@") else len(_FIELDS)
        words = line.rstrip("\n").split(None, count + 1)
        if len(words) < count + 2:
            return None
        return cls(" ".join(words[:count]), words[count], words[count + 1])


def schedule_problem(schedule: str) -> str | None:
    """A sentence that says what is wrong with a schedule; None for a right one."""
    if schedule in _NAMED:
        return None
    fields = schedule.split(" ")
    if len(fields) != len(_FIELDS):
        return f"Must be five fields, such as 30 4 * * mon, or one of {', '.join(sorted(_NAMED))}."
    for text, (name, lowest, highest, names) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, lowest, highest, names) for part in text.split(",")):
            return f"Its {name} must be * or numbers from {lowest} to {highest}, as in 1,5-10 or */2."
    return None


def command_problem(command: str) -> str | None:
    """A sentence that says what is wrong with a command; None for a right one."""
    if not command.isprintable() or command != command.strip():
        return "Must be one line of printable characters, without blanks around it."
    if _PERCENT.search(command):
        return r"Must not contain %, which cron takes for the end of the line; write \%."
    return None


def _is_part(part: str, lowest: int, highest: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part.lower())
    if match is None or match[4] == "0":
        return False
    numbers = [_number(text, lowest, names) for text in (match[2], match[3]) if text]
    known = [number for number in numbers if number is not None and lowest <= number <= highest]
    return len(known) == len(numbers) and known == sorted(known)


def _number(text: str, lowest: int, names: tuple[str, ...]) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text) + lowest if text in names else None
