"""Signals, and what becomes of them when they are aggregated in plain Python."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = json.loads((Path(__file__).parent / "click_signals.json").read_text())
SIGNALS = "api-test-app_signals"
AGGREGATED = "api-test-app_signals_aggr"
REFERENCE = datetime(2025, 10, 17, 18, 56, 14, 660_000, tzinfo=timezone.utc)
HALF_LIFE = timedelta(days=30)
FACTORS = {"click": 1.0, "cart": 10.0, "purchase": 25.0}

#: More rows than can be processed while a test waits.
_NAMES = [f"t{number}" for number in range(14)]
ENDLESS = {
    "sql": "SELECT max(concat({ids})) AS id FROM {tables}",
    "rollupSql": None,
    "parameters": [
        {"key": "ids", "value": ", ".join(f"{name}.id" for name in _NAMES)},
        {"key": "tables", "value": ", ".join(f"{SIGNALS} {name}" for name in _NAMES)},
    ],
}

Row = dict[str, Any]


def iso(moment: datetime) -> str:
    """As signals have their times."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def by_hand() -> list[Row]:
    """The signals of the example that comes to 11.6, and some that must not count in it."""
    new, old = iso(REFERENCE), iso(REFERENCE - HALF_LIFE)
    ipad = {"query": "ipad", "doc_id": "1", "fusion_query_id": "r1"}
    return [
        {"id": "r1", "type": "response", "filters_s": "cat:tablet $ brand:apple", "timestamp_tdt": old},
        {"id": "c1", "type": "click", **ipad, "timestamp_tdt": new, "weight_d": 0.3},
        {"id": "c2", "type": "click", **ipad, "timestamp_tdt": old},  # no weight: 0.1, halved by a half-life of age
        {"id": "c3", "type": "cart", **ipad, "timestamp_tdt": new, "weight_d": 0.5},
        {"id": "c4", "type": "purchase", **ipad, "timestamp_tdt": old, "weight_d": 0.5},
        {"id": "v1", "type": "view", **ipad, "timestamp_tdt": new, "weight_d": 9.0},
        {"id": "c5", "type": "click", "query": "ipad", "doc_id": "2", "timestamp_tdt": new, "weight_d": 0.7},
        {"id": "c6", "type": "click", **ipad, "timestamp_tdt": iso(REFERENCE + timedelta(milliseconds=1))},
    ]


def at_random(rng: random.Random, count: int, since: datetime, until: datetime) -> list[Row]:
    """``count`` signals in (since, until]: responses, and what followed them; some without the one field or other."""
    rows: list[Row] = []
    span = round((until - since) / timedelta(milliseconds=1))
    for number in range(count):
        moment = iso(since + timedelta(milliseconds=rng.randint(1, span)))
        row: Row = {"id": f"s{until.timestamp():.0f}-{number}", "timestamp_tdt": moment}
        if number % 10 == 0:
            row["type"] = "response"
            if rng.random() < 0.8:
                row["filters_s"] = f"cat:{rng.randint(1, 5)} $ brand:{rng.randint(1, 3)}"
        else:
            row |= {"type": rng.choice(["click", "click", "cart", "purchase", "view"])}
            row |= {"query": f"q{rng.randint(1, 40)}", "doc_id": f"{rng.randint(1, 30):03d}"}
            row["fusion_query_id"] = rows[rng.randrange(0, number, 10)]["id"] if rng.random() < 0.9 else "unknown"
            if rng.random() < 0.5:
                row["count_i"] = rng.randint(1, 4)
            if rng.random() < 0.7:
                row["weight_d"] = rng.uniform(-0.5, 2.0)
        rows.append(row)
    return rows


def aggregated(signals: Iterable[Row], reference: datetime = REFERENCE) -> dict[str, Row]:
    """The page's aggregation in plain Python: id -> row."""
    signals = list(signals)
    filters = {signal["id"]: signal.get("filters_s") for signal in signals if signal["type"] == "response"}
    found: dict[str, Row] = {}
    for signal in signals:
        if signal["type"] not in FACTORS:
            continue
        filter_text = filters.get(signal.get("fusion_query_id", ""))
        key = (signal["query"], signal["doc_id"], filter_text)
        row = found.setdefault(
            "|".join(part for part in key if part is not None),
            {
                "query_s": key[0],
                "query_t": key[0],
                "doc_id_s": key[1],
                "filters_s": filter_text,
                "filters_ss": None if filter_text is None else filter_text.split(" $ "),
                "weight_d": 0.0,
                "aggr_count_i": 0,
            },
        )
        count = signal.get("count_i", 1)
        age = reference - datetime.fromisoformat(signal["timestamp_tdt"])
        weight = max(signal.get("weight_d", 0.1), 0.0)
        row["weight_d"] += FACTORS[signal["type"]] * count * weight * 0.5 ** (age / HALF_LIFE)
        row["aggr_count_i"] += count
    return found


def added(first: Mapping[str, Row], second: Mapping[str, Row]) -> dict[str, Row]:
    """Two aggregations rolled up into one."""
    found = {key: dict(row) for key, row in first.items()}
    for key, row in second.items():
        if key in found:
            found[key]["weight_d"] += row["weight_d"]
            found[key]["aggr_count_i"] += row["aggr_count_i"]
        else:
            found[key] = dict(row)
    return found
