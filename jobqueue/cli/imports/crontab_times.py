"""The time fields of a crontab's lines. Accepted is what Debian's cron and schedules understand as the same times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.cli.views.text import one_line

#: Names that both know; cron distinguishes case here.
SHORT_FORMS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_MAX_EXPRESSION = 200
#: The last day of the week is the first one, too.
_SUNDAY = 7
_ITEM = re.compile(r"(?:(\*)|([0-9]{1,4}|[a-z]{3})(?:-([0-9]{1,4}|[a-z]{3}))?)(?:/([0-9]{1,4}))?", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Signs that other crons or schedulers know, and what they mean there.
_FOREIGN = {
    "L": "L (the last) is not part of Debian's crontab format",
    "W": "W (the nearest weekday) is not part of Debian's crontab format",
    "#": "# (the nth weekday) is not part of Debian's crontab format",
    "?": "? is not part of Debian's crontab format",
    "~": "~ (a random time) has no counterpart; choose a time, or use a schedule's jitter",
    "H": "H (a hashed time) has no counterpart; choose a time, or use a schedule's jitter",
}


@dataclass(frozen=True)
class Field:
    """A time field of a crontab's line; ``names`` are those of its numbers from ``least`` on."""

    name: str
    least: int
    most: int
    names: Sequence[str] = ()


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("day of the week", 0, 7, _DAYS),
)


def short_form(word: str) -> str:
    """``word`` (``@daily``), if schedules have it. Raises ``NotTakenOver``."""
    if word == "@reboot":
        raise NotTakenOver("@reboot runs at the start of the host; schedules have times only. Use a systemd unit.")
    if word not in SHORT_FORMS:
        raise NotTakenOver(f"{one_line(word)} is not a short form of Debian's cron; it has {', '.join(SHORT_FORMS)}.")
    return word


def expression(fields: Sequence[str]) -> str:
    """The five fields of a line as the expression of a schedule with the same times. Raises ``NotTakenOver``."""
    texts, values = [], []
    for text, field in zip(fields, FIELDS, strict=True):
        parsed = [_item(item, text, field) for item in text.split(",")]
        texts.append(",".join(item for item, _ in parsed))
        values.append({number for _, numbers in parsed for number in numbers})
    shown = " ".join(texts)
    if len(shown) > _MAX_EXPRESSION:
        raise NotTakenOver(f"its time fields have {len(shown)} characters; a schedule has at most {_MAX_EXPRESSION}.")
    _, _, days, months, _ = values
    # if one of the two fields of days begins with *, both must match
    both = texts[2].startswith("*") or texts[4].startswith("*")
    if both and min(days) > max(_DAYS_OF_MONTHS[month - 1] for month in months):
        raise NotTakenOver(f"{shown} matches no day: no month in it has day {min(days)}.")
    return shown


def _item(item: str, text: str, field: Field) -> tuple[str, range]:
    """One item of a field's list, and the numbers that it means."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise NotTakenOver(_explained(item, text, field))
    star, first, last, step_text = match.groups()
    step = 1 if step_text is None else int(step_text)
    if step == 0:
        raise NotTakenOver(f"the {field.name} {_quoted(text)} has a step of 0.")
    if star:
        # cron takes a larger step, with the same times; schedules refuse it, since it seems to say others
        largest = field.most - field.least + (field.most != _SUNDAY)
        return (item if step <= largest else f"*/{largest}"), range(field.least, field.most + 1, step)
    begin = _number(first, text, field)
    if last is None:
        if step_text is not None:
            raise NotTakenOver(
                f"the {field.name} {_quoted(text)} has a step without a range, which cron implementations read "
                f"differently; write {first}-{field.most}/{step_text}, or {first}."
            )
        return item, range(begin, begin + 1)
    end = _number(last, text, field)
    if end < begin:
        raise NotTakenOver(f"the range {_quoted(item)} of the {field.name} ends before it begins.")
    if step > end - begin:  # nothing but the first number
        return first, range(begin, begin + 1)
    return item, range(begin, end + 1, step)


def _number(word: str, text: str, field: Field) -> int:
    if not word.isdecimal():
        if word.lower() not in field.names:
            raise NotTakenOver(_explained(word, text, field))
        return list(field.names).index(word.lower()) + field.least
    if not field.least <= int(word) <= field.most:
        raise NotTakenOver(f"the {field.name} {_quoted(text)} is not within {field.least}-{field.most}.")
    return int(word)


def _explained(item: str, text: str, field: Field) -> str:
    for sign, sentence in _FOREIGN.items():
        if sign in item and item.lower() not in field.names:
            return f"the {field.name} {_quoted(text)}: {sentence}."
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    numbers = f"{field.least}-{field.most}{names}"
    return f"the {field.name} {_quoted(text)} is not *, a number ({numbers}), a range, a list or a step."


def _quoted(text: str) -> str:
    shown = one_line(text)
    return repr(shown if len(shown) <= 40 else f"{shown[:40]}…")
