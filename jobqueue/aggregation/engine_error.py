"""Translates DuckDB's query errors into jobqueue's wording."""

from __future__ import annotations

import re

import duckdb

#: DuckDB's wording -> the problem and its fix.
_SENTENCES = (
    (
        re.compile(r'column "([^"]+)" must appear in the GROUP BY clause'),
        r"the column \1 is neither in GROUP BY nor inside an aggregate; add it to GROUP BY, or use max(\1)",
    ),
    (
        re.compile(r"GROUP BY term out of range - should be between 1 and (\d+)"),
        r"the number in GROUP BY must be that of a selected column, between 1 and \1",
    ),
    (
        re.compile(r"GROUP BY clause cannot contain aggregates"),
        "GROUP BY has an aggregate such as sum(...), or the number of a column that is one; group by a column",
    ),
    (
        re.compile(r"(\w+) clause cannot contain window functions"),
        r"\1 has a function with OVER; compute it in a SELECT inside FROM, and use its name",
    ),
    (
        re.compile(r"aggregate function calls cannot be nested"),
        "an aggregate stands inside an aggregate; compute the inner one in a SELECT inside FROM",
    ),
)


def explained(error: duckdb.Error | ValueError) -> str:
    """A sentence without its point; for an error of another kind, what DuckDB says, on one line."""
    text = " ".join(str(error).split())
    for pattern, sentence in _SENTENCES:
        match = pattern.search(text)
        if match and isinstance(error, duckdb.BinderException):
            return match.expand(sentence)
    return text
