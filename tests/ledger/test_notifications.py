"""Notifications: every event that a rule covers is delivered at least once and in order, whatever dies or fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis

from jobqueue.errors import (
    InvalidInput,
    NotificationNotFound,
    PermissionDenied,
    RecordAltered,
    RecordChanged,
)
from jobqueue.ledger.notifications import Settlement
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.alert import AGENTS_LOST, NOTIFICATIONS_LOST, RECORDS_ALTERED
from jobqueue.model.notification import Channel, EventFilter, Message, NotificationRule, RuleView
from jobqueue.model.principal import Principal
from jobqueue.model.rollout import Rollout
from jobqueue.model.schedule import Blackout, Owner, Pause
from jobqueue.model.states import ExecutionState
from jobqueue.services.notifications.deliverer import Deliverer
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.manager import NotificationManager
from jobqueue.services.notifications.notifier import LEASE_SECONDS, Notifier
from jobqueue.services.schedule_owner import OwnerReader
from tests.ledger.clock import SECOND
from tests.ledger.world import LEASE, World

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
ADMIN = Principal("admin", frozenset({"*"}), ("admin",), "token")
HOOK = Channel("webhook", "https://hooks.example.org/", secret="key")


class Receiver:
    """Stands for all channels: keeps what it took, and fails as it is told to."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.failure: DeliveryFailed | None = None
        self.attempts = 0

    def check(self, channel: Channel) -> None:
        assert channel.secret

    def send(self, channel: Channel, message: Message) -> None:
        assert channel.secret
        self.attempts += 1
        if self.failure is not None:
            raise self.failure
        self.taken.append(message)

    @property
    def summaries(self) -> list[str]:
        return [message.content["data"]["summary"] for message in self.taken]

    @property
    def jobs(self) -> list[str]:
        """Ids of the jobs of all messages, in order."""
        documents = [event for message in self.taken for event in message.content["data"]["events"]]
        return [document["job"]["id"] for document in documents]


class Post:
    """The services over a world's ledger."""

    def __init__(self, world: World) -> None:
        self.world, self.ledger, self.clock = world, world.ledger, world.clock
        self.receiver = Receiver()
        self.manager = NotificationManager(world.ledger, self.receiver)
        self.deliverer = self.process()
        world.register("web1", "web2")

    def process(self) -> Deliverer:
        return Deliverer(self.ledger, self.receiver, OwnerReader(self.ledger.credentials))

    def put(
        self, name: str = "n", events: tuple[str, ...] = ("job.*",), principal: Principal = ADMIN, **fields: Any
    ) -> RuleView:
        rule = NotificationRule(name, "", "", events, fields.pop("channel", HOOK), Owner("", "", ""), **fields)
        view, _ = self.manager.put(rule, principal)
        return view

    def deliver(self, name: str = "n") -> None:
        """What a process does until nothing is due."""
        for _ in range(10_000):
            if not self.deliverer.step(name):
                return
        raise AssertionError("it never ends")

    def ended(self, host: str = "web1", *, failed: bool = False, **options: Any) -> str:
        """A job that ended."""
        job_id = self.world.create(host, **options)
        claim = self.world.claim(job_id, host)
        if failed:
            self.world.finish(claim, ExecutionState.FAILED, note="broken")
        else:
            self.world.finish(claim)
        return job_id

    def alerts(self, kind: str) -> list[str]:
        return [alert.message for alert in self.ledger.executions.alerts() if alert.kind == kind]


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    return Post(world)


def test_jobs_that_end_are_reported_in_order(post: Post) -> None:
    post.ended()  # before the rule exists
    post.put()
    jobs = [post.ended(failed=number % 2 == 0) for number in range(7)]
    post.deliver()
    assert post.receiver.jobs == jobs
    assert [message.event for message in post.receiver.taken] == ["job.failed", "job.completed"] * 3 + ["job.failed"]
    view = post.manager.get("n")
    assert (view.progress.delivered, view.progress.failed, view.progress.dead) == (7, 0, 0)
    assert [delivery.result for delivery in view.deliveries] == ["delivered"] * 7


def test_without_rules_nothing_is_kept(post: Post) -> None:
    post.ended()
    assert not post.world.client.exists("jobqueue:job-notices", "jobqueue:notices")
    post.put()
    post.ended()
    assert post.world.client.xlen("jobqueue:job-notices") == 2
    post.manager.remove("n")
    post.ended()
    assert not post.world.client.exists("jobqueue:job-notices", "jobqueue:notices")


FILTERS: list[tuple[EventFilter, bool]] = [
    (EventFilter(), True),
    (EventFilter(hosts=("web1",)), True),
    (EventFilter(hosts=("web2", "db1")), False),
    (EventFilter(operations=("op.*",)), True),
    (EventFilter(operations=("op.y", "other.*")), False),
    (EventFilter(saved=("deploy",)), True),
    (EventFilter(saved=("nightly*",)), False),
    (EventFilter(submitters=("ali*",)), True),
    (EventFilter(submitters=("bob",)), False),
    (EventFilter(tags={"team": "web", "stage": "*"}), True),
    (EventFilter(tags={"team": "db"}), False),
    (EventFilter(tags={"missing": "*"}), False),
    (EventFilter(schedules=("x",), alerts=("y",)), True),
    (EventFilter(operations=("op.x",), submitters=("bob",)), False),
]


@pytest.mark.parametrize(("wanted", "matches"), FILTERS, ids=str)
def test_filters_of_jobs(post: Post, wanted: EventFilter, matches: bool) -> None:
    post.put(filter=wanted)
    job_id = post.ended(
        tags={"team": "web", "stage": "prod"},
        principal=Principal("alice", frozenset()),
        saved={"name": "deploy", "version": 3},
    )
    post.deliver()
    assert post.receiver.jobs == ([job_id] if matches else [])


def test_a_host_of_a_broadcast(post: Post) -> None:
    post.put("one", filter=EventFilter(hosts=("web2",)))
    post.put("other", filter=EventFilter(hosts=("db1",)))
    job_id = post.world.create("_all")
    for host in ("web1", "web2"):
        post.world.run(job_id, host)
    post.deliver("other")
    assert post.receiver.jobs == []
    post.deliver("one")
    assert post.receiver.jobs == [job_id]


def test_rollouts_and_approvals(post: Post) -> None:
    post.put(events=("rollout.stopped", "approval.waiting"))
    rollout = Rollout.read({"canary": 1, "batch": 1, "max_failures": 1, "between": "approve"})
    job_id = post.world.create("_all", rollout=rollout)
    post.ledger.rollouts.open(job_id, post.world.template)
    post.world.run(job_id, "web1")
    post.deliver()
    assert [message.event for message in post.receiver.taken] == ["approval.waiting"]
    post.ledger.rollouts.steer(job_id, "approve", "by ada")
    post.ledger.rollouts.open(job_id, post.world.template)
    post.world.finish(post.world.claim(job_id, "web2"), ExecutionState.FAILED, note="broken")
    post.deliver()
    assert [message.event for message in post.receiver.taken] == ["approval.waiting", "rollout.stopped"]
    assert "1 of 2 hosts failed" in post.receiver.summaries[-1]


def test_alerts_and_outages(post: Post) -> None:
    post.put("alerts", events=("alert.raised",), filter=EventFilter(alerts=("results_*",)))
    post.put("agents", events=("agents.*",))
    post.ledger.executions.alert("results_forged", "", "web1", "a forged result")
    post.ledger.executions.alert("records_altered", "", "", "an altered record")
    for _ in range(2):
        post.ledger.outages.report(post.clock.now, AGENTS_LOST, "7 of 9 agents have stopped answering")
    post.ledger.outages.end("The agents are back")
    post.deliver("alerts")
    post.deliver("agents")
    assert post.receiver.summaries == [
        "Alert results_forged: a forged result",
        "7 of 9 agents have stopped answering",
        "The agents are back",
    ]


def test_times_of_schedules_without_a_job(post: Post) -> None:
    post.put(events=("schedule.skipped", "schedule.refused"), filter=EventFilter(schedules=("night*",)))
    client = post.world.client
    entries = (
        "schedule|1800000000000000|nightly|refused|1|1800000000000000|no agents | really",
        "schedule|1800000000000000|hourly|refused|1|1800000000000000|no agents",
        "schedule|1800000000000000|nightly|missed|4|1800000000000000|",
        "schedule|1800000000000000|nightly|skipped|4|1800000000000000|job x has not ended",
    )
    for entry in entries:
        client.xadd("jobqueue:notices", {"v": entry})
    post.deliver()
    assert post.receiver.summaries == [
        "Schedule nightly refused: no agents | really",
        "Schedule nightly skipped 4 times: job x has not ended",
    ]


def test_ends_of_runs_of_workflows(post: Post) -> None:
    post.put(events=("workflow.failed",), filter=EventFilter(workflows=("deploy*",)))
    for entry in (
        "workflow|1800000000000000|deploy|failed|4f0c1e9e",
        "workflow|1800000000000000|deploy|completed|4f0c1e9e",
        "workflow|1800000000000000|backup|failed|4f0c1e9e",
    ):
        post.world.client.xadd("jobqueue:notices", {"v": entry})
    post.deliver()
    assert post.receiver.summaries == ["Workflow deploy failed: run 4f0c1e9e"]


def test_entries_that_agents_forge_are_no_events(post: Post) -> None:
    post.put(events=("*",))
    running = post.world.create("web1")
    for entry in (
        f"ended|1800000000000000|{running}|failed",
        "ended|1800000000000000|no-such-job|failed",
        f"stopped|1800000000000000|{running}|because",
        f"awaiting|1800000000000000|{running}|",
        "alert|1800000000000000|records_altered|{}",
        "schedule|x|nightly",
        "",
    ):
        post.world.client.xadd("jobqueue:job-notices", {"v": entry})
    post.world.client.xadd("jobqueue:job-notices", {"other": "x"})
    job_id = post.ended()
    post.deliver()
    assert post.receiver.jobs == [job_id]


def test_a_receiver_that_fails_for_a_day_gets_everything_once_it_works(post: Post) -> None:
    post.put()
    jobs = [post.ended() for _ in range(3)]
    post.receiver.failure = DeliveryFailed("The receiver answered 500.")
    end = post.clock.now + 20 * HOUR
    pauses = []
    while post.clock.now < end:
        post.deliver()
        progress = post.manager.get("n").progress
        assert progress.next is not None
        assert progress.error == "The receiver answered 500."
        pauses.append(progress.next - post.clock.now)
        post.clock.now = progress.next
    assert 60 < post.receiver.attempts < 140
    assert all(
        0.7 * 5 * SECOND * 2**number <= pause <= 5 * SECOND * 2**number for number, pause in enumerate(pauses[:7])
    )
    assert max(pauses) <= 900 * SECOND
    post.receiver.failure = None
    post.deliver()
    assert post.receiver.jobs == jobs
    view = post.manager.get("n")
    assert (view.progress.attempts, view.progress.error, view.progress.dead) == (0, "", 0)


def test_after_a_day_a_message_is_a_dead_letter_which_is_sent_again(post: Post) -> None:
    post.put()
    jobs = [post.ended() for _ in range(2)]
    post.receiver.failure = DeliveryFailed("The receiver answered 500.")
    end = post.clock.now + DAY + HOUR
    while post.clock.now < end:
        post.deliver()
        post.clock.now = post.manager.get("n").progress.next or end
    later = post.ended()
    post.deliver()
    view = post.manager.get("n")
    assert (view.progress.dead, view.progress.attempts) == (2, 1)
    letters = post.manager.dead_letters("n", ADMIN)
    assert [letter.message.content["data"]["events"][0]["job"]["id"] for letter in letters] == jobs
    assert {letter.error for letter in letters} == {"The receiver answered 500."}
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1
    assert "`jobqueue notification dead-letters n`" in post.alerts(NOTIFICATIONS_LOST)[0]
    assert (post.manager.resend("n").sent, post.manager.resend("n").left) == (0, 2)
    post.receiver.failure = None
    sent = post.manager.resend("n", letters[1].message.id)
    assert (sent.sent, sent.left, sent.error) == (1, 1, "")
    assert post.manager.resend("n").left == 0
    assert post.manager.dead_letters("n", ADMIN) == []
    assert [message.id for message in post.receiver.taken] == [letters[1].message.id, letters[0].message.id]
    with pytest.raises(NotificationNotFound, match="no dead letter"):
        post.manager.resend("n", letters[0].message.id)
    post.clock.advance(60)
    post.deliver()
    assert post.receiver.jobs[-1] == later


def test_altered_dead_letters_are_not_sent(post: Post) -> None:
    post.put()
    post.ended()
    post.receiver.failure = DeliveryFailed("gone", is_gone=True)
    post.deliver()
    key = "jobqueue:dead-letters:n"
    record = str(post.world.client.lindex(key, 0))
    post.world.client.lset(key, 0, record.replace("completed", "failed"))
    post.receiver.failure = None
    assert post.manager.resend("n").sent == 0
    assert post.receiver.taken == []
    assert "dead letter" in post.alerts(RECORDS_ALTERED)[0]


def test_410_gone_pauses_the_rule(post: Post) -> None:
    post.put()
    post.ended()
    post.receiver.failure = DeliveryFailed("The receiver answered 410 Gone.", is_gone=True)
    post.deliver()
    view = post.manager.get("n")
    assert view.rule.pause is not None
    assert "410" in view.rule.pause.reason
    assert view.progress.dead == 1
    assert any("is paused" in message for message in post.alerts(NOTIFICATIONS_LOST))
    post.receiver.failure = None
    post.ended()  # passes: the rule is paused
    post.deliver()
    post.put()
    job_id = post.ended()
    post.deliver()
    assert post.receiver.jobs == [job_id]


def test_a_pause_passes_events(post: Post) -> None:
    post.put(pause=Pause("maintenance", "", 0))
    post.ended()
    post.deliver()
    post.put()
    job_id = post.ended()
    post.deliver()
    assert post.receiver.jobs == [job_id]


def test_retry_after_is_respected(post: Post) -> None:
    post.put()
    post.ended()
    post.receiver.failure = DeliveryFailed("The receiver answered 429.", retry_after=600.0)
    post.deliver()
    assert post.manager.get("n").progress.next == post.clock.after(600)
    post.receiver.failure = None
    post.clock.advance(599)
    post.deliver()
    assert post.receiver.taken == []
    post.clock.advance(1)
    post.deliver()
    assert len(post.receiver.taken) == 1


def test_a_process_that_dies_after_sending_sends_again_with_the_same_id(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.put()
    jobs = [post.ended() for _ in range(2)]
    settle = post.ledger.notifications.settle

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(post.ledger.notifications, "settle", killed)
    with pytest.raises(KeyboardInterrupt):
        post.deliverer.step("n")
    monkeypatch.setattr(post.ledger.notifications, "settle", settle)
    other = post.process()
    while other.step("n"):
        pass
    assert post.receiver.jobs == [jobs[0], jobs[0], jobs[1]]
    ids = [message.id for message in post.receiver.taken]
    assert ids[0] == ids[1] != ids[2]
    assert post.receiver.taken[0] == post.receiver.taken[1]


def test_two_processes_at_once_move_a_rule_on_once(post: Post) -> None:
    post.put()
    post.ended()
    before = post.manager.get("n").progress.cursor
    post.deliver()
    behind = post.manager.get("n").progress.cursor
    assert post.ledger.notifications.settle("n", before, Settlement(before)) is None
    assert post.manager.get("n").progress.cursor == behind


def test_the_lease(post: Post) -> None:
    post.put()
    now = [0.0]
    first, second = (Notifier(post.ledger, post.process(), clock=lambda: now[0]) for _ in range(2))
    jobs = [post.ended()]

    def turn(notifier: Notifier) -> None:
        for thread in notifier.turn():
            thread.join(60)

    turn(first)
    jobs.append(post.ended())
    turn(second)
    assert post.receiver.jobs == jobs[:1]
    first.run(lambda _: True)  # stops, and releases the lease
    turn(second)
    assert post.receiver.jobs == jobs
    now[0] += LEASE_SECONDS


def test_events_that_all_rules_have_passed_are_removed(post: Post) -> None:
    post.put("a")
    post.put("b", events=("job.failed",))
    for _ in range(20):
        post.ended()
    notifier = Notifier(post.ledger, post.process())
    for _ in range(3):
        for thread in notifier.turn():
            thread.join(60)
    assert post.world.client.xlen("jobqueue:job-notices") == 1
    post.ended()
    for _ in range(2):
        for thread in notifier.turn():
            thread.join(60)
    assert len(post.receiver.taken) == 21
    assert post.alerts(NOTIFICATIONS_LOST) == []


def test_a_turn_without_events_reads_no_rules(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.put("a")
    post.put("b", events=("job.failed",))
    notifier = Notifier(post.ledger, post.process())

    def turn() -> None:
        for thread in notifier.turn():
            thread.join(60)

    post.ended()
    for _ in range(3):
        turn()
    some, reads = post.ledger.notifications.some, []
    monkeypatch.setattr(post.ledger.notifications, "some", lambda *given: reads.append(given) or some(*given))
    for _ in range(5):
        turn()
    assert reads == []
    job_id = post.ended(failed=True)
    turn()
    assert post.receiver.jobs[-2:] == [job_id, job_id]


@pytest.mark.parametrize("lost", ["trimmed", "emptied", "deleted"])
def test_events_that_were_removed_unread_raise_an_alert(post: Post, lost: str) -> None:
    post.put()
    post.ended()
    kept = post.ended()
    if lost == "trimmed":
        post.world.client.xtrim("jobqueue:job-notices", maxlen=1, approximate=False)
    elif lost == "emptied":  # XADD is permitted to agents' users
        post.world.client.execute_command("XADD", "jobqueue:job-notices", "MAXLEN", 0, "*", "v", "x")
    else:
        post.world.client.delete("jobqueue:job-notices")
    post.deliver()
    assert post.receiver.jobs == ([kept] if lost == "trimmed" else [])
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1
    assert "may have missed events" in post.alerts(NOTIFICATIONS_LOST)[0]
    job_id = post.ended()
    post.deliver()
    assert post.receiver.jobs[-1] == job_id
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1


@pytest.mark.parametrize("wait", ["receiver", "group", "quiet"])
def test_events_that_were_removed_unread_are_reported_once(post: Post, wait: str) -> None:
    quiet = (Blackout("0 8 * * *", HOUR),) if wait == "quiet" else ()
    post.put(group=MINUTE if wait == "group" else 0, quiet=quiet)
    post.ended()
    kept = post.ended()
    post.world.client.xtrim("jobqueue:job-notices", maxlen=1, approximate=False)
    if wait == "receiver":
        post.receiver.failure = DeliveryFailed("The receiver answered 500.")
    for _ in range(5):
        post.deliver()
        post.clock.advance(10)
    assert post.receiver.taken == []
    post.receiver.failure = None
    post.clock.advance(3600)
    post.deliver()
    assert post.receiver.jobs == [kept]
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1


def next_millisecond(client: redis.Redis) -> None:
    """Return in a later millisecond of the server than the one of the call."""
    began = _milliseconds(client)
    assert any(_milliseconds(client) > began for _ in range(100_000))


def _milliseconds(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1_000 + int(microseconds) // 1_000


def test_a_gap_in_one_stream_is_reported_once(post: Post) -> None:
    post.put(events=("job.*", "alert.raised"))
    jobs = [post.ended() for _ in range(3)]
    next_millisecond(post.world.client)  # within one, the two streams have no common order
    for kind in ("results_forged", "records_altered"):
        post.ledger.executions.alert(kind, "", "", "an alert")
    post.world.client.xtrim("jobqueue:notices", maxlen=1, approximate=False)
    post.deliver()
    events = [event for message in post.receiver.taken for event in message.content["data"]["events"]]
    assert [event["job"]["id"] for event in events[:3]] == jobs
    raised = [event["alert"]["kind"] for event in events[3:]]
    assert raised == ["records_altered", NOTIFICATIONS_LOST]
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1


def test_a_group_is_one_message(post: Post) -> None:
    post.put(group=5 * MINUTE)
    for number in range(17):
        post.ended(failed=True)
        post.clock.advance(10)
        if number % 5 == 0:
            post.deliver()
    post.deliver()
    assert post.receiver.taken == []
    post.clock.advance(150)
    late = post.ended()
    post.deliver()
    assert post.receiver.summaries == ["17 jobs failed within 5m"]
    (message,) = post.receiver.taken
    assert (message.event, message.count) == ("job.failed", 17)
    assert len(message.content["data"]["events"]) == 17
    post.clock.advance(301)
    post.deliver()
    assert post.receiver.jobs[-1] == late


def test_a_group_of_many_events_lists_the_first(post: Post) -> None:
    post.put(group=MINUTE)
    for number in range(30):
        post.ended(failed=number % 3 == 0)
    post.clock.advance(61)
    post.deliver()
    (message,) = post.receiver.taken
    assert (message.event, message.count) == ("notification.group", 30)
    assert post.receiver.summaries == ["20 jobs completed, 10 jobs failed within 1m"]
    assert len(message.content["data"]["events"]) == 20


def test_a_group_is_the_same_in_each_attempt(post: Post) -> None:
    post.put(group=MINUTE)
    post.ended()
    post.receiver.failure = DeliveryFailed("The receiver answered 500.")
    post.clock.advance(61)
    post.deliver()
    post.ended()
    post.clock.advance(10)
    post.receiver.failure = None
    post.deliver()
    assert [message.count for message in post.receiver.taken] == [1]


def test_quiet_hours(post: Post) -> None:
    # the clock starts on Friday, 2027-01-15, at 08:00 UTC, which is 09:00 in Berlin
    post.put(quiet=(Blackout("0 8 * * *", 2 * HOUR),), time_zone="Europe/Berlin")
    job_id = post.ended()
    post.deliver()
    post.clock.advance(3599)
    post.deliver()
    assert post.receiver.taken == []
    post.clock.advance(1)
    post.deliver()
    assert post.receiver.jobs == [job_id]


def test_a_rule_needs_the_permissions_of_its_owner(post: Post) -> None:
    some = Principal("alice", frozenset({"job:read@web1", "notification:write", "secret:use"}), kind="key", id="k")
    with pytest.raises(PermissionDenied, match="job:read"):
        post.put(principal=some)
    with pytest.raises(PermissionDenied, match="metrics:read"):
        post.put(events=("alert.*",), principal=Principal("bob", frozenset({"job:read", "secret:use"})))
    with pytest.raises(PermissionDenied, match="secret:use"):
        post.put(principal=Principal("bob", frozenset({"job:read"})))
    with pytest.raises(InvalidInput, match="only in the token"):
        post.put(principal=Principal("carol", frozenset({"*"}), kind="jwt"))


def test_an_owner_who_is_gone_stops_the_rule(post: Post) -> None:
    post.put(principal=Principal("alice", frozenset({"job:read", "secret:use"}), kind="user", id="alice"))
    post.ended()
    post.deliver()
    view = post.manager.get("n")
    assert view.rule.pause is not None
    assert view.rule.pause.reason == "its owner alice is gone"
    assert post.receiver.attempts == 0
    assert "its owner alice is gone" in post.alerts(NOTIFICATIONS_LOST)[0]


@pytest.mark.parametrize("event", ["job.submitted", "job", "", "jobs.*", "notification.test"])
def test_unknown_events(post: Post, event: str) -> None:
    with pytest.raises(InvalidInput, match="Unknown event"):
        post.put(events=("job.failed", event))


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, "a/b"])
def test_invalid_names(post: Post, name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 64 letters"):
        post.put(name)


def test_invalid_quiet_hours(post: Post) -> None:
    with pytest.raises(InvalidInput, match="quiet_hours"):
        post.put(quiet=(Blackout("0 61 * * *", HOUR),))
    with pytest.raises(InvalidInput, match="time_zone"):
        post.put(time_zone="Europe/Atlantis")


def test_an_altered_rule_sends_nothing_and_can_be_deleted(post: Post) -> None:
    post.put()
    key = "jobqueue:notification:n"
    record = str(post.world.client.hget(key, "record"))
    post.world.client.hset(key, "record", record.replace("hooks.example.org", "evil.example.org"))
    post.ended()
    post.deliver()
    assert post.receiver.attempts == 0
    with pytest.raises(RecordAltered):
        post.manager.get("n")
    assert post.manager.page("", 10) == ([], 1, None)
    assert "It sends nothing" in post.alerts(RECORDS_ALTERED)[0]
    post.manager.remove("n")


def test_a_change_of_another_caller_is_noticed(post: Post) -> None:
    view = post.put()
    post.put(description="second")
    with pytest.raises(RecordChanged):
        post.ledger.notifications.put(view.rule, view.rule.serial)
    with pytest.raises(NotificationNotFound):
        post.manager.remove("other")


def test_a_change_keeps_events_that_were_not_reported(post: Post) -> None:
    post.put()
    job_id = post.ended()
    post.put(description="changed")
    post.deliver()
    assert post.receiver.jobs == [job_id]


def test_pages(post: Post) -> None:
    for name in ("c", "a", "b"):
        post.put(name)
    views, total, following = post.manager.page("", 2)
    assert ([view.rule.name for view in views], total, following) == (["a", "b"], 3, "b")
    views, _, following = post.manager.page("b", 2)
    assert ([view.rule.name for view in views], following) == (["c"], None)


def test_the_test_message(post: Post) -> None:
    post.put()
    assert post.manager.test("n").sent == 1
    assert post.receiver.taken[0].event == "notification.test"
    post.receiver.failure = DeliveryFailed("The receiver answered 500.")
    sent = post.manager.test("n")
    assert (sent.sent, sent.error) == (0, "The receiver answered 500.")


def test_a_stream_without_a_next_id_stops_no_job(post: Post) -> None:
    post.put()
    last = "18446744073709551615-18446744073709551615"
    post.world.client.execute_command("XADD", "jobqueue:job-notices", last, "v", "x")
    jobs = [post.ended()]
    post.deliver()
    jobs.append(post.ended())
    post.deliver()
    assert post.receiver.jobs == jobs
    assert any("may have missed" in message for message in post.alerts(NOTIFICATIONS_LOST))
    assert post.world.client.delete("jobqueue:spoiled:jobqueue:job-notices") == 1


def _end_a_job(post: Post) -> None:
    last = "18446744073709551615-18446744073709551615"
    for stream in _STREAMS:
        post.world.client.execute_command("XADD", stream, last, "v", "x")
    post.ended(failed=True)
    post.ledger.executions.alert("results_forged", "", "", "an alert")


def _deliver(post: Post) -> None:
    post.world.client.delete(*_STREAMS)
    post.deliver()


def _store_another_rule(post: Post) -> None:
    post.world.client.delete(*_STREAMS)
    post.put("another")


def _watch_keys(post: Post) -> None:
    for stream in _STREAMS:
        post.world.client.execute_command("XADD", stream, "99999999999999-1", "v", "x")
    assert Watch(post.ledger, LEASE).shared_keys() == len(_STREAMS)


_STREAMS = ("jobqueue:job-notices", "jobqueue:notices")


@pytest.mark.parametrize("replace", [_end_a_job, _deliver, _store_another_rule, _watch_keys])
def test_a_replaced_stream_begins_behind_the_entries_of_its_millisecond(
    post: Post, replace: Callable[[Post], None]
) -> None:
    """A rule's position may be of the same millisecond; at that position, the rule would not see the gap."""
    post.put()
    began = _milliseconds(post.world.client)
    replace(post)
    for stream in _STREAMS:
        entry_id, fields = post.world.client.xrange(stream, count=1)[0]
        milliseconds, number = map(int, entry_id.split("-"))
        assert fields["v"].startswith("begin|")
        assert milliseconds > began
        assert number >= 1_000_000  # that of a microsecond: a stream may be replaced twice in a millisecond
        post.world.client.delete(f"jobqueue:spoiled:{stream}")


def test_what_was_noted_between_two_turns_in_a_replaced_stream_is_not_removed(post: Post) -> None:
    """The positions of the rules are those of the damaged stream, ahead of all entries of the new one."""
    post.put()
    post.world.client.execute_command("XADD", "jobqueue:job-notices", "99999999999999-1", "v", "x")
    notifier = Notifier(post.ledger, post.process())

    def turn() -> None:
        for thread in notifier.turn():
            thread.join(60)

    for _ in range(2):
        turn()
    assert Watch(post.ledger, LEASE).shared_keys() == 1
    job_id = post.ended()
    turn()
    assert post.receiver.jobs == [job_id]
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1
    assert post.world.client.delete("jobqueue:spoiled:jobqueue:job-notices") == 1


def test_what_ends_after_a_damaged_stream_was_replaced_is_reported(post: Post) -> None:
    """The rule has read the damaged stream, whose ids are far ahead of those of the new one."""
    post.put()
    post.world.client.execute_command("XADD", "jobqueue:job-notices", "99999999999999-1", "v", "x")
    jobs = [post.ended()]
    post.deliver()
    assert Watch(post.ledger, LEASE).shared_keys() == 1
    jobs += [post.ended(), post.ended()]
    post.deliver()
    assert post.receiver.jobs == jobs
    jobs.append(post.ended())
    post.deliver()
    assert post.receiver.jobs == jobs
    assert len(post.alerts(NOTIFICATIONS_LOST)) == 1
    assert post.world.client.delete("jobqueue:spoiled:jobqueue:job-notices") == 1


def test_many_events_are_read_in_parts(post: Post) -> None:
    post.put(events=("job.failed",))
    for _ in range(450):
        post.world.client.xadd("jobqueue:job-notices", {"v": "ended|1|x|completed"})
    post.ledger.executions.alert("results_forged", "", "", "between")
    job_id = post.ended(failed=True)
    post.deliver()
    assert post.receiver.jobs == [job_id]


def _documents(messages: list[Message]) -> list[Mapping[str, Any]]:
    return [json.loads(json.dumps(message.content)) for message in messages]


def test_the_content_of_a_message(post: Post) -> None:
    post.put()
    job_id = post.ended(failed=True, title="restart", tags={"team": "web"})
    post.deliver()
    (content,) = _documents(post.receiver.taken)
    (event,) = content["data"]["events"]
    assert (content["type"], content["data"]["rule"], content["data"]["count"]) == ("job.failed", "n", 1)
    assert content["data"]["summary"] == event["summary"] == "restart on web1 failed: broken"
    assert content["timestamp"] == event["time"] == "2027-01-15T08:00:00.000Z"
    job = event["job"]
    assert (job["id"], job["status"], job["counts"], job["error"]) == (job_id, "failed", {"failed": 1}, "broken")
    assert "data" not in job


def test_a_target_as_filter(post: Post) -> None:
    """The labels at the time of the event count, for jobs of one host, broadcasts, and alerts."""
    world = post.world
    world.register("web1", labels={"zone": "a", "team": "x"})
    world.register("web2", labels={"zone": "b", "team": "x", "rack": "1"})
    world.register("db1", labels={"zone": "b", "rack": "1"})
    view = post.put(events=("job.*", "alert.raised"), filter=EventFilter(target="zone=a and not db*"))
    assert view.rule.filter.target == "zone:a and not db*", "the spelling is not canonical"
    post.ended("web2")
    first, broadcast = post.ended("web1"), world.create("team:x")
    for host in ("web1", "web2"):
        world.finish(world.claim(broadcast, host))
    others = world.create("rack:1")
    for host in ("web2", "db1"):
        world.finish(world.claim(others, host))
    world.ledger.roster.fleet(is_fresh=True)
    post.deliver()
    assert post.receiver.jobs == [first, broadcast]
    for host in ("web1", "web2", ""):
        world.executions.alert("results_forged", "", host, f"about {host or 'none'}")
    post.deliver()
    assert [text.rpartition(" ")[2] for text in post.receiver.summaries[2:]] == ["web1", "none"]
    world.register("web1", labels={"zone": "c"})
    world.ledger.roster.fleet(is_fresh=True)
    post.ended("web1")
    post.deliver()
    assert len(post.receiver.taken) == 4


JOB_HOSTS = "job:123e4567-e89b-12d3-a456-426614174000.failed"


@pytest.mark.parametrize("target", ["zone:", "(web1", "10% of _all", "@web", "state:Ready", JOB_HOSTS, "a" * 4097])
def test_a_target_that_cannot_filter(post: Post, target: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        post.put(filter=EventFilter(target=target))
    assert list(refused.value.details or {}) == ["filter.target"]
