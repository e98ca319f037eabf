"""What must hold of the raw records at every moment, whatever happened. Nothing of the ledger's own code is used to
read them, except for the names of keys and the rule of a job's status."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from jobqueue.ledger.keys import Keys
from jobqueue.model.external_run import EXTERNAL_SLOT
from jobqueue.model.states import ExecutionState, JobStatus, derive_status
from jobqueue.model.target import ANY, UNPLACED, label_prefixes
from tests import redis_values

_GLOBAL = (
    *(
        "due",
        "leases",
        "deadlines",
        "opening",
        "finished",
        "clock",
        "agents",
        "away",
        "stats",
        "alerts",
        "measured",
        "leader",
    ),
    *("packages", "uploads", "package-bytes", "fetched-bytes"),
    *("barred", "revoked"),
    *("object-names", "object-sizes", "object-uses", "deployed-hosts"),
    *("cancelling", "removals", "queues", "outage"),
    *("outside", "configs", "saved-names", "reached", "events", "audit", "audit-head", "credentials"),
)
_S = ExecutionState


@dataclass
class Records:
    """All keys of a ledger with their values."""

    prefix: str
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, client: redis.Redis, keys: Keys) -> Records:
        names = [name for name in client.keys("*") if name.startswith(keys.prefix)]
        types = redis_values.types(client, names)
        with client.pipeline(transaction=False) as pipe:
            for name, kind in types.items():
                if name.startswith((keys.kind("upload"), keys.kind("fetched"))):
                    pipe.hlen(name)  # bytes, which are no text
                elif kind == "stream":
                    pipe.xlen(name)
                else:
                    redis_values.read(pipe, name, kind)
            values = zip(types.items(), pipe.execute(), strict=True)
        return cls(
            keys.prefix,
            {
                name.removeprefix(keys.prefix): _zset(value) if kind == "zset" else value
                for (name, kind), value in values
            },
        )

    def kind(self, start: str) -> dict[str, Any]:
        """What follows ``start`` in the key's name -> its value."""
        return {name.removeprefix(start): value for name, value in self.values.items() if name.startswith(start)}

    def one(self, name: str) -> Any:
        return self.values.get(name, {})


def _zset(pairs: Iterable[Any]) -> dict[str, int]:
    return {member: int(score) for member, score in pairs}


def problems(client: redis.Redis, keys: Keys) -> list[str]:
    """Everything that is wrong with the ledger's records; empty if nothing is."""
    return _Inspection(Records.read(client, keys)).run()


def check(client: redis.Redis, keys: Keys) -> None:
    """Raise AssertionError that names all that is wrong."""
    found = problems(client, keys)
    assert not found, "the ledger's records are inconsistent:\n" + "\n".join(found)


class _Inspection:
    def __init__(self, records: Records) -> None:
        self.records = records
        self.found: list[str] = []
        self.owned: set[str] = {name for name in _GLOBAL if name in records.values}
        self.expected_index: dict[str, dict[str, int]] = {}
        self.expected: dict[str, set[str]] = {
            "due": set(),
            "leases": set(),
            "finished": set(),
            "outside": set(),
            "opening": set(),
        }
        self.may_wait: Counter[str] = Counter()
        self.expected_parked: dict[str, set[str]] = {}

    def run(self) -> list[str]:
        for job_id, job in self.records.kind("job:").items():
            self.owned |= {f"job:{job_id}", f"doc:{job_id}"}
            self.expect(f"doc:{job_id}" in self.records.values, f"job {job_id} has no document")
            self.job(job_id, job)
        self.indexes()
        self.sets()
        self.agents()
        self.pauses()
        self.concurrency()
        self.packages()
        self.fetched()
        self.configurations()
        self.saved_jobs()
        self.objects()
        self.schedules()
        self.notifications()
        self.parents()
        self.workflows()
        self.rest()
        return self.found

    def expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.found.append(problem)

    def equal(self, actual: object, expected: object, what: str) -> None:
        self.expect(actual == expected, f"{what}: is {actual!r}, should be {expected!r}")

    def job(self, job_id: str, job: dict[str, str]) -> None:
        if "fanout" in job:
            slots = self.records.one(f"slots:{job_id}")
            self.owned.add(f"slots:{job_id}")
        else:
            slots = [job["slot"]]
        self.expect(bool(slots) and len(set(slots)) == len(slots), f"job {job_id} has the slots {slots}")
        is_outside = "outside" in job
        self.equal(slots == [EXTERNAL_SLOT], is_outside, f"job {job_id} has the slot of runs elsewhere")
        if is_outside:
            self.owned |= {f"told:{job_id}"} & self.records.values.keys()
        opened = int(job.get("opened", len(slots)))
        states = [self.execution(job_id, slot, is_outside) for slot in slots[:opened]]
        states += self.without_record(job_id, job, slots[opened:])
        counts = Counter(states)
        stored = {name[2:]: int(value) for name, value in job.items() if name.startswith("n.")}
        self.equal(stored, {str(state): count for state, count in counts.items()}, f"counts of job {job_id}")
        # an execution that several agents had, one after the other, has output of each
        self.owned |= {
            f"{kind}:{host}:{job_id}" for host in {*slots, *job.get("logs", "").split()} for kind in ("log", "fetched")
        } & self.records.values.keys()
        status = derive_status(counts)
        self.equal(job["status"], str(status), f"status of job {job_id}")
        self.timeline(f"job {job_id}", job, int(job["created"]))
        self.expect(int(job["updated"]) >= int(job["created"]), f"job {job_id} was updated before it was created")
        if status.is_final:
            self.expected["finished"].add(job_id)
        elif is_outside:
            self.expected["outside"].add(job_id)
        has_deadline = job_id in self.records.one("deadlines")
        if status.is_final or "expires" not in job:
            self.expect(not has_deadline, f"job {job_id} ({status}) is among the deadlines")
        elif _S.SUBMITTED in counts:
            self.expect(has_deadline, f"job {job_id} waits and is not among the deadlines")
        hosts = slots if job.get("fanout") == "1" else [job["host"]] if "host" in job else []
        tags = [f"tag:{tag}" for tag in job.get("tags", "").split("\n") if tag]
        groups = [f"group:{group}" for group in job.get("groups", "").split("\n") if group]
        steps = [f"step:{operation}" for operation in job.get("ops", "").split("\n") if operation]
        listed = [*tags, *groups, *steps, *(f"host:{host}" for host in hosts)]
        self.expected_index.setdefault(f"all:|{status}", {})[job_id] = int(job["created"])
        for dim in [f"op:{job['op']}", f"target:{job['target']}", *listed]:
            name = f"{dim}|{self.listed_as(job_id, status, dim)}"
            self.expected_index.setdefault(name, {})[job_id] = int(job["created"])
        for host in slots[:opened] if job.get("fanout") == "2" else []:
            self.expected_index.setdefault(f"broadcast:{host}|", {})[job_id] = int(job["created"])

    def listed_as(self, job_id: str, status: JobStatus, dim: str) -> JobStatus:
        """Dimensions have one index for all jobs that have not ended; versions before had one for each status."""
        if status.is_final:
            return status
        started = job_id in self.records.one(f"index:{dim}|{JobStatus.PROCESSING}")
        return JobStatus.PROCESSING if started else JobStatus.SUBMITTED

    def without_record(self, job_id: str, job: dict[str, str], slots: list[str]) -> list[ExecutionState]:
        """The executions that are held, or ended without having been opened."""
        for slot in slots:
            self.expect(f"exec:{slot}:{job_id}" not in self.records.values, f"job {job_id} has opened {slot} too early")
        state = ExecutionState(job["rest"].split("|")[0]) if "rest" in job else _S.SUBMITTED
        if "opened" in job:
            opened, gate = int(job["opened"]), int(job["gate"])
            self.expect(opened <= gate, f"job {job_id} has opened {opened}, and its gate is {gate}")
        if slots and state is _S.SUBMITTED:
            self.expected["opening"].add(job_id)
        elif job_id in self.records.one("opening"):  # what it has opened is still to be cancelled
            self.expect("stopped" in job and "|cancel" in job["rollout"], f"job {job_id} holds nothing, and is listed")
            self.expected["opening"].add(job_id)
        return [state] * len(slots)

    def execution(self, job_id: str, slot: str, is_outside: bool) -> ExecutionState:
        name = f"exec:{slot}:{job_id}"
        record = self.records.one(name)
        if not record:
            self.found.append(f"{name} does not exist")
            return _S.LOST
        self.owned.add(name)
        state, member = ExecutionState(record["state"]), f"{job_id}:{slot}"
        waiting = job_id in self.records.one(f"waiting:{slot}")
        due = member in self.records.one("due")
        reason = record.get("parked", "")
        is_parked = bool(reason) and member in self.records.one(f"parked:{reason}")
        self.equal(is_parked, bool(reason), f"{name} is parked, and that it is listed")
        if is_parked:
            self.expected_parked.setdefault(f"parked:{reason}", set()).add(member)
        if is_outside:
            self.expect(not waiting and not due, f"{name} runs elsewhere, and waiting {waiting}, due {due}")
        elif state is _S.SUBMITTED:
            places = [waiting, due, is_parked]
            self.expect(places.count(True) == 1, f"{name} is submitted, and waiting, due, parked: {places}")
        else:
            self.expect(
                not waiting and not due and not is_parked, f"{name} is {state}, and waiting {waiting}, due {due}"
            )
        if due:
            self.expected["due"].add(member)
        if waiting:
            self.may_wait[slot] += 1
        if state is _S.STARTED and not is_outside:
            self.expected["leases"].add(member)
            self.expect(slot != ANY, f"{name} runs nowhere")
            self.expect("token" in record, f"{name} runs without a token")
        events = self.timeline(name, record, int(self.records.one(f"job:{job_id}")["created"]))
        last = events[-1] if events else "submitted" if is_outside else "retried"
        self.equal("retried" if state is _S.SUBMITTED and not is_outside else str(state), last, f"last event of {name}")
        self.expect(sum(_S(e).is_final for e in events if e != "retried") <= 1, f"{name} ended twice: {events}")
        self.equal(events.count("started"), int(record["attempt"]), f"attempts of {name}")
        out = f"out:{slot}:{job_id}"
        if out in self.records.values:
            self.owned.add(out)
            self.expect(state is not _S.SUBMITTED, f"{name} is {state} and has a result, or reports of its run")
        return state

    def timeline(self, name: str, record: dict[str, str], created: int) -> list[str]:
        count = int(record.get("events", 0))
        fields = {field for field in record if field[0] == "e" and field[1:].isdigit()}
        self.equal(fields, {f"e{number}" for number in range(1, count + 1)}, f"events of {name}")
        events = [record[f"e{number}"].split("|", 3) for number in range(1, count + 1)]
        times = [created, *(int(event[0]) for event in events)]
        self.expect(times == sorted(times), f"the times of {name} run backwards: {times}")
        return [event[1] for event in events]

    def indexes(self) -> None:
        actual = self.records.kind("index:")
        self.owned |= {f"index:{name}" for name in actual}
        for name in sorted(actual.keys() | self.expected_index.keys()):
            self.equal(actual.get(name, {}), self.expected_index.get(name, {}), f"index:{name}")
        created = [time for index, members in actual.items() if index.startswith("all:") for time in members.values()]
        self.expect(len(set(created)) == len(created), "creation times are not unique")

    def sets(self) -> None:
        for name, members in self.expected.items():
            self.equal(set(self.records.one(name)), members, name)
        for slot, members in self.records.kind("waiting:").items():
            self.owned.add(f"waiting:{slot}")
            self.equal(len(members), self.may_wait[slot], f"number of those that wait for {slot}")
            is_watched = slot in self.records.one("queues") or slot == UNPLACED
            self.expect(is_watched, f"executions wait for {slot}, which the reconciler does not examine")
        jobs = self.records.kind("job:")
        self.expect(set(self.records.one("deadlines")) <= jobs.keys(), "deadlines of jobs that do not exist")
        for key, value in self.records.kind("idem:").items():
            self.owned.add(f"idem:{key}")
            self.expect(value.split("|")[1] in jobs, f"idempotency key {key} of a job that does not exist")
        for alias, job_id in self.records.kind("alias:").items():
            self.owned.add(f"alias:{alias}")
            self.equal(jobs.get(job_id, {}).get("alias"), alias, f"alias of job {job_id}")
        for name, job_id in self.records.kind("reported:").items():
            self.owned.add(f"reported:{name}")
            self.equal(jobs.get(job_id, {}).get("reported"), name, f"what job {job_id} is reported as")
        for name, job_id in self.records.kind("exclusive:").items():
            self.owned.add(f"exclusive:{name}")
            self.equal(jobs.get(job_id, {}).get("exclusive"), name, f"what job {job_id} holds")
        held = Counter(
            job["exclusive"] for job in jobs.values() if "exclusive" in job and not JobStatus(job["status"]).is_final
        )
        self.expect(all(count == 1 for count in held.values()), f"held more than once: {held}")

    def agents(self) -> None:
        agents = self.records.kind("agent:")
        self.equal(set(self.records.one("agents")), set(agents), "known agents")
        self.equal(set(self.records.one("hostnames")), set(agents), "hostnames in alphabetical order")
        self.owned |= {"hostnames", "fleet"}
        self.expect(set(self.records.one("away") or ()) <= agents.keys(), "unknown agents are away")
        expected: dict[str, set[str]] = {}
        for hostname, agent in agents.items():
            self.owned |= {f"agent:{hostname}", f"agent-log:{hostname}", f"roster:{hostname}"}
            info = json.loads(agent["info"])
            labels = [text for key, value in info["labels"].items() for text in label_prefixes(key, value)]
            for name in [*(f"label:{label}" for label in labels), *(f"offers:{op}" for op in info["operations"])]:
                expected.setdefault(name, set()).add(hostname)
        actual = {
            f"{kind}{name}": set(v) for kind in ("label:", "offers:") for name, v in self.records.kind(kind).items()
        }
        self.owned |= actual.keys()
        self.equal(actual, expected, "labels and operations")
        self.takers(agents)

    def takers(self, agents: dict[str, dict[str, str]]) -> None:
        """Every agent that is not away is listed by its operations, by the time until which it counts as live."""
        away = set(self.records.one("away") or ()) | set(self.records.one("barred") or ())
        takers: dict[str, dict[str, int]] = {}
        profiles: dict[str, set[str]] = {}
        for hostname in agents.keys() - away:
            if f"roster:{hostname}" not in self.records.values:
                continue  # maintenance has not merged its record
            operations = self.records.one(f"roster:{hostname}").get("offers", "")
            profile = hashlib.sha1(operations.encode(), usedforsecurity=False).hexdigest()
            takers.setdefault(profile, {})[hostname] = self.records.one("agents")[hostname]
            profiles[profile] = {name for name in operations.split("\n") if name}
        self.equal(self.records.kind("takers:"), takers, "agents that take work")
        self.equal(set(self.records.one("profiles") or ()), set(profiles), "profiles of agents")
        listed = {name: set(found) for name, found in self.records.kind("profile:").items()}
        self.equal(listed, {name: found for name, found in profiles.items() if found}, "operations of profiles")
        self.owned |= {"profiles", *(f"{kind}:{profile}" for kind in ("takers", "profile") for profile in profiles)}

    def pauses(self) -> None:
        """Whatever is parked waits for a pause that has not ended, or is about to return."""
        pauses, returning = self.records.one("pauses"), self.records.one("returning")
        for name, members in self.records.kind("parked:").items():
            self.owned.add(f"parked:{name}")
            is_held = name.removeprefix("pause:") in pauses or self.is_in_line(name)
            self.expect(is_held or name in returning, f"nothing returns what {name} holds")
            self.equal(set(members), self.expected_parked.get(f"parked:{name}", set()), f"executions parked by {name}")
        self.owned |= {"pauses", "paused", "paced", "returning", *(f"paused-hosts:{pause}" for pause in pauses)}

    def is_in_line(self, reason: str) -> bool:
        """Whether the job, or the executions, of a reason wait for a concurrency key."""
        kind, _, name = reason.partition(":")
        if kind == "each":
            return f"line:{name}" in self.records.values
        key = self.records.one(f"job:{name}").get("conc", "").split("|", 2)[-1]
        return kind == "key" and name in self.records.one(f"line:{key}")

    def concurrency(self) -> None:
        """No key has more holders than its limit, or holders that have ended. All that runs holds its key, and every
        waiting line is scheduled.
        """
        jobs, lines = self.records.kind("job:"), self.records.one("lines")
        holders = self.records.kind("holders:")
        for key, members in holders.items():
            self.owned.add(f"holders:{key}")
            limits = [int(jobs[member[:36]]["conc"].split("|")[0]) for member in members if member[:36] in jobs]
            self.expect(len(limits) == len(members), f"holders of {key} do not exist: {members}")
            self.expect(
                len(members) <= max(limits, default=0), f"{key} is held by {members}, and the limits are {limits}"
            )
            for member in members:
                record = self.records.one(f"exec:{member[37:]}:{member[:36]}")
                has_ended = (
                    JobStatus(jobs[member]["status"]).is_final
                    if len(member) == 36
                    else (record.get("state") not in ("started", "submitted"))
                )
                self.expect(not has_ended, f"{key} is held by {member}, which has ended")
        for key in self.records.kind("line:"):
            self.owned.add(f"line:{key}")
            self.expect(key in lines, f"the line of {key} is not scheduled")
        self.owned.add("lines")
        for name, record in self.records.kind("exec:").items():
            slot, _, job_id = name.rpartition(":")
            limit, _, key = (
                jobs.get(job_id, {}).get("conc", "").split("|", 2) if "conc" in jobs.get(job_id, {}) else ("", "", "")
            )
            if limit and record["state"] == "started":
                holder, held = (f"{job_id}:{slot}", record.get("key", "")) if "{" in key else (job_id, key)
                self.expect(holder in holders.get(held, {}), f"exec:{name} runs without the key {held!r}")

    def packages(self) -> None:
        packages = self.records.kind("package:")
        self.equal(set(self.records.one("packages")), set(packages), "stored packages")
        whole = {package["upload"]: int(package["size"]) for package in packages.values()}
        self.equal(len(whole), len(packages), "number of packages with bytes of their own")
        bulk = {name: int(size) for name, size in self.records.one("package-bytes").items()}
        total = bulk.pop("all", 0)
        self.equal(set(bulk), set(self.records.one("uploads")), "incomplete uploads")
        self.equal(total, sum(whole.values()) + sum(bulk.values()), "bytes of all packages")
        # an incomplete one goes by itself, and is dealt with later
        self.expect(whole.keys() <= self.records.kind("upload:").keys(), "packages without their bytes")
        self.owned |= {f"package:{name}" for name in packages} | {f"upload:{upload}" for upload in whole | bulk}

    def fetched(self) -> None:
        reserved = {name: int(size) for name, size in self.records.one("fetched-bytes").items()}
        self.equal(reserved.pop("all", 0), sum(reserved.values()), "bytes reserved for fetched files")
        jobs = self.records.kind("job:").keys() | self.records.one("removals").keys()
        for name in reserved:
            self.expect(name.rpartition(":")[2] in jobs, f"{name} has reserved space for a job that does not exist")

    def configurations(self) -> None:
        ids = self.records.kind("config:").keys()
        self.equal(set(self.records.one("configs")), set(ids), "stored configurations")
        self.equal(self.records.kind("config-log:").keys(), ids, "histories of configurations")
        self.owned |= {f"{kind}:{name}" for name in ids for kind in ("config", "config-log")}

    def objects(self) -> None:
        names = self.records.kind("object:").keys()
        self.equal(set(self.records.one("object-names")), set(names), "names of objects")
        self.equal(self.records.one("object-sizes").keys(), names, "sizes of objects")
        hosts = self.records.kind("deployed:").keys()
        self.expect(hosts <= set(self.records.one("deployed-hosts")), "hosts with deployments")
        self.owned |= {f"object:{name}" for name in names} | {f"deployed:{host}" for host in hosts}

    def saved_jobs(self) -> None:
        names = self.records.kind("saved:").keys()
        self.equal(set(self.records.one("saved-names")), set(names), "names of saved jobs")
        self.equal(self.records.kind("saved-versions:").keys(), names, "versions of saved jobs")
        self.owned |= {f"{kind}:{name}" for name in names for kind in ("saved", "saved-versions")}

    def workflows(self) -> None:
        names = self.records.kind("workflow:").keys()
        self.equal({str(name) for name in self.records.one("workflow-names")}, set(names), "names of workflows")
        self.equal(self.records.kind("workflow-versions:").keys(), names, "versions of workflows")
        runs = self.records.kind("workflow-run:")
        by_list: dict[str, set[str]] = {"": set()}
        for run_id, fields in runs.items():
            by_list[""].add(run_id)
            by_list.setdefault(fields["workflow"], set()).add(run_id)
        listed = {name: {str(run) for run in found} for name, found in self.records.kind("workflow-runs:").items()}
        self.equal(listed, {name: found for name, found in by_list.items() if found}, "runs of workflows")
        is_open = {run_id for run_id, fields in runs.items() if "ended" not in fields}
        self.equal({str(run) for run in self.records.one("workflow-runs-due")}, is_open, "runs that are due")
        ended = {str(run) for run in self.records.one("workflow-runs-ended")}
        self.equal(ended, set(runs) - is_open, "runs that have ended")
        self.owned |= {f"{kind}:{name}" for name in names for kind in ("workflow", "workflow-versions")}
        self.owned |= {f"workflow-run:{run_id}" for run_id in runs} | {f"workflow-runs:{name}" for name in by_list}
        self.owned |= {"workflow-names", "workflow-runs-due", "workflow-runs-ended"}

    def parents(self) -> None:
        names = self.records.kind("parent:").keys()
        self.expect(set(self.records.one("parents-due")) <= set(names), "parents that are due")
        pending = {str(member).partition("|")[2] for member in self.records.one("parts-pending")}
        self.expect(pending <= set(names), "parents with pending parts")
        self.owned |= {"parents-due", "parts-pending", "surveyor", *(f"parent:{name}" for name in names)}
        self.owned |= {name for name in self.records.values if name.startswith(("parent-key:", "cell-hosts:"))}

    def schedules(self) -> None:
        schedules = self.records.kind("schedule:")
        names = {str(name) for name in self.records.one("schedules") or ()}
        self.equal(set(schedules), names, "schedules")
        planned = {name for name, fields in schedules.items() if "next" in fields}
        for key in ("schedules-due", "schedules-planned"):
            self.expect(set(self.records.one(key) or ()) <= planned, f"schedules without a next time in {key}")
        self.expect(set(self.records.kind("schedule-log:")) <= names, "results of unknown schedules")
        self.owned |= {"schedules", "schedules-due", "schedules-planned", "scheduler"}
        followed = {name: fields["follows"] for name, fields in schedules.items() if "follows" in fields}
        runs = self.records.kind("workflow-run:").items()
        running = {f"workflow-run|{run_id}" for run_id, fields in runs if "ended" not in fields}
        following = {str(name) for name in self.records.one("following") or ()}
        self.equal(following, set(followed) | running, "following")
        for group, names_there in self.records.kind("followers:").items():
            expected = {name for name, its_group in followed.items() if its_group == group}
            self.equal({str(name) for name in names_there}, expected, f"followers of {group}")
        self.equal("followed" in self.records.values, bool(following), "the cursor of what follows jobs exists")
        self.owned |= {"following", "followed", *(f"followers:{group}" for group in followed.values())}
        self.owned |= {f"{kind}:{name}" for name in names for kind in ("schedule", "schedule-log")}

    def notifications(self) -> None:
        rules = self.records.kind("notification:")
        names = {str(name) for name in self.records.one("notifications") or ()}
        self.equal(set(rules), names, "notification rules")
        readers = {"notices": bool(names), "job-notices": bool(names) or "followed" in self.records.values}
        for stream, is_read in readers.items():
            self.equal(stream in self.records.values, is_read, f"the stream {stream} exists")
        for kind in ("notification-log", "dead-letters"):
            self.expect(set(self.records.kind(f"{kind}:")) <= names, f"{kind} of unknown rules")
        self.owned |= {"notifications", "notifier", "notices", "job-notices"}
        kinds = ("notification", "notification-log", "dead-letters")
        self.owned |= {f"{kind}:{name}" for name in names for kind in kinds}

    def rest(self) -> None:
        self.equal(
            set(self.records.kind("removing:")), set(self.records.one("removals")), "deleted jobs with records left"
        )
        self.owned |= {f"removing:{job_id}" for job_id in self.records.one("removals")}
        slots = {*self.records.kind("agent:"), ANY}
        for name in self.records.kind("queue:"):
            self.owned.add(f"queue:{name}")
            self.expect(name.split("\x06")[0] in slots, f"the queue {name!r} belongs to no agent")
        nobodys = self.records.values.keys() - self.owned
        self.expect(not nobodys, f"keys without an owner: {sorted(nobodys)}")
