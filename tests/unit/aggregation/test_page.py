"""The configuration of Fusion's own page, as it stands, on signals written by hand and at random."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.aggregation.conftest import Place
from tests.unit.aggregation.signals import (
    AGGREGATED,
    CONFIG,
    REFERENCE,
    SIGNALS,
    Row,
    added,
    aggregated,
    at_random,
    by_hand,
    iso,
)

_BEGIN = REFERENCE - timedelta(days=90)
_MIDDLE = REFERENCE - timedelta(days=20)


def assert_same(found: Mapping[str, Row], expected: Mapping[str, Row]) -> None:
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert math.isclose(found[key]["weight_d"], row["weight_d"], rel_tol=1e-9, abs_tol=1e-12), key
        assert {name: found[key][name] for name in row if name != "weight_d"} == {
            name: value for name, value in row.items() if name != "weight_d"
        }


def test_signals_written_by_hand(place: Place) -> None:
    place.fill(by_hand())
    result = place.run(run_id="hhzitrwancwv")
    rows = place.rows()
    row = rows["ipad|1|cat:tablet $ brand:apple"]
    # clicks (0.3 + 0.05) x 1, cart 0.5 x 10, purchase 0.25 x 25
    assert row.pop("weight_d") == pytest.approx(11.6, abs=1e-12)
    assert row == {
        "id": "ipad|1|cat:tablet $ brand:apple",
        "aggr_count_i": 4,
        "query_s": "ipad",
        "query_t": "ipad",
        "doc_id_s": "1",
        "filters_s": "cat:tablet $ brand:apple",
        "filters_ss": ["cat:tablet", "brand:apple"],
        "aggr_type_s": "click@doc_id,filters,query",
        "aggr_id_s": CONFIG["id"],
    }
    assert rows.keys() == {"ipad|1|cat:tablet $ brand:apple", "ipad|2"}
    assert rows["ipad|2"]["filters_ss"] is None
    _assert_result(result)
    assert place.finishing == 1
    assert place.spill() == []


def _assert_result(result: dict[str, Any]) -> None:
    application = result.pop("applicationId")
    assert application.startswith("duckdb-")
    assert result == {
        "jobConfigId": "api-test-app_click_signals_aggregation",
        "jobRunId": "hhzitrwancwv",
        "aggrClass": "SQL",
        "query": CONFIG["sql"].replace("api-test-app_signals", "api_test_app_signals"),
        "state": "finished",
        "aggregated": 2,
        "podId": "web1",
        "aggr_type_s": "click@doc_id,filters,query",
    }


def test_a_hundred_thousand_signals_equal_plain_python(place: Place, rng: random.Random) -> None:
    signals = at_random(rng, 100_000, _BEGIN, REFERENCE)
    assert place.fill(signals) == 100_000
    result = place.run()
    expected = aggregated(signals)
    assert len(expected) > 10_000
    assert result["aggregated"] == len(expected)
    assert_same(place.rows(), expected)


def test_two_batches_are_rolled_up(place: Place, rng: random.Random) -> None:
    first = at_random(rng, 3000, _BEGIN, _MIDDLE)
    second = at_random(rng, 3000, _MIDDLE, REFERENCE)
    place.fill(first)
    place.run(referenceTime=iso(_MIDDLE), run_id="one")
    place.fill(second)
    result = place.run(last_run=iso(_MIDDLE), run_id="two")
    expected = added(aggregated(first, _MIDDLE), aggregated(second))
    assert_same(place.rows(), expected)
    assert result["aggregated"] == len(expected)
    assert {row["aggr_type_s"] for row in place.rows().values()} == {"click@doc_id,filters,query"}


def test_a_batch_that_takes_the_place_of_the_first_one_is_rolled_up_as_well(place: Place) -> None:
    place.fill(by_hand())
    place.run()
    place.fill(by_hand(), replace=True)
    place.run()
    row = place.rows()["ipad|1|cat:tablet $ brand:apple"]
    assert (row["weight_d"], row["aggr_count_i"]) == (pytest.approx(23.2), 8)


def test_a_run_counts_once_however_often_it_is_run(place: Place) -> None:
    place.fill(by_hand())
    result = place.run(run_id="one")
    before = place.rows()
    assert place.run(run_id="one") == result
    assert place.rows() == before
    assert "nothing to do" in place.log[-1]
    place.run(run_id="two")
    assert place.rows()["ipad|2"]["aggr_count_i"] == 2


def test_the_pages_python_sample_spells_the_split_otherwise(place: Place) -> None:
    """With one backslash instead of two Spark takes $ for the end of the text, so that nothing is split."""
    place.fill(by_hand())
    place.run(sql=CONFIG["sql"].replace("\\\\$", "\\$"), rollupSql=CONFIG["rollupSql"].replace("\\\\$", "\\$"))
    row = place.rows()["ipad|1|cat:tablet $ brand:apple"]
    assert row["filters_ss"] == ["cat:tablet $ brand:apple"]


def test_the_collections_can_be_named_by_parameters(place: Place) -> None:
    sql = CONFIG["sql"].replace(SIGNALS, "{inputCollection}")
    sql = sql.replace("'click','cart','purchase'", "${signalTypes}").replace(
        "click:1.0,cart:10.0,purchase:25.0", "{signalTypeWeights}"
    )
    assert sql.count("{") == 4
    place.fill(by_hand())
    result = place.run(sql=sql, rollupSql=CONFIG["rollupSql"].replace(AGGREGATED, "{outputCollection}"))
    assert place.rows()["ipad|1|cat:tablet $ brand:apple"]["weight_d"] == pytest.approx(11.6)
    assert result["query"] == CONFIG["sql"].replace("api-test-app_signals", "api_test_app_signals")
