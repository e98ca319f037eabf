"""The checker finds each broken promise in a hand-made ledger, and nothing in a good one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.chaos import checker
from tests.chaos.book import Promise
from tests.chaos.checker import check
from tests.chaos.plan import Request
from tests.chaos.snapshot import Snapshot

ONE = "11111111-1111-4111-8111-111111111111"
ALL = "22222222-2222-4222-8222-222222222222"
GONE = "33333333-3333-4333-8333-333333333333"


@dataclass
class Story:
    """A ledger at rest with what clients and counter files say about it; each test spoils one thing."""

    ledger: Snapshot = field(default_factory=Snapshot)
    promises: list[Promise] = field(default_factory=list)
    runs: dict[tuple[int, str], Counter[str]] = field(default_factory=dict)

    def found(self) -> set[str]:
        return {violation.kind for violation in check(self.ledger, self.promises, self.runs)}

    def job(self, job_id: str = ONE) -> dict[str, str]:
        job: dict[str, str] = self.ledger.kinds["job"][job_id]
        return job

    def execution(self, job_id: str = ONE, slot: str = "a1") -> dict[str, str]:
        execution: dict[str, str] = self.ledger.kinds["exec"][f"{slot}:{job_id}"]
        return execution

    def request(self, number: int, operation: str = "chaos.once.do", attempts: int = 0) -> Request:
        options = {"retries": {"max_attempts": attempts}} if attempts else {}
        return Request(at=0.0, number=number, operation=operation, target="a1", seconds=0.0, options=options)


def fields(text: str) -> dict[str, str]:
    """ "status=completed op=x.y" as the fields of a record."""
    return dict(pair.split("=", 1) for pair in text.split())


def events(*texts: str) -> dict[str, str]:
    numbered = {f"e{number}": text for number, text in enumerate(texts, 1)}
    return {**numbered, "events": str(len(texts)), "last": texts[-1].partition("|")[0]}


@pytest.fixture
def story() -> Story:
    """One job that ran on a1, and a broadcast that completed on a1 after a retry and was lost on a2."""
    story = Story()
    kinds = story.ledger.kinds
    kinds["agents"][""] = {"a1": 1.0, "a2": 1.0}
    kinds["agent"] = {"a1": {}, "a2": {}}
    kinds["stats"][""] = {"leases_lost": "2"}

    kinds["doc"][ONE] = "{}"
    kinds["job"][ONE] = {
        **fields("status=completed created=100 updated=130 op=x.y target=_any prio=4"),
        **fields("tags=n:0 slot=a1 shared=1 host=a1 n.completed=1"),
        **events("100|submitted|_api"),
    }
    kinds["exec"][f"a1:{ONE}"] = {
        **fields("state=completed attempt=1 token=t"),
        **events("110|acknowledged|a1|", "110|started|a1|", "130|completed|a1|"),
    }
    kinds["out"][f"a1:{ONE}"] = '{"data": {"attempt": 1, "hostname": "a1"}, "changed": true}'
    kinds["idem"]["request-0"] = f"abc|{ONE}|100|seal"

    kinds["doc"][ALL] = "{}"
    kinds["slots"][ALL] = ["a1", "a2"]
    kinds["job"][ALL] = {
        **fields("status=partial_failure created=200 updated=290 op=x.y target=_all prio=4"),
        **fields("tags=n:1 fanout=2 n.completed=1 n.lost=1"),
        **events("200|submitted|_api"),
    }
    kinds["exec"][f"a1:{ALL}"] = {
        **fields("state=completed attempt=2 token=t"),
        **events(
            *("210|acknowledged|a1|", "210|started|a1|", "220|retried|a1|fell silent"),
            *("230|acknowledged|a1|", "230|started|a1|", "240|completed|a1|"),
        ),
    }
    kinds["exec"][f"a2:{ALL}"] = {
        **fields("state=lost attempt=1 token=u"),
        **events("210|acknowledged|a2|", "210|started|a2|", "290|lost|a2|fell silent"),
    }
    kinds["out"][f"a1:{ALL}"] = '{"data": {"attempt": 2, "hostname": "a1"}, "changed": true}'

    kinds["index"] = {
        "all:|completed": {ONE: 100.0},
        "op:x.y|completed": {ONE: 100.0},
        "target:_any|completed": {ONE: 100.0},
        "tag:n:0|completed": {ONE: 100.0},
        "host:a1|completed": {ONE: 100.0},
        "all:|partial_failure": {ALL: 200.0},
        "op:x.y|partial_failure": {ALL: 200.0},
        "target:_all|partial_failure": {ALL: 200.0},
        "tag:n:1|partial_failure": {ALL: 200.0},
        "broadcast:a1|": {ALL: 200.0},
        "broadcast:a2|": {ALL: 200.0},
    }
    kinds["finished"][""] = {ONE: 130.0, ALL: 290.0}
    story.promises = [
        Promise(story.request(0), "accepted", ONE),
        Promise(story.request(1, attempts=2), "accepted", ALL),
    ]
    story.runs = {(0, "a1"): Counter({"1": 1}), (1, "a1"): Counter({"1": 1, "2": 1}), (1, "a2"): Counter({"1": 1})}
    return story


def test_a_good_ledger(story: Story) -> None:
    assert check(story.ledger, story.promises, story.runs) == []


def test_a_job_that_runs_is_listed_with_those_that_wait() -> None:
    assert checker._listed_as("all:", "processing") == "processing"
    assert checker._listed_as("op:x", "processing") == "submitted"
    assert checker._listed_as("op:x", "failed") == "failed"


def test_what_ran_without_leaving_a_trace_and_was_lost_is_fine(story: Story) -> None:
    del story.runs[1, "a2"]
    assert story.found() == set()


def test_failed_and_lost_executions_keep_their_info(story: Story) -> None:
    story.ledger.kinds["out"][f"a2:{ALL}"] = '{"failure": {"exit_code": 1}, "info": {"phase": "running"}}'
    assert story.found() == set()


def test_deleted_and_unanswered_requests_may_be_gone(story: Story) -> None:
    story.promises += [
        Promise(story.request(2), "accepted", GONE, deleted=True, maybe_deleted=True),
        Promise(story.request(3), "unknown"),
        Promise(story.request(4), "refused"),
    ]
    story.runs[2, "a1"] = Counter({"1": 1})
    assert story.found() == set()


def _lose_a_job(story: Story) -> None:
    story.promises.append(Promise(story.request(2), "accepted", GONE))


def _double_a_job(story: Story) -> None:
    story.job(ALL)["tags"] = "n:0"


def _invent_a_job(story: Story) -> None:
    story.promises.pop()


def _keep_a_deleted_job(story: Story) -> None:
    story.promises[0].deleted = True


def _accept_what_was_refused(story: Story) -> None:
    story.promises[0].outcome = "refused"


def _leave_it_running(story: Story) -> None:
    story.execution()["state"] = "started"


def _end_it_twice(story: Story) -> None:
    story.execution().update(events("110|acknowledged|a1|", "110|started|a1|", "120|failed|a1|", "130|completed|a1|"))


def _skip_a_step(story: Story) -> None:
    story.execution().update(events("130|completed|a1|"))


def _start_without_an_event(story: Story) -> None:
    story.execution()["attempt"] = "2"


def _tear_a_gap(story: Story) -> None:
    del story.execution()["e2"]


def _turn_time_back(story: Story) -> None:
    story.execution()["e2"] = "90|started|a1|"


def _update_it_too_early(story: Story) -> None:
    story.job()["updated"] = "120"


def _finish_before_the_creation(story: Story) -> None:
    story.ledger.kinds["finished"][""][ONE] = 1.0


def _miscount(story: Story) -> None:
    story.job(ALL)["n.lost"] = "2"


def _miscount_what_is_not_there(story: Story) -> None:
    story.job(ALL)["n.failed"] = "1"


def _contradict_the_executions(story: Story) -> None:
    story.job()["status"] = "failed"


def _miss_in_an_index(story: Story) -> None:
    del story.ledger.kinds["index"]["broadcast:a2|"]


def _list_it_twice(story: Story) -> None:
    story.ledger.kinds["index"]["all:|processing"] = {ONE: 100.0}


def _list_it_elsewhen(story: Story) -> None:
    story.ledger.kinds["index"]["all:|completed"][ONE] = 101.0


def _forget_that_it_finished(story: Story) -> None:
    del story.ledger.kinds["finished"][""][ONE]


def _finish_an_unknown_job(story: Story) -> None:
    story.ledger.kinds["finished"][""][GONE] = 130.0


def _leave_a_lease(story: Story) -> None:
    story.ledger.kinds["leases"][""] = {f"{ONE}:a1": 200.0}


def _leave_it_due(story: Story) -> None:
    story.ledger.kinds["due"][""] = {f"{ONE}:a1": 200.0}


def _leave_a_deadline(story: Story) -> None:
    story.ledger.kinds["deadlines"][""] = {ONE: 200.0}


def _leave_it_waiting(story: Story) -> None:
    story.ledger.kinds["waiting"]["a1"] = {ONE: 200.0}


def _leave_a_message(story: Story) -> None:
    story.ledger.kinds["queue"]["a1"] = ["{}"]


def _leave_an_execution(story: Story) -> None:
    story.ledger.kinds["exec"][f"a1:{GONE}"] = story.execution()


def _leave_an_answer(story: Story) -> None:
    story.ledger.kinds["out"][f"a1:{GONE}"] = "{}"


def _leave_a_document(story: Story) -> None:
    story.ledger.kinds["doc"][GONE] = "{}"


def _leave_slots(story: Story) -> None:
    story.ledger.kinds["slots"][GONE] = ["a1"]


def _leave_an_unclaimed_log(story: Story) -> None:
    story.ledger.kinds["agent_log"]["a9"] = ["1|Ready"]


def _leave_an_idempotency_key(story: Story) -> None:
    story.ledger.kinds["idem"]["request-9"] = f"abc|{GONE}|100|seal"


def _leave_a_key_of_no_kind(story: Story) -> None:
    story.ledger.strange.append("jobqueue:what:is:this")


def _lose_a_document(story: Story) -> None:
    del story.ledger.kinds["doc"][ONE]


def _lose_an_execution(story: Story) -> None:
    del story.ledger.kinds["exec"][f"a2:{ALL}"]


def _lose_an_answer(story: Story) -> None:
    del story.ledger.kinds["out"][f"a1:{ONE}"]


def _answer_for_what_was_lost(story: Story) -> None:
    story.ledger.kinds["out"][f"a2:{ALL}"] = '{"data": {}, "changed": false}'


def _run_twice(story: Story) -> None:
    story.runs[0, "a1"] = Counter({"1": 1, "2": 1})


def _run_an_attempt_twice(story: Story) -> None:
    story.runs[1, "a1"] = Counter({"1": 2})


def _run_twice_without_saying_so(story: Story) -> None:
    story.runs[0, "a1"] = Counter({"-": 2})


def _run_on_two_hosts(story: Story) -> None:
    story.runs[0, "a2"] = Counter({"1": 1})


def _run_elsewhere(story: Story) -> None:
    story.runs[1, "a3"] = Counter({"1": 1})


def _try_more_often_than_allowed(story: Story) -> None:
    story.promises[1] = Promise(story.request(1), "accepted", ALL)


def _run_without_a_job(story: Story) -> None:
    story.promises.append(Promise(story.request(2), "refused"))
    story.runs[2, "a1"] = Counter({"1": 1})


def _complete_without_running(story: Story) -> None:
    del story.runs[0, "a1"]


def _answer_for_another_attempt(story: Story) -> None:
    story.ledger.kinds["out"][f"a1:{ALL}"] = '{"data": {"attempt": 1, "hostname": "a1"}, "changed": true}'


def _roll_out(story: Story, limit: int) -> None:
    """The broadcast was one batch of a1, then one of a2, with a third host that was never opened."""
    story.job(ALL).update({"rollout": f"0|1|{limit}|0|auto|stop", "opened": "2", "gate": "2", "n.cancelled": "1"})
    story.job(ALL)["rest"] = "cancelled|290|the rollout stopped"
    story.ledger.kinds["slots"][ALL] = ["a1", "a2", "a3"]
    record = story.ledger.kinds["exec"][f"a2:{ALL}"]
    record.update(events("250|acknowledged|a2|", "250|started|a2|", "290|lost|a2|fell silent"))


def test_a_good_rollout(story: Story) -> None:
    _roll_out(story, 1)
    assert check(story.ledger, story.promises, story.runs) == []


def _open_a_batch_early(story: Story) -> None:
    _roll_out(story, 1)
    story.ledger.kinds["exec"][f"a2:{ALL}"]["e1"] = "230|acknowledged|a2|"
    story.ledger.kinds["exec"][f"a2:{ALL}"]["e2"] = "230|started|a2|"


def _open_a_batch_behind_the_limit(story: Story) -> None:
    _roll_out(story, 0)


def test_a_good_rate(story: Story) -> None:
    story.job(ALL)["rate"] = "2|10"
    assert story.found() == set()


def _start_too_fast(story: Story) -> None:
    story.job(ALL)["rate"] = "1|10"


def test_a_run_that_failed_its_verification_keeps_its_data(story: Story) -> None:
    story.execution(ALL, "a2").update({"state": "failed", "e3": "290|failed|a2|the verification failed"})
    story.job(ALL).update({"n.failed": "1", "n.lost": "0"})
    story.ledger.kinds["out"][f"a2:{ALL}"] = '{"data": {}, "changed": false}'
    assert story.found() == {checker.RECORD}
    story.ledger.kinds["doc"][ALL] = '{"rollout": {"verify": {}}}'
    assert story.found() == set()


def _answer_for_another_host(story: Story) -> None:
    story.ledger.kinds["out"][f"a1:{ONE}"] = '{"data": {"attempt": 1, "hostname": "a2"}, "changed": true}'


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        pytest.param(spoil, kind, id=spoil.__name__.strip("_"))
        for kind, spoilers in {
            checker.LOST_JOB: [_lose_a_job],
            checker.DOUBLED_JOB: [_double_a_job],
            checker.STRANGE_JOB: [_invent_a_job, _keep_a_deleted_job, _accept_what_was_refused],
            checker.NOT_FINAL: [_leave_it_running],
            checker.FINAL_TWICE: [_end_it_twice],
            checker.TIMELINE: [_skip_a_step, _start_without_an_event, _tear_a_gap],
            checker.BACKWARDS: [_turn_time_back, _update_it_too_early, _finish_before_the_creation],
            checker.COUNTS: [_miscount, _miscount_what_is_not_there],
            checker.STATUS: [_contradict_the_executions],
            checker.INDEX: [
                *(_miss_in_an_index, _list_it_twice, _list_it_elsewhen),
                *(_forget_that_it_finished, _finish_an_unknown_job),
            ],
            checker.PENDING: [_leave_a_lease, _leave_it_due, _leave_a_deadline, _leave_it_waiting, _leave_a_message],
            checker.ORPHAN: [
                *(_leave_an_execution, _leave_an_answer, _leave_a_document, _leave_slots),
                *(_leave_an_unclaimed_log, _leave_an_idempotency_key, _leave_a_key_of_no_kind),
            ],
            checker.RECORD: [_lose_a_document, _lose_an_execution, _lose_an_answer, _answer_for_what_was_lost],
            checker.RAN_TOO_OFTEN: [
                *(_run_twice, _run_an_attempt_twice, _run_twice_without_saying_so, _run_on_two_hosts),
                *(_run_elsewhere, _try_more_often_than_allowed, _run_without_a_job),
            ],
            checker.NEVER_RAN: [_complete_without_running],
            checker.BATCH: [_open_a_batch_early, _open_a_batch_behind_the_limit],
            checker.RATE: [_start_too_fast],
            checker.STALE_ANSWER: [_answer_for_another_attempt, _answer_for_another_host],
        }.items()
        for spoil in spoilers
    ],
)
def test_it_is_found(story: Story, spoil: Callable[[Story], None], kind: str) -> None:
    spoil(story)
    assert kind in story.found()
