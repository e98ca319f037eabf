"""The output of jobs: which, and in what form."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import QueryFlag, QueryWhole, Text, about, between, length
from api.native.job_request_schemas import MAX_NAME
from api.validation import StrictSchema


class LogQuery(StrictSchema):
    """Which output to read."""

    hostname = Text(validate=length(1, MAX_NAME), metadata=about("The agent; default: all of the job's hosts."))
    cursor = Text(validate=length(1, MAX_NAME), metadata=about("Of several hosts: those after this hostname."))
    limit = QueryWhole(
        load_default=20, validate=between(1, 100), metadata=about("Of several hosts: at most this many.")
    )
    failed = QueryFlag(load_default=False, metadata=about("Of several hosts: only failed, expired and lost ones."))
    offset = QueryWhole(
        load_default=0, validate=between(0, 2**53), metadata=about("Start at this byte offset of the output.")
    )


class OutputQuery(StrictSchema):
    """Which file to make of a job's output."""

    format = Text(
        load_default="jsonl",
        validate=validate.OneOf(["jsonl", "zip"], error="Must be one of {choices}."),
        metadata=about("jsonl: a line for each piece of output. zip: a file for each host."),
    )
    failed = QueryFlag(load_default=False, metadata=about("Only failed, expired and lost executions."))


class LogChunk(ma.Schema):
    """A piece of output."""

    offset = fields.Integer(required=True, metadata=about("Offset of its end: bytes of output of all streams so far."))
    stream = fields.String(required=True, metadata=about("stdout, stderr, or agent for the agent's own notices."))
    attempt = fields.Integer(required=True)
    text = fields.String(required=True, metadata=about("Invalid UTF-8 is replaced by U+FFFD."))
    base64 = fields.String(metadata=about("The bytes, only if they are not valid UTF-8."))


class HostLog(ma.Schema):
    """Output of one execution."""

    hostname = fields.String(required=True, metadata=about("Empty until an agent has claimed the execution."))
    status = fields.String(required=True, metadata=about("State of the execution."))
    complete = fields.Boolean(required=True, metadata=about("The output is complete."))
    cut = fields.Integer(required=True, metadata=about("Bytes after the offset that are no longer stored."))
    next_offset = fields.Integer(required=True, metadata=about("Offset of the next page."))
    chunks = fields.List(fields.Nested(LogChunk), required=True)


class LogAnswer(ma.Schema):
    """Output of one execution, or of several hosts: then `hosts`, `total` and `next_cursor` instead of the rest."""

    job_id = fields.UUID(required=True)
    hostname = fields.String(metadata=about("Empty until an agent has claimed the execution."))
    status = fields.String(metadata=about("State of the execution."))
    complete = fields.Boolean(metadata=about("The output is complete."))
    cut = fields.Integer(metadata=about("Bytes after the offset that are no longer stored."))
    next_offset = fields.Integer(metadata=about("Offset of the next page."))
    chunks = fields.List(fields.Nested(LogChunk))
    hosts = fields.List(fields.Nested(HostLog), metadata=about("The beginning of each host's output; see `offset`."))
    total = fields.Integer(metadata=about("Number of hosts."))
    next_cursor = fields.String(allow_none=True, metadata=about("null on the last page."))
