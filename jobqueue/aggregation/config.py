"""The configuration of an aggregation, in Fusion's format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from jobqueue.aggregation.collections.name import check_name
from jobqueue.errors import InvalidInput
from jobqueue.model.timestamps import parse_iso

#: As an output collection: aggregate, but write nothing.
NO_OUTPUT = "-"
ENGINES = ("duckdb", "spark")
DEFAULT_SPARK_SQL = "SELECT * from spark_input"
DEFAULT_TIME_FIELD = "timestamp_tdt"
#: The parts of a configuration that affect the run. All other fields are kept, but have no effect here.
FIELDS = (
    "type",
    "id",
    "inputCollection",
    "outputCollection",
    "sql",
    "rollupSql",
    "sparkSQL",
    "referenceTime",
    "sourceCatchup",
    "sourceRemove",
    "skipCheckEnabled",
    "skipJobIfSignalsEmpty",
    "parameters",
    "selectQuery",
    "useNaturalKey",
    "dataFormat",
    "timestampFieldName",
    "engine",
    "sparkConfig",
    "updates",
    "run_id",
    "last_run",
)


@dataclass(frozen=True)
class AggregationConfig:
    """One aggregation. ``output_collection`` None: nothing is written. ``reference_time`` None: when it runs."""

    input_collection: str
    sql: str
    output_collection: str | None
    id: str | None = None
    rollup_sql: str | None = None
    spark_sql: str = DEFAULT_SPARK_SQL
    reference_time: datetime | None = None
    source_catchup: bool = True
    source_remove: bool = False
    skip_check: bool = True
    skip_if_empty: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    use_natural_key: bool = True
    time_field: str = DEFAULT_TIME_FIELD
    engine: str = "duckdb"
    spark_config: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    last_run: datetime | None = None
    digest: str = ""
    unused: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> AggregationConfig:
        """Read a configuration whose values have the right types; raises ``InvalidInput`` that names the field."""
        source = check_name(raw["inputCollection"])
        output = raw.get("outputCollection") or f"{source}_aggr"
        remove = bool(raw.get("sourceRemove", False))
        if remove and output == source:
            raise InvalidInput("sourceRemove: the inputCollection and the outputCollection must differ.")
        select = (raw.get("selectQuery") or "*:*").strip()
        if select != "*:*":
            raise InvalidInput("selectQuery: only *:* (all rows) is supported; put the condition into the sql.")
        data_format = raw.get("dataFormat") or "solr"
        if data_format not in ("solr", "parquet"):
            raise InvalidInput(f"dataFormat: {data_format!r} is not supported; load the data into a collection first.")
        engine = raw.get("engine") or "duckdb"
        if engine not in ENGINES:
            raise InvalidInput(f"engine: must be one of {', '.join(ENGINES)}, not {engine!r}.")
        return cls(
            input_collection=source,
            sql=raw["sql"],
            output_collection=None if output == NO_OUTPUT else check_name(output),
            id=raw.get("id"),
            rollup_sql=(raw.get("rollupSql") or "").strip() or None,
            spark_sql=(raw.get("sparkSQL") or "").strip() or DEFAULT_SPARK_SQL,
            reference_time=_moment(raw, "referenceTime"),
            source_catchup=raw.get("sourceCatchup", True),
            source_remove=remove,
            skip_check=raw.get("skipCheckEnabled", True),
            skip_if_empty=raw.get("skipJobIfSignalsEmpty", False),
            parameters=_pairs(raw, "parameters"),
            use_natural_key=raw.get("useNaturalKey", True),
            time_field=raw.get("timestampFieldName") or DEFAULT_TIME_FIELD,
            engine=engine,
            spark_config=_pairs(raw, "sparkConfig"),
            run_id=raw.get("run_id"),
            last_run=_moment(raw, "last_run"),
            digest=hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest(),
            unused=tuple(sorted(set(raw) - set(FIELDS))),
        )


def _moment(raw: Mapping[str, Any], name: str) -> datetime | None:
    text = raw.get(name)
    if not text:
        return None
    try:
        moment = parse_iso(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name}: must be a time such as 2025-10-17T18:56:14.660Z, not {text[:100]!r}.") from None


def _pairs(raw: Mapping[str, Any], name: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in raw.get(name) or ():
        if item["key"] in pairs:
            raise InvalidInput(f"{name}: {item['key']!r} is given twice.")
        pairs[item["key"]] = item["value"]
    return pairs
