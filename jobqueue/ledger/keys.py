"""Every Redis key of the ledger: its name, type and meaning. No other module spells a key.

The Lua scripts get the same names injected as the table ``K`` (``store/scripts.py``), so that a name changes in one
place. Keys start with their kind, so that Redis ACL patterns can tell an agent's own work from everybody else's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: name in Lua -> (start of the key, Redis type, what stands behind it and what it holds)
KINDS: dict[str, tuple[str, str, str]] = {
    "doc": ("doc:", "string", "{job}: the job as it was submitted, JSON; never changes"),
    "job": ("job:", "hash", "{job}: status, times, counts of executions by state, the job's own events"),
    "slots": ("slots:", "list", "{job}: the slots of a broadcast, in the order of submission"),
    "exec": (
        "exec:",
        "hash",
        "{slot}:{job}: one execution: state, attempt, token, events, a short answer, the agent's signature",
    ),
    "out": ("out:", "string", "{slot}:{job}: what the execution returned or reports of itself, JSON, if it is long"),
    "log": ("log:", "stream", "{slot}:{job}: output of the execution; entry ids are byte offsets"),
    "events": ("events", "stream", "what happened to jobs lately: one entry a step, the newest last; bounded"),
    "index": ("index:", "zset", "{dimension}:{value}|{status}: job ids by time of creation (microseconds)"),
    "waiting": ("waiting:", "zset", "{slot}: ids of jobs whose message is in the slot's queue, by time of publishing"),
    "due": ("due", "zset", "{job}:{slot} of executions that wait for a time, by that time (microseconds)"),
    "leases": ("leases", "zset", "{job}:{slot} of executions that run, by the end of their lease (microseconds)"),
    "deadlines": ("deadlines", "zset", "ids of jobs with expires_at and executions not started, by that time"),
    "finished": ("finished", "zset", "ids of jobs that are final, by the time they became so; pruned from here"),
    "idem": (
        "idem:",
        "string",
        "{submitter} {key}: digest, job id, creation time and seal behind an idempotency key; expires",
    ),
    "alias": ("alias:", "string", "{alias}: id of the job that has this name of its caller's"),
    "reported": (
        "reported:",
        "string",
        "{owner}:{name}: id of the job that is this run of the owner's driver elsewhere",
    ),
    "exclusive": ("exclusive:", "string", "{name}: id of the newest job that holds the name until it has ended"),
    "package": ("package:", "hash", "{name}: size, sha256, time of storing, the upload that holds its bytes, seal"),
    "packages": ("packages", "zset", "names of stored packages, by the time until which they are kept"),
    "upload": ("upload:", "hash", "{upload}: bytes of a package by number of the piece; expires unless it is complete"),
    "uploads": ("uploads", "zset", "uploads that are not complete, by the time at which they are given up"),
    "bulk": ("package-bytes", "hash", "bytes of all packages and uploads together, and of each incomplete upload"),
    "told": ("told:", "hash", "{job}: what a driver elsewhere told of its run, JSON by field, the newest of each"),
    "outside": (
        "outside",
        "zset",
        "ids of jobs that drivers elsewhere run and that have not ended, by their newest news",
    ),
    "config": ("config:", "string", "{configuration}: a stored configuration of runs, JSON, sealed by the API"),
    "configs": ("configs", "zset", "ids of all configurations, in alphabetical order"),
    "config_log": ("config-log:", "list", "{configuration}: who changed it and when, the newest changes"),
    "reached": ("reached", "hash", "{name}: reference time of the newest completed run under it that was deleted"),
    "credentials": ("credentials", "hash", "{key or user}:{name}: who may get in, sealed by the API"),
    "used": ("credentials-used", "hash", "{key or user}:{name}: when it was last used (microseconds)"),
    "ended": ("ended-session:", "string", "{session}: somebody has signed out of it; expires with the session"),
    "roles": ("roles", "hash", "{name}: permissions of a custom role, sealed by the API"),
    "failures": ("failures:", "string", "{digest of an address or a name}: its failed log-ins of late; expires"),
    "pace": ("pace:", "string", "{digest of a principal}: when it has had what it may ask for (microseconds); expires"),
    "audit": ("audit", "stream", "who did what, the newest entries; each names the one before it"),
    "audit_head": ("audit-head", "hash", "number and link of the newest entry of the audit trail"),
    "audit_spoiled": (
        "audit-spoiled",
        "stream",
        "the audit trail that could not be written any more, while its entries are moved to a new one",
    ),
    "clock": (
        "clock",
        "string",
        "time of the newest job or message (microseconds): they are put in order by times that only grow",
    ),
    "agents": ("agents", "zset", "hostnames of all known agents, by the time until which they count as live"),
    "agent": ("agent:", "hash", "{hostname}: registration, last heartbeat, state"),
    "agent_log": ("agent-log:", "list", "{hostname}: the agent's newest states with their times"),
    "away": ("away", "set", "hostnames of agents that take no new work (all but Ready ones)"),
    "barred": ("barred", "set", "hostnames of agents that were revoked, and not accepted again since"),
    "revoked": ("revoked", "hash", "{hostname}: the API's signed word that its certificates up to a time are void"),
    "joining": ("joining", "set", "hostnames of agents that wait and have an invitation to show"),
    "invite": ("invite:", "string", "{number}: hostname and key that an invitation was used for; expires with it"),
    "certificates": (
        "certificates",
        "hash",
        "certificates of agents, each signed by the API, by id of the agent's key",
    ),
    "label": ("label:", "set", "{key}:{value prefix}: hostnames that a label target matches"),
    "offers": ("offers:", "set", "{operation}: hostnames of agents that support it"),
    "stats": ("stats", "hash", "counters of what must not happen often: refused claims, stale results, leases lost"),
    "measured": ("measured", "hash", "what|operation|state or bucket: counts of executions, and how long they took"),
    "alerts": ("alerts", "list", "{time}|{JSON} of what somebody should look into, the newest first"),
    "noted": (
        "noted:",
        "list",
        "{hostname}: alerts of the agent, until maintenance moves them on; only it writes here",
    ),
    "arrivals": ("arrivals", "set", "hostnames of agents whose records maintenance has to look at: they changed"),
    "roster": (
        "roster:",
        "hash",
        "{hostname}: what of an agent's record stands in the ledger's lists; no agent writes it",
    ),
    "spoiled": ("spoiled:", "any", "{key}: what lay in place of a key of the ledger and was no such thing; expires"),
    "probe": ("probe", "string", "written to learn whether Redis takes writes; expires"),
    "leader": ("leader", "string", "which copy of maintenance leads; expires"),
    "queue": ("queue:", "list", "{slot}: messages for the slot, one list per priority (written the way kombu reads)"),
}


@dataclass(frozen=True)
class Keys:
    """Key names under one prefix (``JOBQUEUE_KEY_PREFIX``), so that deployments can share a Redis."""

    prefix: str

    def kind(self, name: str) -> str:
        """The start of all keys of one kind."""
        return self.prefix + KINDS[name][0]

    def lua_table(self, kinds: Iterable[str]) -> str:
        """The Lua source of the table ``K``, with these kinds of keys."""
        entries = ", ".join(f"{name} = '{self.kind(name)}'" for name in kinds)
        return f"local K = {{{entries}}}"

    def doc(self, job_id: str) -> str:
        return self.kind("doc") + job_id

    def job(self, job_id: str) -> str:
        return self.kind("job") + job_id

    def execution(self, job_id: str, slot: str) -> str:
        return f"{self.kind('exec')}{slot}:{job_id}"

    def log(self, job_id: str, hostname: str) -> str:
        return f"{self.kind('log')}{hostname}:{job_id}"

    def index(self, dimension: str, value: str, status: str) -> str:
        return f"{self.kind('index')}{dimension}:{value}|{status}"

    def waiting(self, slot: str) -> str:
        return self.kind("waiting") + slot

    def config(self, config_id: str) -> str:
        return self.kind("config") + config_id

    def config_log(self, config_id: str) -> str:
        return self.kind("config_log") + config_id

    def upload(self, upload: str) -> str:
        return self.kind("upload") + upload

    def agent(self, hostname: str) -> str:
        return self.kind("agent") + hostname

    def agent_log(self, hostname: str) -> str:
        return self.kind("agent_log") + hostname

    def queue(self, slot: str) -> str:
        """The name of a slot's queue; Celery agents consume from it."""
        return self.kind("queue") + slot
