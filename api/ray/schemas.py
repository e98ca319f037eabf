"""Request schemas of Ray's routes."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from marshmallow import ValidationError, validate

from api.native.fields import Data, Number, QueryWhole, Text, Whole
from api.native.job_query_schemas import JobQuery
from api.ray.status import RayStatus
from api.validation import MAX_PROBLEMS, StrictSchema
from jobqueue.model.target import LABEL_KEY_PATTERN
from jobqueue.operations.schema import MAX_ENTRIES

#: The longest listing, and how long it is by default: Ray's client asks for all jobs there are.
MAX_LISTED = 1000
#: Every job that is skipped is read.
MAX_OFFSET = 10_000
MAX_RESOURCES = 20
#: Labels that a job selects its agents by; each is compared with those of every agent.
MAX_SELECTORS = 64
MOST_OF_A_RESOURCE = 1_000_000
_RESOURCE_NAME = re.compile(LABEL_KEY_PATTERN)
_NO_GPUS = "Agents cannot reserve GPUs; leave it out, or choose the agents by their labels (entrypoint_label_selector)."


class Strings(Data):
    """A flat JSON object of at most ``most`` strings."""

    default_error_messages = {"invalid": "Must be a JSON object of strings."}  # noqa: RUF012

    def __init__(self, most: int = MAX_ENTRIES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        strings = super()._deserialize(value, attr, data, **kwargs)
        if len(strings) > self._most:
            raise ValidationError(f"Must have at most {self._most} entries, not {len(strings)}.")
        wrong = (key for key, text in strings.items() if not isinstance(text, str))
        problems = {key: ["Must be a string."] for key in islice(wrong, MAX_PROBLEMS)}
        if problems:
            raise ValidationError(problems)
        return strings


class Resources(Data):
    """Amounts by the name of a resource: a label of agents whose value is a number."""

    default_error_messages = {"invalid": "Must be a JSON object of numbers."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        resources = super()._deserialize(value, attr, data, **kwargs)
        problems = {
            name: [problem]
            for name, amount in islice(resources.items(), MAX_RESOURCES)
            if (problem := _fault(name, amount))
        }
        if len(resources) > MAX_RESOURCES:
            problems["_"] = [f"At most {MAX_RESOURCES} resources."]
        if problems:
            raise ValidationError(problems)
        return resources


def _fault(name: str, amount: Any) -> str | None:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount <= MOST_OF_A_RESOURCE:
        return f"Must be a number from 0 to {MOST_OF_A_RESOURCE:,}."
    if name in ("CPU", "GPU", "memory") or not _RESOURCE_NAME.fullmatch(name):
        return (
            "Must be named like a label of an agent: letters, digits and . _ - / inside, at most 63; CPU, GPU and "
            "memory have fields of their own."
        )
    return None


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
    entrypoint_resources = Resources(load_default=dict)
    entrypoint_label_selector = Strings(MAX_SELECTORS, load_default=dict)


class YuanrongSubmitRequest(SubmitRequest):
    """The same with the additional fields of openYuanrong, which have no counterpart here."""

    labels = Text()
    createOptions = Strings()  # noqa: N815 (the name on the wire)
    function_id = Text()


class RayJobQuery(JobQuery):
    """Which jobs to list. Ray's own server has no such parameters."""

    class Meta(JobQuery.Meta):
        exclude = ("view",)

    status = Text(validate=validate.OneOf([str(status) for status in RayStatus], error="Must be one of {choices}."))
    limit = QueryWhole(load_default=MAX_LISTED, validate=validate.Range(1, MAX_LISTED, error="Must be {min} to {max}."))
    offset = QueryWhole(
        load_default=0, validate=validate.Range(0, MAX_OFFSET, error="Must be {min} to {max}; use the cursor for more.")
    )
