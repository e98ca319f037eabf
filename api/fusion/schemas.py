"""The body of a status that a driver reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import validate

from api import validation
from api.fusion.reports import Status
from api.fusion.requests import run_id
from api.fusion.run_state import RunState
from api.fusion.times import micros
from api.native.fields import Data, Text, Whole
from jobqueue.errors import InvalidInput
from jobqueue.model.external_run import END, START
from jobqueue.model.target import check_hostname
from jobqueue.model.timestamps import to_iso

_STATES = [state.value for state in RunState]


class _Time(Text):
    """A time in ISO 8601, loaded as one in UTC with milliseconds and ``Z``."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return to_iso(micros(value))


class StatusRequest(validation.StrictSchema):
    """A run's status. ``jobConfig`` and ``result`` hold any fields; missing fields keep their last reported values."""

    state = Text(
        required=True, validate=validate.OneOf(_STATES, error=f"Unknown state; the states are {', '.join(_STATES)}.")
    )
    run_id = Text(required=True, data_key="jobId")
    config = Data(data_key="jobConfig")
    hostname = Text()
    result = Data()
    start_time = _Time(data_key=START)
    end_time = _Time(data_key=END)
    duration = Whole(validate=validate.Range(min=0, error="Must not be negative: it is in milliseconds."))


_schema = StatusRequest()


def read_status(body: Mapping[str, Any]) -> Status:
    """A driver's report. Raises ``InvalidInput``."""
    # null: the driver does not know the value yet
    fields_given = {name: value for name, value in body.items() if value is not None}
    loaded = validation.load(_schema, fields_given)
    if START in fields_given and END in fields_given and micros(fields_given[END]) < micros(fields_given[START]):
        raise InvalidInput.of(END, "Is before startTime; swap them.")
    more = {START: loaded.get("start_time"), END: loaded.get("end_time"), "duration": loaded.get("duration")}
    return Status(
        run_id=run_id(loaded["run_id"]),
        state=RunState(loaded["state"]),
        config=loaded.get("config"),
        hostname=check_hostname(loaded["hostname"]) if loaded.get("hostname") else "",
        result=loaded.get("result"),
        more={name: value for name, value in more.items() if value is not None},
    )
