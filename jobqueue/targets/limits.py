"""The bounds of an expression: they keep parsing and evaluation short, whatever the input."""

from __future__ import annotations

#: Characters of a job's target: it is part of the job's record and of an index key.
MAX_TEXT = 4096
#: Characters of a stored target.
MAX_STORED_TEXT = 16_384
#: Terms of one expression, each hostname of a list included.
MAX_TERMS = 2000
#: Terms that are compared with every distinct value: patterns, comparisons and regular expressions.
MAX_SCANNING_TERMS = 50
#: Nested parentheses, ``not`` and samples.
MAX_DEPTH = 50
#: Hostnames that the ranges of one pattern stand for.
MAX_RANGE = 10_000
#: Hostnames that the ranges of one expression stand for, in all; and those of the stored targets that it refers to.
MAX_NAMES = 20_000
#: Stored targets that one expression refers to, directly or through others.
MAX_STORED = 100
#: Earlier jobs whose results one expression refers to: each is read with all its executions.
MAX_JOBS = 5
#: Terms compared with every distinct value in one evaluation, those of stored targets included.
MAX_SCANS = 100
#: Characters of a regular expression.
MAX_REGEX = 256
#: Memory of a compiled regular expression, in bytes.
REGEX_MEMORY = 1 << 20
#: Stored targets that refer to each other, one inside the other.
MAX_STORED_DEPTH = 10
