"""Agents in the ledger: which are known, which are live, and what they report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from enum import Enum
from typing import Any

import redis

from jobqueue.errors import AgentNotFound, Conflict
from jobqueue.ledger import decoding
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.ledger.server_error import is_wrong_type
from jobqueue.model.agent import MAX_REASON, Agent, AgentEvent, AgentState, Heartbeat, Registration
from jobqueue.model.agent_filter import AgentFilter, AgentPage
from jobqueue.model.target import label_prefixes
from jobqueue.wildcard import matches

#: The condition of an agent whose record was altered.
UNREADABLE = "RecordUnreadable"
#: Hostnames that one call looks at (less than a millisecond), and that one request does.
_NAMES = 1000
MAX_LOOKED_AT = 20_000
#: More agents than one ledger can have.
MAX_AGENTS = 10_000_000
#: Agents whose whole records one round trip reads.
_RECORDS = 100
#: Broadcasts of an agent that one call examines before it forgets the agent; keeps Redis responsive (about 1 ms).
_FORGET_STEP = 1000
#: Agents that one call marks for maintenance.
_ARRIVALS_STEP = 1000
#: Newest states of an agent that are read. The scripts keep as many; an agent's user can write any number.
_KEPT_STATES = 100
#: An agent stays live until it has missed this many heartbeats.
MISSED_BEATS = 3
#: Heartbeats per second of a whole fleet: in a larger one each agent sends them less often, up to this interval.
BEATS_PER_SECOND = 500
LONGEST_BEAT_SECONDS = 60.0


def beat_seconds(least: float, fleet_size: int) -> float:
    """Seconds between the heartbeats of an agent; ``least`` is the setting, which holds for a small fleet."""
    return max(least, min(fleet_size / BEATS_PER_SECOND, LONGEST_BEAT_SECONDS))


class Refused(Enum):
    """Why a heartbeat is rejected: another process took the hostname over, or the ledger does not know the agent."""

    REPLACED = "replaced"
    UNKNOWN = "unknown"


class Agents:
    """The agents of one ledger."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        scripts: Scripts,
        alarm: Callable[[str, str], None],
        audit: Audit,
        *,
        heartbeat_seconds: float,
        now: Clock = redis_clock,
    ) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._alarm = alarm
        self._audit = audit
        #: How many agents there were at the last heartbeat; 0: not known.
        self.fleet_size = 0
        self._heartbeat_seconds = heartbeat_seconds
        self._now = now

    def register(self, agent: Registration, key_id: str = "") -> bool:
        """Make an agent known and live; returns whether it replaced another live process under its hostname."""
        labels = [text for key, value in agent.labels.items() for text in label_prefixes(key, value)]
        answer = self._scripts.call(
            "register_agent",
            self._now(),
            agent.hostname,
            agent.boot_id,
            self._live_for(),
            json.dumps(asdict(agent)),
            "\n".join(labels),
            "\n".join(agent.operations),
            "1" if agent.accepted else "",
            key_id,
            agent.certificate,
            "1" if agent.joining else "",
        )
        return bool(answer == "replaced")

    def beat(
        self,
        hostname: str,
        boot_id: str,
        vitals: Heartbeat,
        believed: AgentState = AgentState.READY,
        fresh: Registration | None = None,
    ) -> AgentState | Refused:
        """Record a heartbeat, now and then with ``fresh`` facts; returns the agent's state.

        ``believed`` is the state that the agent assumed when it counted its running executions (ends draining).
        """
        answer = self._scripts.call(
            "heartbeat",
            self._now(),
            hostname,
            boot_id,
            self._live_for(),
            json.dumps(asdict(vitals)),
            vitals.running,
            json.dumps(asdict(fresh)) if fresh else "",
            str(believed),
        )
        if isinstance(answer, str):
            return Refused(answer)
        state, self.fleet_size = answer
        return AgentState(state)

    def beat_seconds(self) -> float:
        """Seconds between the next heartbeat and the one after it; the next one counts for three times as long."""
        return beat_seconds(self._heartbeat_seconds, self.fleet_size)

    def _live_for(self) -> int:
        """Microseconds."""
        return int(self.beat_seconds() * MISSED_BEATS * 1_000_000)

    def drain(self, hostname: str, reason: str = "") -> AgentState:
        """Give the agent no new work; running executions may finish. Raises ``AgentNotFound``, ``Conflict``.

        ``reason``: one line of at most ``MAX_REASON`` characters, shown with the agent until it is undrained.
        """
        return self._move(hostname, "drain", "is already draining or cordoned; undrain reverses it", reason)

    def undrain(self, hostname: str) -> AgentState:
        """Give the agent new work again. Raises ``AgentNotFound``, ``Conflict``."""
        return self._move(hostname, "undrain", "already takes work; undrain is not needed")

    def _move(self, hostname: str, verb: str, refusal: str, reason: str = "") -> AgentState:
        answer = self._scripts.call("drain_agent", self._now(), hostname, verb, reason)
        if answer == "unknown":
            raise _unknown(hostname)
        if answer == "pending":
            raise Conflict(f"Agent {hostname!r} is pending or revoked: accept it first, with `jobqueue agent accept`.")
        if answer == "already":
            raise Conflict(f"Agent {hostname!r} {refusal}.")
        return AgentState(answer)

    def leave(self, hostname: str, boot_id: str) -> None:
        """Mark an agent that shuts down as offline at once; it stays known."""
        self._scripts.call("leave", self._now(), hostname, boot_id)

    def muster(self, limit: int) -> int:
        """Merge the records of at most ``limit`` agents into the shared lists; returns how many.

        Agents whose Redis users may write only their own records depend on this.
        """
        return int(self._scripts.call("merge_agent_records", self._now(), limit))

    def muster_all(self) -> None:
        """Have the records of all known agents merged into the shared lists again (``muster``), whatever changed.

        After an upgrade, or a loss of keys, this restores lists that agents themselves restore only while they beat.
        """
        hostnames = self.hostnames()
        for first in range(0, len(hostnames), _ARRIVALS_STEP):
            with translated_errors():
                self._client.sadd(self._keys.kind("arrivals"), *hostnames[first : first + _ARRIVALS_STEP])

    def certify(
        self, hostname: str, key_id: str, certificate: str, invitation: str = "", remember_seconds: float = 0.0
    ) -> bool:
        """Give an agent its certificate; returns False if another agent has used the ``invitation`` already.

        Without a certificate, the agent's invitation is rejected. Raises ``AgentNotFound``.
        """
        remember_ms = max(1, int(remember_seconds * 1000))
        arguments = (hostname, key_id, certificate, invitation, remember_ms)
        answer = self._audit.change(
            lambda entry: self._scripts.call("certify_agent", *arguments, *entry), agent=hostname
        )
        if answer == "unknown" and certificate:
            raise _unknown(hostname)
        return bool(answer == "certified")

    def revoke(self, hostname: str, text: str) -> None:
        """Give an agent no more work; ``text`` is the signed revocation. Raises ``AgentNotFound``, ``Conflict``."""
        answer = self._audit.change(
            lambda entry: self._scripts.call("revoke_agent", self._now(), hostname, text, *entry), agent=hostname
        )
        if answer == "unknown":
            raise _unknown(hostname)
        if answer == "pending":
            raise Conflict(f"Agent {hostname!r} is pending: it was not accepted yet, so its access cannot be revoked.")

    def forget(self, hostname: str) -> None:
        """Remove an offline agent without open work. Raises ``AgentNotFound``, ``Conflict``."""
        looked_at: Argument = 0  # creation time of the newest of its broadcasts that was found to have ended there

        def step(entry: tuple[int, str, str]) -> Any:
            nonlocal looked_at
            answer = self._scripts.call("forget_agent", self._now(), hostname, looked_at, _FORGET_STEP, *entry)
            if answer[0] == "more":
                looked_at = answer[1]
            return answer

        answer = "more"
        while answer == "more":
            answer = self._audit.change(step, agent=hostname)
        if answer == "unknown":
            raise _unknown(hostname)
        if answer == "live":
            raise Conflict(
                f"Agent {hostname!r} is live: stop it on its host, then remove it. Drain it first, so that nothing is "
                "cut short."
            )
        if answer == "busy":
            raise Conflict(
                f"Work waits for agent {hostname!r}, or has not ended there: `jobqueue job list --hostname {hostname} "
                "--status submitted,processing` shows it. Cancel it, or wait until its lease has ended; then remove "
                "the agent."
            )

    def revocations(self) -> dict[str, str]:
        """The signed revocations of all agents ever revoked, by hostname. Their signatures are not verified here."""
        with translated_errors():
            revocations = self._client.hgetall(self._keys.kind("revoked"))
        return {str(hostname): str(text) for hostname, text in revocations.items()}

    def certificate(self, hostname: str) -> str:
        """The certificate that the API issued to an agent, or an empty string."""
        return str(self._scripts.command("HGET", self._keys.agent(hostname), "certificate") or "")

    def certificates(self, key_ids: Sequence[str]) -> dict[str, str]:
        """The known certificates among those of the keys ``key_ids``, by key id."""
        if not key_ids:
            return {}
        with translated_errors():
            certificates = self._client.hmget(self._keys.kind("certificates"), list(key_ids))
        return {key_id: str(text) for key_id, text in zip(key_ids, certificates, strict=True) if text}

    def joining(self) -> list[str]:
        """Hostnames of agents with a pending invitation."""
        with translated_errors():
            return sorted(map(str, self._client.smembers(self._keys.kind("joining"))))

    def hostnames(self) -> list[str]:
        """All known hostnames, sorted."""
        with translated_errors():
            return sorted(map(str, self._client.zrange(self._keys.kind("agents"), 0, -1)))

    def count(self) -> int:
        """The number of known agents."""
        with translated_errors():
            return int(self._client.zcard(self._keys.kind("agents")))

    def align(self) -> None:
        """Complete the list of hostnames in alphabetical order where it differs from the list of agents.

        It does after an upgrade from a version without it, or if it was damaged. Short calls.
        """
        for change in ("add", "remove"):
            with translated_errors(), self._client.pipeline(transaction=False) as pipe:
                pipe.zcard(self._keys.kind("agents"))
                pipe.zcard(self._keys.kind("hostnames"))
                answers, listed = pipe.execute(raise_on_error=False)
            if answers == listed:
                return
            cursor = "0"
            for _ in range(MAX_AGENTS // _NAMES):  # a damaged cursor must not make this endless
                cursor = str(self._scripts.call("align_hostnames", change, cursor, _NAMES))
                if cursor == "0":
                    break

    def page(self, agent_filter: AgentFilter) -> AgentPage:
        """One page, by hostname. No call grows with the fleet.

        ``total`` counts all matches among the first ``MAX_LOOKED_AT`` hostnames; in a larger fleet, a filtered page
        counts those after ``wanted.after`` and is ``is_least``.
        """
        self.align()
        total = self.count()
        if agent_filter.is_all:
            hosts = self._names(agent_filter.after, agent_filter.limit + 1)
            return self._page(hosts, agent_filter.limit, total)
        is_counted = total <= MAX_LOOKED_AT
        following = "" if is_counted else agent_filter.after
        matching: list[str] = []
        for _ in range(-(-MAX_LOOKED_AT // _NAMES)):
            names = self._names(following, _NAMES)
            matching += self._matching(names, agent_filter)
            following = names[-1] if len(names) == _NAMES else ""
            if not following:
                break
        hosts_after = [host for host in matching if host > agent_filter.after]
        page = self._page(hosts_after, agent_filter.limit, len(matching))
        if is_counted:
            return page
        # the search continues after the hostnames that were looked at
        return replace(page, is_least=True, next_after=page.next_after or following or None)

    def _page(self, hosts: list[str], limit: int, total: int) -> AgentPage:
        """The first ``limit`` of these hosts."""
        shown = hosts[:limit]
        items = tuple(agent for part in _parts(shown) for agent in self._read(part))
        return AgentPage(items, total, next_after=shown[-1] if len(hosts) > limit else None)

    def among(self, hostnames: list[str], agent_filter: AgentFilter) -> AgentPage:
        """One page of these few hostnames."""
        matching = [host for host in self._matching(sorted(hostnames), agent_filter) if host > agent_filter.after]
        return self._page(matching, agent_filter.limit, len(matching))

    def _names(self, after: str, limit: int) -> list[str]:
        with translated_errors():
            names: Any = self._client.zrangebylex(
                self._keys.kind("hostnames"), f"({after}" if after else "-", "+", start=0, num=limit
            )
        return [str(name) for name in names]

    def _matching(self, names: list[str], agent_filter: AgentFilter) -> list[str]:
        """The agents with one of these hostnames that match."""
        if agent_filter.hostname:
            names = [name for name in names if matches(agent_filter.hostname, name)]
        if not names or (not agent_filter.labels and not agent_filter.states and agent_filter.is_live is None):
            return names
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for key, value in agent_filter.labels:
                pipe.smismember(self._keys.kind("label") + f"{key}:{value}", names)
            pipe.time()
            pipe.smismember(self._keys.kind("barred"), names)
            pipe.zmscore(self._keys.kind("agents"), names)
            for name in names if agent_filter.states else ():
                pipe.hget(self._keys.agent(name), "state")
            answers = pipe.execute()
        labelled, ((seconds, micros), barred, live_until, *states) = (
            answers[: len(agent_filter.labels)],
            answers[len(agent_filter.labels) :],
        )
        now = int(self._now() or seconds * 1_000_000 + micros)
        hostnames = []
        for number, name in enumerate(names):
            state = AgentState.REVOKED if barred[number] else states[number] if states else None
            is_live = float(live_until[number] or 0) > now
            if (
                all(members[number] for members in labelled)
                and (not agent_filter.states or state in agent_filter.states)
                and agent_filter.is_live in (None, is_live)
            ):
                hostnames.append(name)
        return hostnames

    def all(self) -> list[Agent]:
        """All known agents, by hostname. Of ten thousand, this takes more than a second; ``page`` reads a part."""
        return [agent for part in _parts(self.hostnames()) for agent in self._read(part)]

    def get(self, hostname: str) -> Agent:
        """One agent; raises ``AgentNotFound``."""
        agents = self._read([hostname])
        if not agents:
            raise _unknown(hostname)
        return agents[0]

    def _read(self, hostnames: list[str]) -> list[Agent]:
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.smembers(self._keys.kind("barred"))
            for hostname in hostnames:
                pipe.zscore(self._keys.kind("agents"), hostname)
                pipe.zcard(self._keys.waiting(hostname))
            (seconds, micros), barred, *answers = pipe.execute(raise_on_error=False)
            for answer in (barred, *answers):
                if isinstance(answer, redis.RedisError) and (answer is barred or not is_wrong_type(answer)):
                    raise answer
        now = int(self._now() or seconds * 1_000_000 + micros)
        records = self._scripts.call_many("read_agent", [(host, _KEPT_STATES) for host in hostnames], are_apart=True)
        rows = zip(hostnames, answers[::2], answers[1::2], map(_record, records), strict=True)
        return [
            self._listed(host, (live_until or 0) > now, fields, waiting, log, is_barred=host in barred)
            for host, live_until, waiting, (log, fields) in rows
            if fields
        ]

    def _listed(self, hostname: str, live: bool, fields: Any, waiting: Any, log: Any, *, is_barred: bool) -> Agent:
        """An agent; if its record was altered, a placeholder that reports this."""
        try:
            return _agent(hostname, live, fields, waiting, log, is_barred=is_barred)
        except decoding.FAULTS:
            sentence = (
                f"The record of agent {hostname[:253]!r} cannot be read: it was altered in Redis. "
                "Restart the agent, which writes it again."
            )
            self._alarm(f"agent|{hostname}", sentence)
            return Agent(
                hostname=hostname,
                live=live,
                state=AgentState.REVOKED if is_barred else AgentState.PENDING,
                labels={},
                facts={},
                operations=(),
                version="",
                concurrency=0,
                started_at=0,
                last_heartbeat=0,
                queue_length=waiting if isinstance(waiting, int) else 0,
                conditions=(UNREADABLE,),
            )


def _record(record: Any) -> tuple[Any, Any]:
    """The states and the fields of an agent as ``read_agent`` gives them; an error as it is."""
    if not isinstance(record, list):
        return record, record
    states, fields = record
    return states, dict(zip(fields[::2], fields[1::2], strict=True))


def _parts(hosts: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(hosts), _RECORDS):
        yield hosts[first : first + _RECORDS]


def _unknown(hostname: str) -> AgentNotFound:
    return AgentNotFound(f"No agent has the hostname {hostname!r}; `jobqueue agent list` shows all.")


def _agent(
    hostname: str, live: bool, fields: dict[str, str], waiting: int, log: list[str], *, is_barred: bool
) -> Agent:
    info = decoding.parsed_object(fields["info"])
    vitals = decoding.parsed_object(fields.get("vitals", "{}"))
    return Agent(
        hostname=hostname,
        live=live,
        # regardless of what the agent reports
        state=AgentState.REVOKED if is_barred else AgentState(fields["state"]),
        labels=decoding.pairs_of_texts(info["labels"]),
        facts=decoding.object_of(info["facts"]),
        operations=decoding.texts(info["operations"]),
        version=decoding.text(info["version"]),
        concurrency=decoding.integer(info["concurrency"]),
        started_at=decoding.integer(fields["started"]),
        last_heartbeat=decoding.integer(fields["beat"]),
        queue_length=decoding.integer(waiting),
        load=tuple(map(decoding.number, vitals.get("load", ()))),
        memory={name: decoding.number(size) for name, size in decoding.object_of(vitals.get("memory", {})).items()},
        running=decoding.integer(vitals.get("running", 0)) if live else 0,
        conditions=decoding.texts(vitals.get("conditions", ())),
        public_key=str(info.get("public_key", "")),
        joining=str(info.get("joining", "")),
        timeline=tuple(map(_event, log)),
        drain_reason=" ".join(fields.get("drain_reason", "").split())[:MAX_REASON],
    )


def _event(line: str) -> AgentEvent:
    at, state = line.split("|")
    return AgentEvent(decoding.integer(at), AgentState(state))
