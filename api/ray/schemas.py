"""What Ray's routes take."""

from __future__ import annotations

from itertools import islice
from typing import Any

from marshmallow import ValidationError, validate

from api.native.fields import Data, Number, QueryWhole, Text, Whole
from api.native.schemas import JobQuery
from api.ray.status import RayStatus
from api.validation import MAX_PROBLEMS, StrictSchema

#: The longest listing, and how long it is by default: Ray's client asks for all jobs there are.
MAX_LISTED = 1000
#: Every job that is skipped is read.
MAX_OFFSET = 10_000
_NO_GPUS = (
    "Agents have no GPUs to give away; leave it out, or choose the agents by their labels (entrypoint_label_selector)."
)
_NO_RESOURCES = "Custom resources are not supported; choose the agents by their labels (entrypoint_label_selector)."


class Strings(Data):
    """A flat JSON object of strings."""

    default_error_messages = {"invalid": "Must be a JSON object of strings."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        wrong = (key for key, text in found.items() if not isinstance(text, str))
        problems = {key: ["Must be a string."] for key in islice(wrong, MAX_PROBLEMS)}
        if problems:
            raise ValidationError(problems)
        return found


def _no_resources(given: dict[str, Any]) -> None:
    if any(given.values()):
        raise ValidationError(_NO_RESOURCES)


_AT_LEAST_NOTHING = validate.Range(0, error="Must not be negative.")


class SubmitRequest(StrictSchema):
    """A job as Ray's client submits it."""

    entrypoint = Text(required=True, validate=validate.Regexp(r"\s*\S", error="Must not be empty; give a command."))
    submission_id = Text()
    job_id = Text()
    runtime_env = Data(load_default=dict)
    metadata = Strings(load_default=dict)
    entrypoint_num_cpus = Number(load_default=0.0, validate=_AT_LEAST_NOTHING)
    entrypoint_num_gpus = Number(validate=validate.Equal(0, error=_NO_GPUS))
    entrypoint_memory = Whole(load_default=0, validate=_AT_LEAST_NOTHING)
    entrypoint_resources = Data(validate=_no_resources)
    entrypoint_label_selector = Strings(load_default=dict)


class YuanrongSubmitRequest(SubmitRequest):
    """The same with what openYuanrong has besides, none of which has a counterpart here."""

    labels = Text()
    createOptions = Strings()  # noqa: N815 (the name on the wire)
    function_id = Text()


class RayJobQuery(JobQuery):
    """Which jobs to list. Ray's own server knows none of it."""

    class Meta(JobQuery.Meta):
        exclude = ("view",)

    status = Text(validate=validate.OneOf([str(status) for status in RayStatus], error="Must be one of {choices}."))
    limit = QueryWhole(load_default=MAX_LISTED, validate=validate.Range(1, MAX_LISTED, error="Must be {min} to {max}."))
    offset = QueryWhole(
        load_default=0, validate=validate.Range(0, MAX_OFFSET, error="Must be {min} to {max}; go on by cursor.")
    )
