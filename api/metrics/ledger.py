"""The ledger's numbers for Prometheus. They are read at each scrape; nothing is kept in between.

Every API process reports the same numbers, since all read the same ledger: queries take ``max``, not ``sum``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from jobqueue.errors import LedgerUnavailable
from jobqueue.model.agent import AgentState
from jobqueue.model.measures import OTHER, Backlog, Distribution, Measures, Pulse
from jobqueue.model.notification import RESULTS
from jobqueue.model.schedule import Outcome
from jobqueue.model.workflow_run import FINAL
from jobqueue.redis_metrics import build_info, redis_metrics, timed

_T = TypeVar("_T")

#: Agents, and their queues, that are shown one by one; of any more, those that wait longest or are most silent.
MOST_AGENTS = 1000

#: Counters of what should be rare.
RARE: Mapping[str, str] = {
    "claims_refused": "Messages for executions that could not be claimed: duplicate, late, or claimed elsewhere.",
    "results_refused": "Results without a valid token: sent after a lost lease, or repeated.",
    "leases_lost": "Executions whose agent was killed, restarted or disconnected.",
    "starts_put_off": "Starts of executions that were put off because of the rate of their rollout.",
    "rollouts_stopped": "Rollouts that stopped because of failures.",
    "republished": "Messages that were lost and sent again.",
    "work_refused": "Work that an agent refused because its signature was invalid. Investigate each.",
    "results_forged": "Results with an invalid signature. Investigate each.",
    "results_unverified": "Results of agents of another version, whose signatures cannot be verified.",
    "records_altered": "Records sealed by the API that were changed outside of it. Investigate each.",
    "agents_lost": "Outages in which a fifth of the agents or more stopped answering within ten minutes.",
    "connections_scarce": "Times that Redis had few connections left (maxclients).",
    "schedules_stopped": "Alerts about schedules that cannot fire, or were paused because their owner is gone.",
    "notifications_lost": "Alerts about dead letters, missed events and paused rules.",
    "bucket_failures": "Calls to the bucket for large objects that failed.",
    "messages_refused": "Foreign messages found in agents' queues. Investigate each.",
}


class LedgerCollector(Collector):
    """Metrics read from the ledger. While Redis is unavailable, ``jobqueue_redis_up`` is 0 and the rest is missing."""

    def __init__(self, ping: Callable[[], None], measures: Callable[[], Measures]) -> None:
        self._ping = ping
        self._measures = measures

    def collect(self) -> Iterable[Metric]:
        """Called by the registry for each scrape."""
        yield build_info()
        try:
            latency = timed(self._ping)
            measures = self._measures()
        except LedgerUnavailable:
            yield from redis_metrics(None)
            return
        yield from redis_metrics(latency)
        yield from _metrics(measures)


def _metrics(measures: Measures) -> Iterator[Metric]:
    yield _gauge("jobqueue_maintained", "Whether a copy of maintenance leads.", int(measures.maintained))
    yield _gauge(
        "jobqueue_audit_unwritable", "Whether the audit trail cannot be written.", int(measures.audit_unwritable)
    )
    yield _gauge("jobqueue_audit_broken", "Whether a break is in the audit trail.", int(measures.audit_broken))
    damaged = GaugeMetricFamily(
        "jobqueue_key_damaged", "Shared keys in Redis that hold another type of value; 1 each.", labels=("key",)
    )
    for key in measures.damaged:
        damaged.add_metric((key,), 1)
    yield damaged
    jobs = GaugeMetricFamily("jobqueue_jobs", "Jobs in the ledger.", labels=("operation", "status"))
    for (operation, status), count in sorted(measures.jobs.items()):
        jobs.add_metric((operation, str(status)), count)
    yield jobs
    yield _by_operation("jobqueue_executions_submitted", "Executions accepted.", measures.submitted)
    yield _by_operation("jobqueue_executions_retried", "Executions that returned to waiting.", measures.retried)
    ended = CounterMetricFamily("jobqueue_executions_ended", "Executions ended.", labels=("operation", "state"))
    for (operation, state), count in sorted(measures.ended.items()):
        ended.add_metric((operation, str(state)), count)
    yield ended
    yield _distributions(
        "jobqueue_queue_wait_seconds", "Time from publishing to start of an execution.", measures.waits
    )
    yield _distributions("jobqueue_run_seconds", "Time from start to reported end of an execution.", measures.runs)
    yield _gauge("jobqueue_executions_running", "Executions running now.", measures.running)
    yield _gauge("jobqueue_executions_scheduled", "Executions waiting for a start time.", measures.scheduled)
    yield from _schedules(measures)
    yield from _workflows(measures)
    yield from _notifications(measures)
    yield _gauge("jobqueue_objects", "Objects.", measures.objects)
    yield _gauge("jobqueue_object_bytes", "Bytes of all versions of all objects.", measures.object_bytes)
    yield _gauge(
        "jobqueue_bucket_removals",
        "Contents that are being uploaded to the bucket, or wait to be deleted from it.",
        measures.bucket_removals,
    )
    yield _gauge("jobqueue_fetched_bytes", "Bytes of the files that hosts have sent.", measures.fetched_bytes)
    yield from _alerts(measures.alerts)
    yield _gauge("jobqueue_pauses", "Pauses in force.", measures.pauses)
    yield _gauge("jobqueue_executions_paused", "Executions that a pause has kept from starting.", measures.paused)
    yield _gauge(
        "jobqueue_keys_waited_for", "Concurrency keys for which jobs or executions wait.", measures.keys_waited_for
    )
    held = GaugeMetricFamily("jobqueue_jobs_held", "Jobs with batches that have not been opened.", labels=("state",))
    for reason, count in measures.held.items():
        held.add_metric((reason,), count)
    yield held
    yield from _queues(measures.backlogs)
    yield from _agents(measures.pulses, measures.agents)
    yield _gauge(
        "jobqueue_agents_age_seconds", "How old the numbers of agents and queues are.", measures.agents_age_seconds
    )
    for name, text in RARE.items():
        rare = CounterMetricFamily(f"jobqueue_{name}", text)
        rare.add_metric((), measures.counters.get(name, 0))
        yield rare


def _alerts(alerts_by_kind: Mapping[str, tuple[int, bool]]) -> Iterator[Metric]:
    # a kind that an agent made up must not become a label
    counts: dict[tuple[str, str], int] = {}
    for kind, (count, is_acknowledged) in alerts_by_kind.items():
        label = (kind if kind in RARE else OTHER, "yes" if is_acknowledged else "no")
        counts[label] = counts.get(label, 0) + count
    alerts = GaugeMetricFamily("jobqueue_alerts", "The newest alerts by kind.", labels=("kind", "acknowledged"))
    for label, count in sorted(counts.items()):
        alerts.add_metric(label, count)
    yield alerts


def _schedules(measures: Measures) -> Iterator[Metric]:
    yield _gauge("jobqueue_schedules", "Schedules.", measures.schedules)
    yield _gauge(
        "jobqueue_schedules_overdue_seconds",
        "How late the most overdue schedule is.",
        measures.schedules_overdue_seconds,
    )
    times = CounterMetricFamily("jobqueue_schedule_times", "Times of schedules, by outcome.", labels=("outcome",))
    for outcome in Outcome:
        times.add_metric((str(outcome),), measures.schedule_results.get(str(outcome), 0))
    yield times
    late = CounterMetricFamily("jobqueue_schedule_late_seconds", "Total lateness of all schedules that fired.")
    late.add_metric((), measures.schedule_results.get("late", 0) / 1e6)
    yield late


def _workflows(measures: Measures) -> Iterator[Metric]:
    yield _gauge("jobqueue_workflow_runs", "Runs of workflows that have not ended.", measures.workflow_runs)
    ended = CounterMetricFamily(
        "jobqueue_workflow_runs_ended",
        "Ended runs of workflows, by status; a retried one counts again.",
        labels=("status",),
    )
    for status in FINAL:
        ended.add_metric((str(status),), measures.workflow_results.get(str(status), 0))
    yield ended


def _notifications(measures: Measures) -> Iterator[Metric]:
    yield _gauge("jobqueue_notification_rules", "Notification rules.", measures.notification_rules)
    yield _gauge(
        "jobqueue_dead_letters", "Dead letters: undeliverable notifications that are kept.", measures.dead_letters
    )
    yield _gauge(
        "jobqueue_notifications_late_seconds",
        "How long the oldest pending notification has been tried.",
        measures.notifications_late_seconds,
    )
    attempts = CounterMetricFamily(
        "jobqueue_notification_attempts", "Attempts to send notifications, by result.", labels=("result",)
    )
    for result in RESULTS:
        attempts.add_metric((result,), measures.notification_results.get(result, 0))
    yield attempts


def _queues(backlogs: Iterable[Backlog]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("jobqueue_queue_depth", "Executions waiting in a queue.", labels=("queue",))
    age = GaugeMetricFamily(
        "jobqueue_queue_oldest_age_seconds", "Waiting time of the oldest of them.", labels=("queue",)
    )
    named, others = _apart(backlogs, lambda backlog: backlog.queue)
    ranked = sorted(named, key=lambda backlog: (backlog.oldest_seconds, backlog.waiting), reverse=True)
    shown, rest = ranked[:MOST_AGENTS], [*ranked[MOST_AGENTS:], *others]
    if rest:
        oldest = max(backlog.oldest_seconds for backlog in rest)
        shown.append(Backlog(OTHER, sum(backlog.waiting for backlog in rest), oldest))
    for backlog in shown:
        depth.add_metric((backlog.queue,), backlog.waiting)
        age.add_metric((backlog.queue,), backlog.oldest_seconds)
    yield depth
    yield age


def _apart(items: Iterable[_T], name: Callable[[_T], str]) -> tuple[list[_T], list[_T]]:
    """The queues or agents with a name, and the one that stands for all others."""
    named: list[_T] = []
    others: list[_T] = []
    for item in items:
        (others if name(item) == OTHER else named).append(item)
    return named, others


def _agents(pulses: Iterable[Pulse], states: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
    named, others = _apart(pulses, lambda pulse: pulse.hostname)
    ranked = sorted(named, key=lambda pulse: pulse.age_seconds, reverse=True)
    agents = GaugeMetricFamily("jobqueue_agents", "Known agents.", labels=("state", "status"))
    for state in AgentState:
        for status in ("live", "offline"):
            agents.add_metric((str(state), status), states.get((str(state), status), 0))
    yield agents
    age = GaugeMetricFamily(
        "jobqueue_agent_heartbeat_age_seconds", "Seconds since an agent's last heartbeat.", labels=("agent",)
    )
    running = GaugeMetricFamily("jobqueue_agent_running", "Executions running on an agent.", labels=("agent",))
    for pulse in ranked[:MOST_AGENTS]:
        age.add_metric((pulse.hostname,), pulse.age_seconds)
        running.add_metric((pulse.hostname,), pulse.running)
    rest = [*ranked[MOST_AGENTS:], *others]
    if rest:
        age.add_metric((OTHER,), max(pulse.age_seconds for pulse in rest))
        running.add_metric((OTHER,), sum(pulse.running for pulse in rest))
    yield age
    yield running


def _gauge(name: str, text: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, text)
    gauge.add_metric((), value)
    return gauge


def _by_operation(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    counter = CounterMetricFamily(name, text, labels=("operation",))
    for operation, count in sorted(counts.items()):
        counter.add_metric((operation,), count)
    return counter


def _distributions(name: str, text: str, distributions: Mapping[str, Distribution]) -> Metric:
    histogram = HistogramMetricFamily(name, text, labels=("operation",))
    for operation, distribution in sorted(distributions.items()):
        histogram.add_metric((operation,), distribution.cumulated, distribution.total_seconds)
    return histogram
