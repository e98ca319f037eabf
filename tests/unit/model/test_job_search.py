"""Which jobs a text, an error or a submitter finds."""

from __future__ import annotations

import pytest

from jobqueue.model.job import Execution, Job
from jobqueue.model.job_search import JobSearch
from jobqueue.model.states import ExecutionState, JobStatus

JOB = Job(
    id="6f1c2f8e-0000-4000-8000-000000000001",
    status=JobStatus.FAILED,
    created=1,
    updated=2,
    operation="command.shell.execute",
    data={"command": "secret sauce"},
    target="group:web",
    title="Nightly Backup",
    tags={"team": "ops"},
    submitted_by="ann",
    alias="raysubmit_1",
    executions=(Execution("web7", "web7", ExecutionState.FAILED, error="Disk FULL on /var"),),
)


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        (JobSearch(), True),
        (JobSearch("backup"), True),
        (JobSearch("shell"), True),
        (JobSearch("group:web"), True),
        (JobSearch("WEB7"), True),
        (JobSearch("team:ops"), True),
        (JobSearch("ann"), True),
        (JobSearch("disk full"), True),
        (JobSearch("raysubmit"), True),
        (JobSearch("6f1c2f"), True),
        (JobSearch("2f8e"), False),
        (JobSearch("sauce"), False),  # data is not searched
        (JobSearch(submitted_by="ann"), True),
        (JobSearch(submitted_by="an"), False),
        (JobSearch(error="full on"), True),
        (JobSearch(error="backup"), False),
        (JobSearch("backup", "ann", "full"), True),
        (JobSearch("backup", "bob", "full"), False),
    ],
)
def test_matches(search: JobSearch, is_found: bool) -> None:
    assert search.matches(JOB) is is_found
