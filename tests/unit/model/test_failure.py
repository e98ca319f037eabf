from __future__ import annotations

import pytest

from jobqueue.model.failure import MOST_NAMED, Failure, group_failures, masked


def failure(hostname: str, error: str, at: int = 1, **more: str) -> Failure:
    return Failure(**{"job_id": "j1", "operation": "op.x", "title": ""} | more, hostname=hostname, error=error, at=at)


@pytest.mark.parametrize(
    ("error", "hostname", "expected"),
    [
        ("exit code 7 after 1.25 s", "", "exit code N after N s"),
        ("web1: no space left on web1", "web1", "HOST: no space left on HOST"),
        ("web10 is not web1", "web1", "webN is not HOST"),
        ("job 123e4567-e89b-42d3-a456-426614174000 is gone", "", "job ID is gone"),
        ("", "web1", ""),
    ],
)
def test_what_differs_is_masked(error: str, hostname: str, expected: str) -> None:
    assert masked(error, hostname) == expected


def test_the_same_error_on_many_hosts_is_one_group() -> None:
    found = [failure(f"web{n}", f"web{n}: exit code {n}", at=100 - n) for n in range(30)]
    other = failure("db1", "no space left", at=200)
    groups = group_failures([other, *found])
    assert [(group.executions, group.host_count) for group in groups] == [(30, 30), (1, 1)]
    large = groups[0]
    assert large.error == "web0: exit code 0"  # as it was, of the newest
    assert large.hosts == tuple(f"web{n}" for n in range(MOST_NAMED))
    assert (large.first, large.last) == (71, 100)
    assert (large.job_count, large.job_ids) == (1, ("j1",))


def test_operations_and_titles_are_apart() -> None:
    groups = group_failures(
        [failure("a", "e"), failure("a", "e", title="Deploy"), failure("a", "e", operation="op.y"), failure("b", "e")]
    )
    assert [(group.operation, group.title, group.executions) for group in groups] == [
        ("op.x", "", 2), ("op.x", "Deploy", 1), ("op.y", "", 1),
    ]  # fmt: skip
