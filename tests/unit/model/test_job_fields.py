"""The table of a job's fields."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib.resources import files

import pytest

from jobqueue.cli.commands.job_submission import submit
from jobqueue.client import Client
from jobqueue.model.job import Job
from jobqueue.model.job_fields import ARGUMENTS, FIELDS, REQUESTED, SAVED, STORED, JobFields, arguments_of, document_of
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.submission import Submission


def test_the_names_in_the_hash_are_those_of_the_first_version() -> None:
    assert {field.name: field.stored for field in STORED} == {
        "operation": "op",
        "target": "target",
        "title": "title",
        "expires_at": "expires",
        "retries": "retry",
        "priority": "prio",
        "tags": "tags",
        "alias": "alias",
        "exclusive": "exclusive",
        "groups": "groups",
        "concurrency": "conc",
        "inner_operations": "ops",
    }


def test_submissions_and_jobs_have_every_field() -> None:
    names = {field.name for field in FIELDS}
    for kind in (Submission, Job):
        assert issubclass(kind, JobFields)
        assert names <= {field.name for field in dataclasses.fields(kind)}


def test_the_client_and_the_command_line_take_every_field_of_a_request() -> None:
    keywords = inspect.signature(Client.submit).parameters
    options = {parameter.name for parameter in submit.params}
    written = {"timeout_seconds": "timeout", "rollout": "batch", "concurrency": "concurrency_key"}
    for field in REQUESTED:
        assert field.name in keywords
        assert written.get(field.name, field.name) in options


def test_a_saved_job_has_what_a_caller_sets_for_all_runs() -> None:
    options = ["title", "description", "timeout_seconds", "retries", "priority", "tags", "rollout", "concurrency"]
    assert [field.name for field in SAVED] == ["operation", "data", "target", *options]


def test_a_document_has_what_was_given_and_no_defaults() -> None:
    assert document_of(JobFields("op.x")) == {"operation": "op.x", "data": {}, "target": "_any"}
    full = JobFields(
        "op.x",
        {"n": 1},
        "web1",
        title="Nightly",
        timeout_seconds=1.5,
        not_before=7,
        retries=RetryPolicy(2),
        priority=9,
        tags={"a": "b"},
        among=("web1",),
        request={},
        retry_of="j",
    )
    assert document_of(full) == {
        "operation": "op.x",
        "data": {"n": 1},
        "target": "web1",
        "title": "Nightly",
        "timeout_seconds": 1.5,
        "not_before": 7,
        "retries": {"max_attempts": 2, "backoff_seconds": 1.0, "backoff_max_seconds": 300.0, "jitter": 0.1},
        "tags": {"a": "b"},
        "among": ["web1"],
        "request": {},
        "retry_of": "j",
    }


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [
        ("title", None, ""),
        ("not_before", 0, 0),
        ("retries", RetryPolicy(3, 1.0, 300.0, 0.1), "3|1.0|300.0|0.1"),
        ("tags", {"a": "b", "c": "d:e"}, "a:b\nc:d:e"),
        ("tags", {}, ""),
        ("groups", ("x", "y"), "x\ny"),
        ("priority", 4, 4),
    ],
)
def test_arguments_of_scripts(name: str, value: object, argument: str | int) -> None:
    (field,) = [field for field in ARGUMENTS if field.name == name]
    assert field.argument_value(value) == argument


def test_arguments_are_those_of_each_field() -> None:
    job = JobFields("op.x", {"n": 1}, tags={"a": "b"}, groups=("x",), retries=RetryPolicy(3, 1.0, 300.0, 0.1))
    assert arguments_of(job) == [field.argument_value(getattr(job, field.name)) for field in ARGUMENTS]


def test_the_indexes_are_those_of_the_ledger() -> None:
    script = (files("jobqueue.ledger") / "lua" / "include" / "index.lua").read_text("utf-8")
    read = set(re.findall(r"'(\w+)'", script.partition("HMGET")[2].partition(")")[0]))
    assert {field.stored for field in FIELDS if field.is_indexed} == read - {"host", "fanout"}
