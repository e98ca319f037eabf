"""What SQL of an aggregation may call: the tables of ``jobqueue.aggregation.spark_sql``."""

from __future__ import annotations

from docs.generate.markdown import code, codes, table
from jobqueue.aggregation.spark_sql.casts import CASTS
from jobqueue.aggregation.spark_sql.functions import AGGREGATES, EXTREMES, FUNCTIONS, RANKS, SPECIAL, SYNONYMS
from jobqueue.aggregation.spark_sql.patterns import DATE_PARTS, PARSED_PARTS


def text() -> str:
    """Functions, aggregates, window functions, casts and formats of dates."""
    rows = [(code(name), _arguments(name), _synonyms(name)) for name in sorted({*FUNCTIONS, *SPECIAL} - {"%"})]
    aggregates = [(code(name), ", ".join(one.parameter.strip("=") for one in AGGREGATES[name])) for name in AGGREGATES]
    casts: dict[str, list[str]] = {}
    for kind, to in CASTS:
        casts.setdefault(kind, []).append(to)
    return "\n\n".join(
        (
            table(("function", "arguments", "also called"), rows),
            "Aggregates, also with `FILTER (WHERE ...)`:",
            table(
                ("aggregate", "of", "also called"),
                [(name, kinds, _synonyms(name.strip("`"))) for name, kinds in aggregates],
            ),
            f"With `OVER (... ORDER BY ...)`: the aggregates but `collect_*`, {codes([*RANKS, 'ntile', 'lag', 'lead'])}.",
            "`CAST`, besides between integers and decimals:",
            table(("from", "to"), [(code(kind), codes(kinds)) for kind, kinds in sorted(casts.items())]),
            f"In formats of dates: {codes(DATE_PARTS)}, texts in single quotes and punctuation.",
            f"In formats of `to_date`, `to_timestamp` and `unix_timestamp`: {codes(PARSED_PARTS)}.",
            f"Of two arguments: {codes(EXTREMES)}, and `count(DISTINCT a, b)`.",
        )
    )


def _arguments(name: str) -> str:
    overloads = FUNCTIONS.get(name, ())
    return " or ".join(
        f"({', '.join(part.strip('=') for part in one.parameters)}{', ...' if one.repeats else ''})"
        for one in overloads
    )


def _synonyms(name: str) -> str:
    return codes(sorted(other for other, same in SYNONYMS.items() if same == name))
