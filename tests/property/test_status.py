"""A job's status from its executions: the rule in Python and the rule inside Redis are the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from importlib.resources import files

import fakeredis
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import complete
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus, derive_status, is_allowed

STATES = tuple(ExecutionState)
_INCLUDES = files("jobqueue.ledger") / "lua" / "include"
_INCLUDE = "".join((_INCLUDES / f"{name}.lua").read_text("utf-8") for name in ("clock", "status"))
#: The rule, and a loop over many cases.
_SCRIPT = complete(
    _INCLUDE
    + """
local found = {}
for first = 1, #ARGV, #STATES do
  found[#found + 1] = derive_status({unpack(ARGV, first, first + #STATES - 1)})
end
return found
""",
    Keys("x:"),
)


def lua_statuses(client: redis.Redis, cases: Iterable[tuple[int, ...]]) -> list[JobStatus]:
    arguments = [count or "" for case in cases for count in case]  # a count of none is not stored
    return [JobStatus(answer) for answer in client.eval(_SCRIPT, 0, *(value or 0 for value in arguments))]


def check(client: redis.Redis, cases: list[tuple[int, ...]]) -> None:
    expected = [derive_status(dict(zip(STATES, case, strict=True))) for case in cases]
    assert lua_statuses(client, cases) == expected


@pytest.fixture(scope="module")
def fake() -> redis.Redis:
    return fakeredis.FakeRedis(decode_responses=True)


def test_both_rules_agree_on_every_mixture(fake: redis.Redis) -> None:
    check(fake, list(itertools.product((0, 1), repeat=len(STATES))))


@pytest.mark.realredis
def test_in_the_real_lua_too(real_client: redis.Redis) -> None:
    check(real_client, list(itertools.product((0, 1, 2), repeat=len(STATES)))[::5])


counts = st.dictionaries(st.sampled_from(STATES), st.integers(1, 10_000), min_size=1)


@given(counts)
def test_the_rule_as_the_design_words_it(found: dict[ExecutionState, int]) -> None:
    states = set(found)
    status = derive_status(found)
    if states == {ExecutionState.SUBMITTED}:
        assert status is JobStatus.SUBMITTED
    elif any(not state.is_final for state in states):
        assert status is JobStatus.PROCESSING
    elif states == {ExecutionState.SKIPPED}:
        assert status is JobStatus.SKIPPED
    elif not states & FAILURES:
        assert status is (JobStatus.CANCELLED if ExecutionState.CANCELLED in states else JobStatus.COMPLETED)
    elif ExecutionState.COMPLETED in states:
        assert status is JobStatus.PARTIAL_FAILURE
    else:
        assert status is JobStatus.FAILED


@given(counts)
def test_a_job_is_final_exactly_when_all_of_it_is(found: dict[ExecutionState, int]) -> None:
    assert derive_status(found).is_final == all(state.is_final for state in found)


@given(st.lists(st.sampled_from(STATES), max_size=8))
def test_no_path_leads_out_of_a_final_state(path: list[ExecutionState]) -> None:
    state = ExecutionState.SUBMITTED
    ended: ExecutionState | None = None
    for wanted in path:
        if is_allowed(state, wanted):
            assert ended is None
            state = wanted
            ended = state if state.is_final else None
