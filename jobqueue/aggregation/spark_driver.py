"""The program that ``spark-submit`` runs: one plan, one SELECT, its rows as Parquet.

It imports nothing from jobqueue, because Spark's Python may not be the agent's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(plan_path: str) -> int:
    """Run the plan; gives the exit code."""
    from pyspark.sql import SparkSession

    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    spark = SparkSession.builder.appName("jobqueue aggregation").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        for name, path in plan["files"].items():
            spark.read.parquet(path).createOrReplaceTempView(f"`{name}`")
        for name, sql in plan["views"]:
            spark.sql(sql).createOrReplaceTempView(name)
        spark.sql(plan["query"]).write.parquet(plan["rows"])
    except Exception as error:  # noqa: BLE001 - any error of Spark is for the SQL's author
        Path(plan["error"]).write_text(str(error), encoding="utf-8")
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
