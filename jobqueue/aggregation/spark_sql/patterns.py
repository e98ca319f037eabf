"""Patterns inside texts (LIKE, regular expressions, formats of dates): the same in DuckDB as in Spark, or refused."""

from __future__ import annotations

import re

from jobqueue.errors import InvalidInput

_NO_LINE_END = r"[^\n\r\x{85}\x{2028}\x{2029}]"
#: An escape in a regular expression of Java's -> the one of RE2's.
_ESCAPES = {"d": "[0-9]", "D": "[^0-9]", "w": "[0-9A-Za-z_]", "W": "[^0-9A-Za-z_]"}
_ESCAPES |= {"s": r"[\t\n\x0b\f\r ]", "S": r"[^\t\n\x0b\f\r ]", "t": r"\t", "n": r"\n", "r": r"\r"}
_IN_CLASS = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\x0b\f\r ", "t": r"\t", "n": r"\n", "r": r"\r"}
_CLASS = re.compile(r"\[\^?(?:\\.|[^\\\[\]&])+\]", re.DOTALL)
_COUNT = re.compile(r"\{\d{1,3}(?:,\d{0,3})?\}")
_REPLACEMENT = re.compile(r"\\(.)|\$(\d)(?!\d)|([^\\$]+)", re.DOTALL)
_DATE_PART = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z'#\[\]{}]+)", re.DOTALL)
#: A run of letters in a format of dates -> DuckDB's expression over {0}, a TIMESTAMP.
DATE_PARTS = {
    "yyyy": "spark_year({0})",
    "y": "CAST(year({0}) AS VARCHAR)",
    "yy": "strftime({0}, '%y')",
    "Q": "CAST(quarter({0}) AS VARCHAR)",
    "QQ": "printf('%02d', quarter({0}))",
    "M": "CAST(month({0}) AS VARCHAR)",
    "MM": "strftime({0}, '%m')",
    "MMM": "left(monthname({0}), 3)",
    "MMMM": "monthname({0})",
    "d": "CAST(day({0}) AS VARCHAR)",
    "dd": "strftime({0}, '%d')",
    "D": "CAST(dayofyear({0}) AS VARCHAR)",
    "DDD": "printf('%03d', dayofyear({0}))",
    "E": "left(dayname({0}), 3)",
    "EEE": "left(dayname({0}), 3)",
    "EEEE": "dayname({0})",
    "a": "strftime({0}, '%p')",
    "H": "CAST(hour({0}) AS VARCHAR)",
    "HH": "strftime({0}, '%H')",
    "hh": "strftime({0}, '%I')",
    "m": "CAST(minute({0}) AS VARCHAR)",
    "mm": "strftime({0}, '%M')",
    "s": "CAST(second({0}) AS VARCHAR)",
    "ss": "strftime({0}, '%S')",
    **{"S" * count: f"left(strftime({{0}}, '%f'), {count})" for count in range(1, 7)},
}


def quote(text: str) -> str:
    """``text`` as DuckDB writes a string."""
    if "\0" in text:
        raise InvalidInput("a text in the SQL holds a NUL character")
    return "'" + text.replace("'", "''") + "'"


def check_like(pattern: str, escape: str) -> None:
    """Raise ``InvalidInput`` for a pattern of LIKE that Spark refuses or reads otherwise."""
    if len(escape) != 1:
        raise InvalidInput(f"LIKE: the escape must be one character, not {escape[:20]!r}")
    skip = False
    for number, character in enumerate(pattern):
        if skip:
            skip = False
        elif character == escape:
            if pattern[number + 1 : number + 2] not in ("_", "%", escape):
                raise InvalidInput(f"LIKE: the escape {escape!r} may stand before _, % and itself only")
            skip = True


def date_format(pattern: str, moment: str) -> str:
    """DuckDB's expression for a moment in a format of Spark's; raises ``InvalidInput`` with what is allowed."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        match = _DATE_PART.match(pattern, position)
        if match is None:
            raise InvalidInput(f"the date format {pattern[:100]!r} has {pattern[position]!r}, which is not allowed")
        position = match.end()
        if match[2]:
            if match[0] not in DATE_PARTS:
                allowed = ", ".join(DATE_PARTS)
                raise InvalidInput(f"the date format {pattern[:100]!r} has {match[0]!r}; allowed are {allowed}")
            parts.append(DATE_PARTS[match[0]].format(moment))
        else:
            text = match[3] if match[1] is None else match[1].replace("''", "'") or "'"
            # a constant would stay when the moment is NULL
            parts.append(f"CASE WHEN {moment} IS NOT NULL THEN {quote(text)} END")
    return f"({' || '.join(parts)})" if parts else f"CASE WHEN {moment} IS NOT NULL THEN '' END"


#: A run of letters in a format that is read -> the field's name and its digits.
PARSED_PARTS = {
    "yyyy": ("y", r"-[0-9]{4}|\+[0-9]{5,6}|[0-9]{4}"),
    "MM": ("mo", "[0-9]{2}"),
    "M": ("mo", "[0-9]{1,18}"),
    "dd": ("d", "[0-9]{2}"),
    "d": ("d", "[0-9]{1,18}"),
    "HH": ("h", "[0-9]{2}"),
    "H": ("h", "[0-9]{1,18}"),
    "mm": ("mi", "[0-9]{2}"),
    "m": ("mi", "[0-9]{1,18}"),
    "ss": ("s", "[0-9]{2}"),
    "s": ("s", "[0-9]{1,18}"),
    **{"S" * count: ("f", f"[0-9]{{1,{count}}}") for count in range(1, 7)},
}


_FRACTION = "rpad(found.f, 6, '0')"


def parsed_time(pattern: str, text: str) -> str:
    """DuckDB's expression for the TIMESTAMP that ``text`` is in a format of Spark's, or NULL.

    Raises ``InvalidInput`` with what is allowed.
    """
    written, names, position, open_run = "", [], 0, False
    while position < len(pattern):
        match = _DATE_PART.match(pattern, position)
        if match is None:
            raise InvalidInput(f"the date format {pattern[:100]!r} has {pattern[position]!r}, which is not allowed")
        position = match.end()
        if not match[2]:
            literal = match[3] if match[1] is None else match[1].replace("''", "'") or "'"
            written, open_run = written + re.escape(literal), False
            continue
        name, digits = PARSED_PARTS.get(match[0], ("", ""))
        if not name or name in names or (open_run and (name == "f" or digits.endswith(",18}"))):
            allowed = ", ".join(PARSED_PARTS)
            raise InvalidInput(f"the date format {pattern[:100]!r} has {match[0]!r}; allowed are {allowed}, each once")
        if open_run and written.endswith(",18})"):
            raise InvalidInput(f"the date format {pattern[:100]!r}: {match[0]!r} must not follow a number at once")
        written, open_run = f"{written}({digits})", True
        names.append(name)
    if "y" not in names:
        raise InvalidInput(f"the date format {pattern[:100]!r} must have yyyy")
    fields = ", ".join(quote(name) for name in names)
    parts = {
        name: f"CAST({_FRACTION if name == 'f' else f'found.{name}'} AS BIGINT)" if name in names else unset
        for name, unset in (("y", "1970"), ("mo", "1"), ("d", "1"), ("h", "0"), ("mi", "0"), ("s", "0"), ("f", "0"))
    }
    moment = (
        f"TRY(make_timestamp({parts['y']}, {parts['mo']}, {parts['d']}, {parts['h']}, {parts['mi']},"
        f" CAST({parts['s']} AS DOUBLE)) + to_microseconds({parts['f']}))"
    )
    return (
        f"[CASE WHEN found.y <> '' AND {parts['h']} < 24 AND {parts['mi']} < 60 AND {parts['s']} < 60 THEN {moment} END"
        f" FOR found IN [regexp_extract({text}, {quote(f'^{written}$')}, [{fields}])]][1]"
    )


def regex(pattern: str, *, splits: bool = False) -> str:
    """A regular expression of Java's for RE2; raises ``InvalidInput`` for what the two read differently.

    ``splits``: for functions that go on after a match, where one of no characters means different things.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(f"the regular expression {pattern[:100]!r} is invalid: {error}") from None
    if splits and compiled.match("") is not None:
        raise InvalidInput(f"the regular expression {pattern[:100]!r} matches an empty text, which is refused here")
    return _Regex(pattern, splits).written()


class _Regex:
    def __init__(self, pattern: str, splits: bool) -> None:
        self._pattern, self._splits, self._place = pattern, splits, 0

    def written(self) -> str:
        parts: list[str] = []
        while self._place < len(self._pattern):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        rest = self._pattern[self._place :]
        first = rest[0]
        if first == "\\":
            return self._took(2, self._escape(rest[1:2]))
        if first == "[":
            return self._class(rest)
        if first == "(":
            return self._group(rest)
        if first in "*+?{":
            return self._quantifier(rest)
        if first == ".":
            return self._took(1, _NO_LINE_END)
        if first == "$":
            return self._end(rest)
        if first in "]}":
            raise self._refused(first)
        return self._took(1, first)

    def _took(self, count: int, written: str) -> str:
        self._place += count
        return written

    def _escape(self, letter: str) -> str:
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if not letter or letter.isalnum() or not letter.isascii():
            raise self._refused(f"\\{letter}")
        return re.escape(letter)

    def _class(self, rest: str) -> str:
        match = _CLASS.match(rest)
        if match is None:
            raise self._refused("[...] with [ or & inside")

        def one(escape: re.Match[str]) -> str:
            letter = escape[1]
            if letter in _IN_CLASS:
                return _IN_CLASS[letter]
            if letter.isalnum() or not letter.isascii():
                raise self._refused(f"[\\{letter}]")
            return f"\\{letter}"

        return self._took(match.end(), re.sub(r"\\(.)", one, match[0], flags=re.DOTALL))

    def _group(self, rest: str) -> str:
        if rest.startswith("(?") and not rest.startswith("(?:"):
            raise self._refused(rest[:3])
        return self._took(3, "(?:") if rest.startswith("(?:") else self._took(1, "(")

    def _quantifier(self, rest: str) -> str:
        match = _COUNT.match(rest) if rest[0] == "{" else re.match(r"[*+?]", rest)
        if match is None:
            raise self._refused("{")
        size = match.end()
        if rest[size : size + 1] == "+":
            raise self._refused(f"{match[0]}+")
        if self._pattern[self._place - 1 : self._place] == ")" and match[0] != "?" and self._captures():
            raise self._refused(f"a repeated group ({match[0]}) in parentheses that capture; write (?:...)")
        lazy = rest[size : size + 1] == "?"
        return self._took(size + lazy, match[0] + "?" * lazy)

    def _captures(self) -> bool:
        return re.compile(self._pattern).groups > 0

    def _end(self, rest: str) -> str:
        follows = rest[1:2]
        if follows and (follows in "\\[(*+?{.|)" or (follows.isspace() and follows != " ")):
            raise self._refused("$ before the end")
        if follows:
            return self._took(1, r"\z")
        if self._splits:
            raise self._refused("$ at the end (it matches before a final line break, too)")
        return self._took(1, r"(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z")

    def _refused(self, part: str) -> InvalidInput:
        return InvalidInput(
            f"the regular expression {self._pattern[:100]!r} has {part}, which Java and DuckDB read differently; "
            "allowed are characters, ., [...], (...), (?:...), |, ^, final $, *, +, ?, {n,m}, \\d, \\w, \\s"
        )


def replacement(text: str, groups: int) -> str:
    """A replacement of Java's (``$1``) for DuckDB (``\\1``)."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        match = _REPLACEMENT.match(text, position)
        if match is None or (match[2] and int(match[2]) > groups):
            raise InvalidInput(f"the replacement {text[:100]!r}: $ must be followed by the number of a group (0-9)")
        position = match.end()
        plain = match[1] or match[3]
        parts.append(f"\\{match[2]}" if match[2] else plain.replace("\\", "\\\\"))
    return "".join(parts)


def groups(pattern: str) -> int:
    """How many groups a regular expression has."""
    return re.compile(pattern).groups
