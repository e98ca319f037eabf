"""Spark, by spark-submit: for collections that outgrow one process. Spark's own configuration selects the cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobqueue.aggregation import spark_driver
from jobqueue.aggregation.collections import database
from jobqueue.aggregation.engine import View
from jobqueue.aggregation.query import Query
from jobqueue.aggregation.spark_sql.translate import translate
from jobqueue.errors import InvalidInput, OperationFailed

#: What a configuration may set: the size of its run. Spark has settings that run code or read files; the agent's owner
#: sets those.
ALLOWED_CONFIG = (
    "spark.cores.max",
    "spark.default.parallelism",
    "spark.driver.cores",
    "spark.driver.memory",
    "spark.executor.cores",
    "spark.executor.instances",
    "spark.executor.memory",
    "spark.sql.shuffle.partitions",
)
_OWN_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
}


class SparkEngine:
    """Runs the query by ``spark-submit``, whose output goes where this process's goes."""

    name = "spark"

    def __init__(self, config: Mapping[str, str]) -> None:
        """``config``: the configuration's ``sparkConfig``; raises ``InvalidInput`` for what it may not set."""
        for name in config:
            if name not in ALLOWED_CONFIG:
                raise InvalidInput(f"sparkConfig: {name} cannot be set here; allowed are {', '.join(ALLOWED_CONFIG)}.")
        self._config = dict(config)
        self._submit = find_spark_submit()

    def select(self, files: Mapping[str, Path], views: Sequence[View], query: Query, folder: Path) -> list[Path]:
        # SQL that is refused on DuckDB is refused here with the same message
        with database.connect(folder) as connection:
            translate(connection, files, [(view.name, view.query) for view in views], query)
        plan = {
            "files": {name: str(path) for name, path in files.items()},
            "views": [[view.name, view.query.for_spark()] for view in views],
            "query": query.for_spark(),
            "rows": str(folder / "rows"),
            "error": str(folder / "error.txt"),
        }
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        # in this process's own group: stopping this process also stops Spark
        done = subprocess.run(self._argv(folder), cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            error = folder / "error.txt"
            reason = error.read_text(encoding="utf-8") if error.exists() else f"it ended with code {done.returncode}"
            raise OperationFailed(f"Spark could not run the sql: {' '.join(reason.split())[:1000]}")
        return sorted((folder / "rows").glob("*.parquet"))

    def _argv(self, folder: Path) -> list[str]:
        settings = {**self._config, **_OWN_CONFIG, "spark.local.dir": str(folder / "local")}
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        return [self._submit, *options, str(spark_driver.__file__), str(folder / "plan.json")]


def find_spark_submit() -> str:
    """The command; raises ``OperationFailed`` that says what to install."""
    homes = [Path(os.environ["SPARK_HOME"])] if os.environ.get("SPARK_HOME") else []
    spec = importlib.util.find_spec("pyspark")
    if spec is not None and spec.origin is not None:
        homes.append(Path(spec.origin).parent)
    for home in homes:
        if (home / "bin" / "spark-submit").is_file():
            return str(home / "bin" / "spark-submit")
    path = shutil.which("spark-submit")
    if path is None:
        raise OperationFailed(
            "This host has no Spark: install Java, and pyspark (pip install '.[pyspark]' in a clone of jobqueue), or "
            "set SPARK_HOME for the agent."
        )
    return path


def _environment() -> dict[str, str]:
    return {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, **os.environ}
