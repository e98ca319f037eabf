"""A job's progress: the state of each agent, from the job itself and its events since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.cli.views.rollout_progress import RolloutProgress
from jobqueue.cli.views.text import one_line
from jobqueue.model.states import FAILURES, FINAL_STATES, FINAL_STATUSES, ExecutionState
from jobqueue.model.target import ANY
from jobqueue.model.timeline import API_HOST

_FAILURES = frozenset(state.value for state in FAILURES)
_FINAL = frozenset(state.value for state in FINAL_STATES)
_FINAL_STATUSES = frozenset(status.value for status in FINAL_STATUSES)
_STATES = frozenset(state.value for state in ExecutionState)


@dataclass(frozen=True)
class ExecutionProgress:
    """An agent has ended its share of the job."""

    hostname: str
    status: str
    error: str | None = None

    @property
    def is_failure(self) -> bool:
        return self.status in _FAILURES

    def __str__(self) -> str:
        text = f"{one_line(self.hostname)} {one_line(self.status)}"
        return f"{text}: {one_line(self.error)}" if self.error else text


class JobProgress:
    """The agents of one job, each with the state that was heard of last."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job_id = str(job.get("id"))
        self.status = ""
        self.total = 1
        self._states: dict[str, str] = {}
        #: agents of a large job that the API does not name
        self._others: Counter[str] = Counter()
        self._news: list[ExecutionProgress] = []
        self._shown_ended: set[str] = set()
        self._held: set[str] = set()
        self.rollout = RolloutProgress()
        self.replace(job)

    def replace(self, job: Mapping[str, Any]) -> None:
        """Take everything from the job as the API shows it."""
        self.status = str(job.get("status"))
        self._others = Counter()
        states: Mapping[str, Any] = job.get("agent_states") or {}
        for hostname in self._states.keys() - states.keys():
            del self._states[hostname]
        for hostname, state in states.items():
            self._move(hostname, str((state or {}).get("status")), (state or {}).get("error"))
        counts: Mapping[str, int] = job.get("execution_counts") or {}
        self._held = {hostname for hostname, state in states.items() if (state or {}).get("held_by")}
        self.rollout.replace(job.get("rollout") or {})
        self.total = max(len(states), len(job.get("expected_agents") or ()), sum(counts.values()), 1)
        self._others = Counter(counts) - self._named() if len(states) < self.total else Counter()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in one event of kind ``job``."""
        self.status = str(event.get("status") or self.status)
        hostname, step = str(event.get("hostname")), str(event.get("event"))
        state = ExecutionState.SUBMITTED.value if step == "retried" else step
        if hostname == API_HOST:
            self._apply_to_held(step, state, event)
            return
        if state not in _STATES:
            return
        self._held.discard(hostname)
        if self.total == 1 and hostname not in self._states:  # an agent took up what any could have
            self._states.clear()
        if hostname != ANY or self.total == 1:
            self._move(hostname, state, event.get("error"))

    def _apply_to_held(self, step: str, state: str, event: Mapping[str, Any]) -> None:
        """An event of the API: of the rollout, or the joint end of all that is held."""
        self.rollout.apply(step, str(event.get("message") or ""))
        if state in _FINAL:
            for hostname in self._held:
                self._move(hostname, state, event.get("error"))
            self._held = set()

    def _move(self, hostname: str, state: str, error: Any) -> None:
        if hostname not in self._states and self._others:
            self._others -= Counter([self._likely(state)])
        self._states[hostname] = state
        if (
            state in _FINAL and hostname not in self._shown_ended
        ):  # a stream of events begins with what is known already
            self._shown_ended.add(hostname)
            self._news.append(ExecutionProgress(hostname, state, str(error) if error else None))

    def take_news(self) -> list[ExecutionProgress]:
        """The agents that have answered since this was last asked."""
        news, self._news = self._news, []
        return news

    def _likely(self, state: str) -> str:
        """The state that one of the agents without a name was in before it moved to ``state``."""
        order = ("submitted", "acknowledged", "started")
        return next((name for name in order if name != state and self._others[name]), state)

    def _named(self) -> Counter[str]:
        return Counter(self._states.values())

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status in _FINAL_STATUSES

    @property
    def counts(self) -> Counter[str]:
        """Agents by state."""
        return self._named() + self._others

    @property
    def done(self) -> int:
        """How many agents have ended their share."""
        return sum(count for state, count in self.counts.items() if state in _FINAL)

    def __str__(self) -> str:
        """``"processing, 3 of 5 agents done (completed 2, failed 1, started 2)"``."""
        by_state = ", ".join(f"{one_line(state)} {count}" for state, count in sorted(self.counts.items()))
        agents = f", {self.done} of {self.total} agents done ({by_state})" if self.total > 1 else ""
        return one_line(self.status) + agents + str(self.rollout)
