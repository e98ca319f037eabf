# ruff: noqa: S608 - all SQL here is made of constants
"""Mistakes in a query, and rows that cannot be computed as Spark does, are explained in sentences."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from jobqueue.aggregation.engine_error import explained
from tests.unit.aggregation.spark_cases import Ours


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT i + 1, sum(j) FROM t GROUP BY i * 2", "the column i is neither in GROUP BY nor inside an aggregate"),
        ("SELECT b FROM t GROUP BY b, i * 2 HAVING i > 1", "the column i is neither in GROUP BY"),
        ("SELECT t.* FROM t GROUP BY 99", "must be that of a selected column, between 1 and"),
        ("SELECT sum(i) FROM t GROUP BY 1", "GROUP BY has an aggregate"),
        ("SELECT sum(i) AS m, sum(m) FROM t", "an aggregate stands inside an aggregate"),
        (
            "SELECT CAST('2026-11-01 10:00:00 America/Vancouver' AS TIMESTAMP) FROM t",
            "time zone America/Vancouver, which is not",
        ),
        ("SELECT CAST('0x1p2000' AS DOUBLE) FROM t", "the text 0x1p2000 is a number in hexadecimal"),
        ("SELECT add_months(y, 2147483647) FROM t", "the result is not a date any more"),
    ],
)
def test_a_sentence(tmp_path: Path, sql: str, sentence: str) -> None:
    ours = Ours(tmp_path)
    translated = ours.translated(sql)
    assert translated is not None
    with pytest.raises(duckdb.Error) as caught:
        ours.answer(translated[0])
    text = explained(caught.value)
    assert sentence in text
    assert "LINE 1" not in text


@pytest.mark.parametrize("span", ["10001 YEARS", "999999999 MONTHS", "99999999 DAYS"])
def test_an_interval_that_leads_out_of_all_dates_is_refused(tmp_path: Path, span: str) -> None:
    assert Ours(tmp_path).translated(f"SELECT y + INTERVAL {span} FROM t") is None
