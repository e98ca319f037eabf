"""Checks a configuration's SQL as far as possible without the collections."""

from __future__ import annotations

from jobqueue.aggregation.collections.name import SPARK_INPUT, table_name
from jobqueue.aggregation.config import AggregationConfig
from jobqueue.aggregation.parameters import resolve
from jobqueue.aggregation.query import prepare

#: Reading SQL takes about a second for a million characters; longer SQL is checked by the agent alone.
LONGEST_CHECKED = 50_000


def check_sql(config: AggregationConfig) -> None:
    """Raise ``InvalidInput`` for SQL that no agent would run, regardless of the collections' content."""
    own = [name for name in (config.input_collection, config.output_collection) if name is not None]
    values = {"inputCollection": table_name(config.input_collection), **resolve(config.parameters)}
    if config.output_collection is not None:
        values = {"outputCollection": table_name(config.output_collection), **values}
    texts = {"sql": config.sql, "sparkSQL": config.spark_sql}
    if config.rollup_sql is not None and config.output_collection is not None:
        texts["rollupSql"] = config.rollup_sql
    if sum(map(len, [*texts.values(), *values.values()])) > LONGEST_CHECKED:
        return
    for subject, text in texts.items():
        prepare(text, values, [SPARK_INPUT] if subject == "sparkSQL" else own, None, subject)
