"""Aggregations over the collections in the agent's data directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, ValidationError, fields, validate, validates_schema

from jobqueue.errors import InvalidInput, OperationFailed
from jobqueue.operations.base import OTHER_CODE, operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Document, Flag, Items, Schema, Text

_MAX_SQL_LENGTH = 1_000_000


class PairSchema(Schema):
    key = Text(required=True, validate=validate.Length(1))
    value = Document(required=True)


class RunSchema(Schema):
    """The fields that mean something; a configuration may have any others."""

    class Meta:
        unknown = INCLUDE

    id = Text(allow_none=True, validate=validate.Length(max=1000))
    inputCollection = Text(required=True)  # noqa: N815 - as the configurations have it
    sql = Document(required=True, validate=validate.Length(1, _MAX_SQL_LENGTH))
    rollupSql = Document(allow_none=True, validate=validate.Length(max=_MAX_SQL_LENGTH))  # noqa: N815
    sparkSQL = Document(allow_none=True, validate=validate.Length(max=_MAX_SQL_LENGTH))  # noqa: N815
    outputCollection = Text(  # noqa: N815
        allow_none=True, metadata={"description": "Default: the input collection's name with _aggr; - writes nothing."}
    )
    referenceTime = Text(allow_none=True, metadata={"description": "Default: the time of the run."})  # noqa: N815
    sourceCatchup = Flag()  # noqa: N815
    sourceRemove = Flag()  # noqa: N815
    skipCheckEnabled = Flag()  # noqa: N815
    skipJobIfSignalsEmpty = Flag()  # noqa: N815
    useNaturalKey = Flag()  # noqa: N815
    parameters = Items(fields.Nested(PairSchema), allow_none=True)
    sparkConfig = Items(fields.Nested(PairSchema), allow_none=True)  # noqa: N815
    selectQuery = Text(allow_none=True)  # noqa: N815
    dataFormat = Text(allow_none=True)  # noqa: N815
    timestampFieldName = Text(allow_none=True)  # noqa: N815
    engine = Text(allow_none=True)
    run_id = Text(
        allow_none=True,
        validate=validate.Length(max=1000),
        metadata={"description": "Runs with the same id write their rows once."},
    )
    last_run = Text(allow_none=True, metadata={"description": "The last run's reference time, for sourceCatchup."})

    @validates_schema
    def _consistent(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        from jobqueue.aggregation.config import AggregationConfig
        from jobqueue.aggregation.submission import check_sql

        try:
            check_sql(AggregationConfig.parse(data))
        except InvalidInput as error:
            raise ValidationError(error.message) from error


@operation(
    "aggregation.run",
    schema=RunSchema,
    changes=True,
    idempotent=True,  # a run's rows and the record that it has written them come in one step
    permission="spark:execute",
    isolated=True,
    takes_facts=False,
    extra="aggregation",
    code={"sql": OTHER_CODE, "rollupSql": OTHER_CODE, "sparkSQL": OTHER_CODE},
)
def run(data: dict[str, Any], context: Context) -> Outcome:
    """Aggregate a collection by SQL in Spark's dialect, and merge the rows into another one."""
    from jobqueue.aggregation.collections.collections import Collections
    from jobqueue.aggregation.config import AggregationConfig
    from jobqueue.aggregation.run import Surroundings, run_aggregation

    if context.settings is None:
        raise OperationFailed("This agent has no data directory.")
    config = AggregationConfig.parse({**data, "run_id": data.get("run_id") or context.job_id})
    around = Surroundings(
        collections=Collections(context.settings.data_dir),
        hostname=context.hostname,
        log=lambda line: context.output("stdout", f"{line}\n".encode()),
        finishing=lambda: context.report({"phase": "finishing"}),
    )
    result = run_aggregation(config, around)
    return Outcome(result, changed=config.output_collection is not None or config.source_remove)
