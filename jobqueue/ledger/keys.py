"""Every Redis key of the ledger: its name, type and meaning. No other module spells a key.

The Lua scripts spell them as fields of ``K`` (``ledger/scripts.py`` inserts the names), so that a name changes in one
place. Keys start with their kind, so that Redis ACL patterns can separate an agent's own keys from all others.
"""

from __future__ import annotations

from dataclasses import dataclass

#: name in Lua -> (start of the key, Redis type, the rest of the key, and the value)
KINDS: dict[str, tuple[str, str, str]] = {
    "doc": ("doc:", "string", "{job}: the job as it was submitted, JSON; never changes"),
    "job": ("job:", "hash", "{job}: status, times, counts of executions by state, the job's own events"),
    "slots": ("slots:", "list", "{job}: the slots of a broadcast, in the order of submission"),
    "exec": (
        "exec:",
        "hash",
        "{slot}:{job}: one execution: state, attempt, token, events, a short answer, the agent's signature",
    ),
    "out": ("out:", "string", "{slot}:{job}: the result or progress report of the execution, JSON, if it is long"),
    "log": ("log:", "stream", "{slot}:{job}: output of the execution; entry ids are byte offsets"),
    "fetched": ("fetched:", "hash", "{hostname}:{job}: content of the files that an execution has sent, by number"),
    "fetched_bytes": (
        "fetched-bytes",
        "hash",
        "bytes reserved for files that hosts send: of all together, and by {hostname}:{job}",
    ),
    "events": ("events", "stream", "recent events of jobs: one entry per step, newest last; bounded"),
    "index": (
        "index:",
        "zset",
        "{dimension}:{value}|{status}: job ids by time of creation (microseconds); broadcast:{hostname}| has no status",
    ),
    "waiting": ("waiting:", "zset", "{slot}: ids of jobs whose message is in the slot's queue, by time of publishing"),
    "queues": (
        "queues",
        "zset",
        "slots in which executions wait, by the time of publishing of the oldest that the reconciler has not examined",
    ),
    "due": ("due", "zset", "{job}:{slot} of executions that wait for a time, by that time (microseconds)"),
    "pauses": ("pauses", "hash", "{pause}: kind|until|length|value, then who paused it, when and why, JSON"),
    "paused": ("paused", "string", "what is paused, as claims read it: id|kind|until|value of each pause, in lines"),
    "paced": ("paced", "hash", "{pause}: when all starts that its rate allows are free again (microseconds)"),
    "paused_hosts": ("paused-hosts:", "set", "{pause}: hostnames of a pause of hosts"),
    "parked": (
        "parked:",
        "zset",
        "{reason}: {job}:{slot} of executions that are held back, by the time at which they were published",
    ),
    "returning": ("returning", "zset", "reasons whose executions return to their queues, by the time of its end"),
    "holders": (
        "holders:",
        "zset",
        "{concurrency key}: ids of the jobs, or {job}:{slot} of the executions, that hold it, oldest first",
    ),
    "line": ("line:", "zset", "{concurrency key}: ids of jobs, or {job}:{slot}, that wait for it, in their order"),
    "lines": ("lines", "zset", "concurrency keys for which something waits, by the time to examine them next"),
    "leases": ("leases", "zset", "{job}:{slot} of executions that run, by the end of their lease (microseconds)"),
    "deadlines": ("deadlines", "zset", "ids of jobs with expires_at and executions not started, by that time"),
    "cancelling": (
        "cancelling",
        "zset",
        "ids of broadcasts whose waiting executions are being cancelled, by the number of executions examined",
    ),
    "removals": (
        "removals",
        "zset",
        "ids of deleted broadcasts that still have keys; 0: only those of their executions, 1: also entries in lists",
    ),
    "removing": ("removing:", "list", "{job}: slots of a deleted broadcast whose records are left"),
    "opening": (
        "opening",
        "zset",
        "ids of jobs with executions without a record, by the time to open the next; far ahead while they wait",
    ),
    "staged": ("staged:", "list", "{job}: hosts of a job that is about to be created, in order; expires"),
    "finished": ("finished", "zset", "ids of final jobs, by the time they ended; pruned from here"),
    "idem": (
        "idem:",
        "string",
        "{submitter} {key}: digest, job id, creation time and seal behind an idempotency key; expires",
    ),
    "alias": ("alias:", "string", "{alias}: id of the job with this caller-chosen alias"),
    "reported": (
        "reported:",
        "string",
        "{owner}:{name}: id of the job for this external run of the owner",
    ),
    "exclusive": ("exclusive:", "string", "{name}: id of the newest job that holds the name exclusively until it ends"),
    "package": ("package:", "hash", "{name}: size, sha256, time of storing, the upload that holds its bytes, seal"),
    "packages": ("packages", "zset", "names of stored packages, by the time until which they are kept"),
    "upload": ("upload:", "hash", "{upload}: bytes of a package by number of the piece; expires unless it is complete"),
    "uploads": ("uploads", "zset", "uploads that are not complete, by the time at which they are given up"),
    "bucket_removals": (
        "bucket-removals",
        "zset",
        "names of content in the bucket that is to be deleted, by that time; of an upload, until it is complete",
    ),
    "installation": ("installation", "string", "random id of this ledger, which its marker in the bucket names"),
    "bucket_alarm": ("bucket-alarm", "string", "1 after an alert about the bucket; expires"),
    "addresses_asked": ("addresses-asked", "set", "names of content in the bucket that agents want to download"),
    "address": ("address:", "string", "{name}: where agents can download this content for now, signed by the API"),
    "bulk": ("package-bytes", "hash", "bytes of all packages and uploads together, and of each incomplete upload"),
    "driver_report": (
        "told:",
        "hash",
        "{job}: what the driver of an external run reported, JSON by field, newest values",
    ),
    "outside": (
        "outside",
        "zset",
        "ids of external runs that have not ended, by the time of their last report",
    ),
    "config": ("config:", "string", "{configuration}: a stored configuration of runs, JSON, sealed by the API"),
    "configs": ("configs", "zset", "ids of all configurations, in alphabetical order"),
    "config_log": ("config-log:", "list", "{configuration}: who changed it and when, newest changes"),
    "reached": ("reached", "hash", "{name}: reference time of the newest completed run under it that was deleted"),
    "credentials": ("credentials", "hash", "{key or user}:{name}: a credential, sealed by the API"),
    "used": ("credentials-used", "hash", "{key or user}:{name}: when it was last used (microseconds)"),
    "ended": ("ended-session:", "string", "{session}: the session was signed out; expires with it"),
    "roles": ("roles", "hash", "{name}: permissions of a custom role, sealed by the API"),
    "targets": ("targets", "hash", "{name}: a stored target, sealed by the API"),
    "saved": ("saved:", "string", "{name}: the newest version of a saved job, JSON, sealed by the API"),
    "saved_names": ("saved-names", "zset", "names of all saved jobs, in alphabetical order"),
    "saved_versions": ("saved-versions:", "list", "{name}: versions of a saved job, newest first, each sealed"),
    "workflow": ("workflow:", "string", "{name}: the newest version of a workflow, JSON, sealed by the API"),
    "workflow_names": ("workflow-names", "zset", "names of all workflows, in alphabetical order"),
    "workflow_versions": ("workflow-versions:", "list", "{name}: versions of a workflow, newest first, each sealed"),
    "workflow_run": (
        "workflow-run:",
        "hash",
        "{run}: a run of a workflow, sealed by the API; its serial number, the states and the jobs of its nodes",
    ),
    "workflow_runs": (
        "workflow-runs:",
        "zset",
        "{workflow}: ids of its runs by time of creation (microseconds); without a name: of all runs",
    ),
    "workflow_runs_due": (
        "workflow-runs-due",
        "zset",
        "ids of runs that have not ended, by the time to examine them next",
    ),
    "workflow_runs_ended": (
        "workflow-runs-ended",
        "zset",
        "ids of ended runs, by the time they ended; pruned from here",
    ),
    "object": ("object:", "string", "{name}: the versions of an object, JSON, sealed by the API"),
    "object_names": ("object-names", "zset", "names of all objects, in alphabetical order"),
    "object_sizes": ("object-sizes", "hash", "{name}: bytes of all versions of an object"),
    "object_uses": ("object-uses", "hash", "{name}: how many paths of hosts an object is deployed at"),
    "deployed": ("deployed:", "hash", "{hostname}: per path, the object that was deployed there, JSON"),
    "deployed_hosts": ("deployed-hosts", "zset", "hostnames with deployments of objects, in alphabetical order"),
    "parent": ("parent:", "string", "{parent}: a job that spans cells, with its parts, JSON, sealed by the API"),
    "parent_key": ("parent-key:", "string", "{digest of an idempotency key}: id of its parent; expires"),
    "parents_due": ("parents-due", "zset", "ids of parents with unfinished parts, by the time to examine them next"),
    "parts_pending": ("parts-pending", "zset", "{cell}|{parent} of parts that their cells have not confirmed"),
    "cell_hosts": ("cell-hosts:", "zset", "{cell}: hostnames of its agents, by the time when it last named them"),
    "surveyor": ("surveyor", "string", "which process of a front asks the cells for their hosts; expires"),
    "schedule": (
        "schedule:",
        "hash",
        "{name}: a schedule, sealed by the API; its serial number, next time, last job, and what it waits for",
    ),
    "schedules": ("schedules", "zset", "names of all schedules, in alphabetical order"),
    "schedules_due": ("schedules-due", "zset", "names of schedules by the time at which they fire next (microseconds)"),
    "schedules_planned": (
        "schedules-planned",
        "zset",
        "the same names, by the time at which that was computed: one ahead of the clock shows that the clock went back",
    ),
    "schedule_log": ("schedule-log:", "list", "{name}: the results of its last times, newest first"),
    "scheduler": ("scheduler", "string", "which API process fires schedules; expires"),
    "following": (
        "following",
        "zset",
        "names of the schedules that follow the endings of jobs, and workflow-run|{run} of runs that have not ended",
    ),
    "followers": ("followers:", "zset", "{list of jobs}: names of the schedules that follow the endings of its jobs"),
    "followed": (
        "followed",
        "string",
        "id of the newest event of a job that these schedules and runs have processed; exists only with such ones",
    ),
    "notification": (
        "notification:",
        "hash",
        "{name}: a notification rule, sealed by the API; its serial number, how far it is in the streams, its attempts",
    ),
    "notifications": ("notifications", "zset", "names of all notification rules, in alphabetical order"),
    "notification_log": ("notification-log:", "list", "{name}: the newest deliveries of a rule, newest last"),
    "dead_letters": (
        "dead-letters:",
        "list",
        "{name}: dead letters, newest last, each sealed by the API",
    ),
    "notifier": ("notifier", "string", "which API process delivers notifications; expires"),
    "notices": (
        "notices",
        "stream",
        "events for notification rules, of schedules and alerts; exists only while there are rules; bounded",
    ),
    "job_notices": (
        "job-notices",
        "stream",
        "events of jobs for notification rules and schedules that follow jobs; exists only with such ones; bounded",
    ),
    "plan": ("plan:", "string", "{hash}: the agents of a plan, compressed; expires after an hour"),
    "failures": ("failures:", "string", "{digest of an address or a name}: its recent failed logins; expires"),
    "pace": (
        "pace:",
        "string",
        "{digest of a principal}: time at which its rate limit is used up (microseconds); expires",
    ),
    "spent": (
        "spent:",
        "hash",
        "{digest of a principal and a grant}: per minute of the last hour, hosts of its jobs; expires",
    ),
    "audit": ("audit", "stream", "who did what, newest entries; each is chained to the previous one"),
    "audit_head": ("audit-head", "hash", "number and link of the newest entry of the audit trail"),
    "audit_spoiled": (
        "audit-spoiled",
        "stream",
        "a damaged audit trail whose entries are being moved to a new one",
    ),
    "clock": (
        "clock",
        "string",
        "time of the newest job or message (microseconds): ordering times that only grow",
    ),
    "agents": ("agents", "zset", "hostnames of all known agents, by the time until which they count as live"),
    "hostnames": ("hostnames", "zset", "hostnames of all known agents, in alphabetical order, for lists in pages"),
    "fleet": ("fleet", "string", "summary of all agents, JSON, that maintenance makes every few seconds"),
    "agent": ("agent:", "hash", "{hostname}: registration, last heartbeat, state"),
    "agent_log": ("agent-log:", "list", "{hostname}: the agent's newest states with their times"),
    "away": ("away", "set", "hostnames of agents that are not Ready"),
    "barred": ("barred", "set", "hostnames of revoked agents"),
    "revoked": ("revoked", "hash", "{hostname}: signed revocation: its certificates up to a time are void"),
    "joining": ("joining", "set", "hostnames of pending agents with an invitation"),
    "invite": ("invite:", "string", "{number}: hostname and key that an invitation was used for; expires with it"),
    "certificates": (
        "certificates",
        "hash",
        "certificates of agents, each signed by the API, by id of the agent's key",
    ),
    "label": ("label:", "set", "{key}:{value prefix}: hostnames that a label target matches"),
    "offers": ("offers:", "set", "{operation}: hostnames of agents that support it"),
    "profiles": ("profiles", "set", "profiles of agents that take work: all agents with the same operations share one"),
    "profile": ("profile:", "set", "{profile}: its operations"),
    "takers": (
        "takers:",
        "zset",
        "{profile}: hostnames of agents that take work, by the time until which they count as live (microseconds)",
    ),
    "stats": ("stats", "hash", "safety counters: refused claims, stale results, lost leases"),
    "measured": ("measured", "hash", "what|operation|state or bucket: counts of executions, and how long they took"),
    "alerts": ("alerts", "list", "{time}|{JSON} of alerts, newest first"),
    "acknowledged": ("acknowledged", "hash", "{kind of alert}: who acknowledged its alerts, sealed by the API"),
    "outage": ("outage", "string", "{time}|{alert}: when the outage began that the alert is about"),
    "noted": (
        "noted:",
        "list",
        "{hostname}: alerts of the agent until maintenance moves them; written by this agent only",
    ),
    "arrivals": ("arrivals", "set", "hostnames of agents whose records changed, for maintenance"),
    "roster": (
        "roster:",
        "hash",
        "{hostname}: the part of an agent's record that is in the shared lists; agents cannot write it",
    ),
    "spoiled": ("spoiled:", "any", "{key}: a damaged key set aside; expires"),
    "probe": ("probe", "string", "test write of the health check; expires"),
    "leader": ("leader", "string", "which copy of maintenance leads; expires"),
    "queue": ("queue:", "list", "{slot}: messages for the slot, one list per priority (written the way kombu reads)"),
}


@dataclass(frozen=True)
class Keys:
    """Key names under one prefix (``JOBQUEUE_KEY_PREFIX``), so that several deployments can share a Redis."""

    prefix: str

    def kind(self, name: str) -> str:
        """The start of all keys of one kind."""
        return self.prefix + KINDS[name][0]

    def doc(self, job_id: str) -> str:
        return self.kind("doc") + job_id

    def job(self, job_id: str) -> str:
        return self.kind("job") + job_id

    def execution(self, job_id: str, slot: str) -> str:
        return f"{self.kind('exec')}{slot}:{job_id}"

    def log(self, job_id: str, hostname: str) -> str:
        return f"{self.kind('log')}{hostname}:{job_id}"

    def fetched(self, job_id: str, hostname: str) -> str:
        return f"{self.kind('fetched')}{hostname}:{job_id}"

    def index(self, dimension: str, value: str, status: str) -> str:
        return f"{self.kind('index')}{dimension}:{value}|{status}"

    def waiting(self, slot: str) -> str:
        return self.kind("waiting") + slot

    def parked(self, reason: str) -> str:
        return self.kind("parked") + reason

    def config(self, config_id: str) -> str:
        return self.kind("config") + config_id

    def object(self, name: str) -> str:
        return self.kind("object") + name

    def parent(self, parent_id: str) -> str:
        return self.kind("parent") + parent_id

    def cell_hosts(self, cell: str) -> str:
        return self.kind("cell_hosts") + cell

    def deployed(self, hostname: str) -> str:
        return self.kind("deployed") + hostname

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
