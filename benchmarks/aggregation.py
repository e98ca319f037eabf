"""The aggregation of Fusion's page over a million signals, as an agent runs it: in a child process."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.collections import Collections
from jobqueue.operations.context import Context
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
from tests.unit.aggregation.signals import CONFIG, SIGNALS

TITLE = "Aggregation of signals"
#: A tenth are responses, with filters; the others follow one of them. 2,000 queries, 5,000 documents, 90 days.
_SIGNALS = """
SELECT 's' || i AS id,
       CASE WHEN i % 10 = 0 THEN 'response'
            ELSE ['click', 'click', 'cart', 'purchase', 'view'][1 + (hash(i) % 5)::INTEGER] END AS type,
       CASE WHEN i % 10 = 0 THEN 'cat:' || hash(i * 7) % 50 || ' $ brand:' || hash(i * 11) % 20 END AS filters_s,
       CASE WHEN i % 10 <> 0 THEN 'q' || hash(i * 13) % 2000 END AS query,
       CASE WHEN i % 10 <> 0 THEN 'd' || hash(i * 17) % 5000 END AS doc_id,
       CASE WHEN i % 10 <> 0 THEN 's' || i // 10 * 10 END AS fusion_query_id,
       (hash(i * 19) % 3)::BIGINT + 1 AS count_i,
       (hash(i * 23) % 1000)::DOUBLE / 500 AS weight_d,
       TIMESTAMPTZ '2025-10-17 18:56:14.660Z' - to_milliseconds((hash(i * 29) % 7776000000)::BIGINT) AS timestamp_tdt
FROM range({count}) AS numbers(i)
"""


def run(report: Report, scale: Scale) -> None:
    """A first run into an empty collection, then one that is rolled up with what the first one wrote."""
    operation = Registry.load(plugins=()).get("aggregation.run")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder))
        _fill(Collections(settings.data_dir), scale.signals)
        for what in ("into an empty collection", "rolled up with as many rows"):
            data: dict[str, Any] = json.loads(json.dumps({**CONFIG, "run_id": what}))
            started = time.perf_counter()
            outcome = run_operation(operation, data, Context("benchmark", settings=settings))
            seconds = time.perf_counter() - started
            rows = outcome.data["aggregated"]
            report.add(
                Row(
                    f"{scale.signals:,} signals into {rows:,} rows, {what}",
                    f"{seconds:.1f} s",
                    values={"seconds": seconds, "rows": rows},
                )
            )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    report.add(Row("its process: most memory at a time", f"{peak / 2**20:.0f} MiB", values={"bytes": peak}))


def _fill(collections: Collections, count: int) -> None:
    with (
        collections.transaction((), [SIGNALS]) as transaction,
        database.connect(transaction.scratch) as connection,
    ):
        database.write(connection, _SIGNALS.format(count=count), transaction.draft(SIGNALS))
        transaction.commit()
