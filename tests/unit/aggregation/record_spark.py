"""Record what the real Spark answers: ``python -m tests.unit.aggregation.record_spark`` (needs Java and pyspark).

SELECTs whose answers are recorded already are not asked again; delete the file to ask for all of them.
Writes ``spark_answers.json``: Spark's version, and for each SELECT that is allowed its types and rows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.unit.aggregation.spark_cases import Ours, queries, sorted_rows

ANSWERS = Path(__file__).parent / "spark_answers.json"
_SETTINGS = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def session() -> Any:
    """A Spark on this host, with ANSI mode off and the time zone UTC."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def answers(spark: Any, path: Path, asked: Iterable[str]) -> dict[str, Any]:
    """SELECT -> its types and rows, or the error."""
    spark.read.parquet(str(path)).createOrReplaceTempView("t")
    found: dict[str, Any] = {}
    for sql in asked:
        try:
            rows = spark.sql(sql)
            types = ",".join(str(kind) for _, kind in rows.dtypes)
            found[sql] = [types, sorted_rows(rows.collect())]
        except Exception as error:  # noqa: BLE001 - what Spark refuses is an answer, too
            found[sql] = ["error", str(error).splitlines()[0][:200]]
    return found


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(Path(folder))
        asked = [sql for sql in dict.fromkeys(queries()) if ours.translated(sql) is not None]
        before = json.loads(ANSWERS.read_text(encoding="utf-8"))["answers"] if ANSWERS.exists() else {}
        spark = session()
        fresh = answers(spark, ours.path, [sql for sql in asked if sql not in before])
        version = spark.version
        spark.stop()
    found = {sql: before.get(sql) or fresh[sql] for sql in asked}
    lines = ",\n".join(f"{json.dumps(sql)}: {json.dumps(answer, ensure_ascii=False)}" for sql, answer in found.items())
    ANSWERS.write_text(f'{{"spark": {json.dumps(version)}, "answers": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
