"""Which signals a run reads: since the last one, until its reference time; and what it does when there are none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobqueue.errors import NotFound, OperationFailed, OperationNotSupported
from tests.unit.aggregation.conftest import Place
from tests.unit.aggregation.signals import AGGREGATED, CONFIG, REFERENCE, SIGNALS, Row, iso

_SQL = "SELECT concat_ws('-', collect_list(id)) AS id, count(*) AS n_i FROM api-test-app_signals"
_MS = timedelta(milliseconds=1)


def _signal(id: str, moment: Any) -> Row:
    return {"id": id, "type": "click", "timestamp_tdt": None if moment is None else iso(moment)}


def _read(place: Place, **changes: Any) -> set[str]:
    """The ids of the signals that a run reads."""
    changes = {"outputCollection": "out", "rollupSql": None, **changes}
    place.run(**{"sql": "SELECT id FROM api-test-app_signals", **changes})
    return set(place.rows("out"))


@pytest.fixture(autouse=True)
def _signals(place: Place) -> None:
    hour = REFERENCE - timedelta(hours=1)
    moments = {
        "before": hour - _MS,
        "at": hour,
        "after": hour + _MS,
        "ref": REFERENCE,
        "late": REFERENCE + _MS,
        "none": None,
    }
    place.fill([_signal(id, moment) for id, moment in moments.items()])


def test_from_behind_the_last_run_to_the_reference_time(place: Place) -> None:
    assert _read(place, last_run=iso(REFERENCE - timedelta(hours=1))) == {"after", "ref"}


def test_everything_until_the_reference_time_when_it_never_ran(place: Place) -> None:
    assert _read(place, last_run=None) == {"before", "at", "after", "ref"}
    assert place.log[1] == "api-test-app_signals: 4 rows until 2025-10-17 18:56:14 UTC."


def test_without_catching_up_the_last_run_does_not_count(place: Place) -> None:
    assert _read(place, sourceCatchup=False, last_run=iso(REFERENCE)) == {"before", "at", "after", "ref"}


@pytest.mark.parametrize(
    "spelled", ["2025-10-17T18:56:14.660Z", "2025-10-17T20:56:14.66+02:00", "2025-10-17T18:56:14.660"]
)
def test_the_reference_time_may_be_spelled_as_iso_8601_allows(place: Place, spelled: str) -> None:
    assert "ref" in _read(place, referenceTime=spelled)
    assert "late" not in place.rows("out")


def test_the_reference_time_is_now_unless_given(place: Place) -> None:
    assert _read(place, referenceTime=None) == {"before", "at", "after", "ref", "late"}


def test_the_added_columns(place: Place) -> None:
    sql = "SELECT max(ref_time) AS r_tdt, min(catchup_timestamp_tdt) AS c_tdt, 'x' AS id FROM api-test-app_signals"
    _read(place, sql=sql, last_run="2025-10-17T10:00:00Z")
    row = place.rows("out")["x"]
    assert (row["r_tdt"], row["c_tdt"]) == ("2025-10-17T18:56:14.660Z", "2025-10-17T10:00:00.000Z")
    _read(place, sql=sql, last_run=None)
    assert place.rows("out")["x"]["c_tdt"] == "1970-01-01T00:00:00.000Z"


def test_spark_sql_changes_what_the_sql_reads(place: Place) -> None:
    assert _read(place, sparkSQL="SELECT * FROM spark_input WHERE id <> 'at'") == {"before", "after", "ref"}


@pytest.mark.parametrize(
    "sql", ["DROP TABLE spark_input", "SELECT * FROM api_test_app_signals", "SELECT * FROM read_csv('x')"]
)
def test_spark_sql_is_checked_like_any_other(place: Place, sql: str) -> None:
    with pytest.raises(Exception, match=r"^sparkSQL: "):
        _read(place, sparkSQL=sql)


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({}, True),
        ({"skipCheckEnabled": False}, True),
        ({"skipJobIfSignalsEmpty": False}, True),
        ({"skipCheckEnabled": False, "skipJobIfSignalsEmpty": False}, False),
        ({"sourceCatchup": False, "skipJobIfSignalsEmpty": False}, False),
        ({"sourceCatchup": False}, True),
    ],
)
def test_nothing_new(place: Place, changes: dict[str, Any], skipped: bool) -> None:
    if "sourceCatchup" in changes:
        changes = {**changes, "referenceTime": "2001-01-01T00:00:00Z"}
    changes = {"last_run": iso(REFERENCE), **changes}
    if skipped:
        with pytest.raises(OperationNotSupported, match="nothing new: api-test-app_signals has no rows"):
            place.run(**changes)
        assert place.collections.names() == [SIGNALS]
    else:
        assert place.run(**changes)["aggregated"] == 0
        assert place.rows(AGGREGATED) == {}


def test_an_unknown_collection(place: Place) -> None:
    with pytest.raises(NotFound, match="Unknown collection nothing-here; there are api-test-app_signals"):
        place.run(inputCollection="nothing-here", sql="SELECT 1 AS a FROM nothing-here")


def test_catching_up_needs_the_time(place: Place) -> None:
    place.fill([{"id": "a", "when_dt": iso(REFERENCE)}], "plain")
    raw = {"inputCollection": "plain", "sql": "SELECT id FROM plain"}
    with pytest.raises(OperationFailed, match="plain has no column timestamp_tdt, which sourceCatchup needs"):
        place.run_config(raw)
    place.run_config({**raw, "sourceCatchup": False})
    assert set(place.rows("plain_aggr")) == {"a"}
    place.run_config({**raw, "timestampFieldName": "when_dt", "outputCollection": "out"})
    assert set(place.rows("out")) == {"a"}


def test_read_signals_can_be_removed(place: Place) -> None:
    _read(place, last_run=iso(REFERENCE - timedelta(hours=1)), sourceRemove=True, run_id="one")
    assert set(place.rows(SIGNALS)) == {"before", "at", "late", "none"}
    assert place.log[-1] == "api-test-app_signals: 2 rows removed, 4 left."
    columns = place.collections.info(SIGNALS).columns
    place.fill([_signal("more", REFERENCE)])
    assert _read(place, last_run=iso(REFERENCE - timedelta(hours=1)), sourceRemove=True, run_id="one") == {
        "after",
        "ref",
    }
    assert "more" in place.rows(SIGNALS), "the run had been done, so it must not remove again"
    assert place.collections.info(SIGNALS).columns == columns


def test_all_rows_are_removed_when_there_is_no_time(place: Place) -> None:
    place.fill([{"id": "a"}], "plain")
    raw = {"inputCollection": "plain", "sql": "SELECT id FROM plain", "sourceCatchup": False, "sourceRemove": True}
    place.run_config(raw)
    assert place.rows("plain") == {}
    assert place.collections.info("plain").columns == {"id": "VARCHAR"}


def test_a_failed_run_removes_and_writes_nothing(place: Place) -> None:
    before = place.rows(SIGNALS)
    with pytest.raises(OperationFailed, match="nonsense"):
        place.run(sql="SELECT id, nonsense FROM api-test-app_signals", sourceRemove=True)
    with pytest.raises(OperationFailed, match="nonsense"):
        place.run(rollupSql="SELECT id, nonsense FROM api-test-app_signals_aggr", sourceRemove=True)
    assert place.rows(SIGNALS) == before
    assert place.collections.names() == [SIGNALS]
    assert place.spill() == []
    assert place.finishing == 0


def test_fields_without_meaning_are_named_in_the_log(place: Place) -> None:
    place.run(hello=1, sql=CONFIG["sql"])
    assert place.log[0] == "Ignored settings: hello, optimizeSegments, readOptions, sparkPartitions."
