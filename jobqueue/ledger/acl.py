"""Redis users, one for each role, with the least privileges that the role needs (Redis ACL, Redis 7 or newer).

Redis checks every command of a script against the rules of the user who calls it. The rules therefore hold both for the
ledger's scripts and for commands sent by hand. ``ROLES`` lists the roles that may access each kind of key; a new kind
of key is inaccessible until it is listed there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobqueue.ledger.keys import Keys
from jobqueue.model.target import ANY, check_hostname

#: What every connection needs: commands that reveal neither data nor other connections. They are granted by category,
#: since redis-py sends commands that only newer servers know by name.
_CONNECTION = "+@connection -@dangerous"
#: Commands that scan the whole server or move data elsewhere, and that Redis does not class as dangerous.
_NEVER = "-scan -randomkey -dbsize -move -copy"
_SCRIPTS = "+evalsha +eval +script|load +script|exists"

#: kind of key -> which of the roles api and maintenance work on it. Agents have rules of their own (``_AGENT``).
ROLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *(
                "doc",
                "job",
                "slots",
                "exec",
                "out",
                "log",
                "fetched",
                "fetched_bytes",
                "index",
                "waiting",
                "queues",
                "due",
                "leases",
                "deadlines",
                "opening",
                "staged",
                "finished",
                "cancelling",
                "removals",
                "removing",
            ),
            *("pauses", "paused", "paced", "paused_hosts", "parked", "returning", "holders", "line", "lines"),
            *(
                "idem",
                "alias",
                "reported",
                "exclusive",
                "package",
                "packages",
                "upload",
                "uploads",
                "bulk",
                "bucket_removals",
                "driver_report",
                "outside",
            ),
            *("reached", "clock", "agents", "agent", "agent_log", "away", "label", "offers", "stats", "alerts"),
            *("measured", "notices", "job_notices"),
            *("profiles", "profile", "takers", "outage"),
            *("noted", "arrivals", "roster", "spoiled", "hostnames", "fleet"),
            *("workflow_run", "workflow_runs", "workflow_runs_due", "workflow_runs_ended"),
            *("leader", "queue", "joining", "certificates", "events", "barred", "revoked"),
        ),
        ("api", "maintenance"),
    ),
    **dict.fromkeys(
        (
            *(
                "config",
                "configs",
                "config_log",
                "credentials",
                "used",
                "roles",
                "targets",
                "acknowledged",
                "plan",
                "failures",
                "pace",
                "spent",
                "invite",
            ),
            *("saved", "saved_names", "saved_versions"),
            *("workflow", "workflow_names", "workflow_versions"),
            *("object", "object_names", "object_sizes", "object_uses", "deployed", "deployed_hosts"),
            *("addresses_asked", "address", "installation", "bucket_alarm"),
            *("audit", "audit_head", "audit_spoiled", "ended", "probe"),
            *("parent", "parent_key", "parents_due", "parts_pending", "cell_hosts", "surveyor"),
            *("schedule", "schedules", "schedules_due", "schedules_planned", "schedule_log", "scheduler"),
            *("following", "followers", "followed"),
            *("notification", "notifications", "notification_log", "dead_letters", "notifier"),
        ),
        ("api",),
    ),
}

#: What an agent may do: (kinds of keys, commands). ``{own}`` keys are those of its own slot and of the shared one;
#: ``{host}`` keys those of its own hostname, alone or with a job; the others are shared by all. Nothing lists keys,
#: members of the shared indexes, or other agents' executions: an agent can read only jobs whose ids it was given.
_AGENT: tuple[tuple[tuple[str, ...], str], ...] = (
    # the jobs that it runs
    (("doc",), "+get"),
    (("job",), "+hget +hmget +hset +hdel +hincrby +exists"),
    (("slots",), "+lrange +type"),
    (("exec/own",), "+hget +hmget +hset +hdel +rename +type"),
    (("out/own",), "+set +del"),
    (("log/own",), "+xadd +xrevrange +xtrim"),
    (("fetched/host",), "+hset +del +type"),
    (("fetched_bytes",), "+hget +hincrby +hdel +type"),
    # its queues, and the messages; kombu checks whether a queue exists
    (("waiting/own",), "+zrem +zscore"),
    (("queue/own",), "+brpop +rpop +llen +exists"),
    # the ledger's bookkeeping: written, never listed
    (("index",), "+zadd +zrem"),
    (("due",), "+zadd +zscore"),
    (("leases", "deadlines", "opening"), "+zadd +zrem"),
    # what is paused, and the executions that it holds back
    (("paused",), "+get"),
    (("paced",), "+hget +hset"),
    (("paused_hosts",), "+sismember"),
    (("parked",), "+zadd +zrem +zscore"),
    # concurrency keys
    (("holders",), "+zadd +zrem +zscore +zcard"),
    (("line",), "+zadd +zrem +zscore +exists"),
    (("lines",), "+zadd"),
    (("finished",), "+zadd"),
    (("stats", "measured"), "+hincrby"),
    (("events", "job_notices"), "+xadd"),
    # its identity: it writes its own record, which maintenance merges into the shared lists
    (("agent/host",), "+hget +hmget +hset +hdel +type"),
    (("agent_log/host",), "+rpush +ltrim"),
    (("noted/host",), "+lpush +ltrim"),
    (("arrivals",), "+sadd"),
    (("away", "barred", "offers"), "+sismember"),
    # how many agents there are: they spread what all of them do at once
    (("agents",), "+zcard"),
    # packages
    (("package",), "+hmget +exists"),
    (("packages",), "+zadd +zscore"),
    (("upload",), "+hget"),
    (("addresses_asked",), "+sadd"),
    (("address",), "+get"),
    # the objects that it has deployed
    (("deployed/host",), "+hget +hset +hdel +hlen +type"),
    (("object_uses",), "+hincrby +type"),
    (("deployed_hosts",), "+zadd +type"),
)
#: kombu's own table, in which an agent records the queues that it reads. With the ledger's own Redis as the broker, the
#: table is never read.
_KOMBU_TABLES = ("_kombu.binding.celery", "_kombu.binding_permanent.celery")

#: A character that no hostname contains. kombu's lists of higher numbers have two of them before their number.
_NO_HOSTNAME = "[^-.0-9A-Z_a-z]"


@dataclass(frozen=True)
class RedisUser:
    """One user: ``rules`` are words of ``ACL SETUSER``, without the password."""

    name: str
    rules: tuple[str, ...]

    def line(self, password: str) -> str:
        """The user's line in an ACL file, with a digest in place of the password."""
        digest = hashlib.sha256(password.encode()).hexdigest()
        return " ".join(["user", self.name, "reset", "on", f"#{digest}", *self.rules])

    def command(self, password: str) -> str:
        """The user as a command for redis-cli."""
        return "ACL SETUSER " + self.line(password).removeprefix("user ")


def users(key_prefix: str, agents: Sequence[str] = ()) -> list[RedisUser]:
    """The users of the API, of maintenance and of the doctor, or those of these agents.

    Raises ``InvalidTarget`` for a hostname that no agent can have.
    """
    keys = Keys(key_prefix)
    if agents:
        return [agent_user(keys, hostname) for hostname in agents]
    return [*(keeper_user(keys, role) for role in ("api", "maintenance")), doctor_user(keys)]


def keeper_user(keys: Keys, role: str) -> RedisUser:
    """The API (role ``api``): all of the ledger; or ``maintenance``: neither credentials nor the audit trail."""
    patterns = [f"~{pattern}" for kind, roles in ROLES.items() if role in roles for pattern in _all_of(keys, kind)]
    rules = (*patterns, "+@read +@write", _CONNECTION, _NEVER, _SCRIPTS, "+time +info +multi +exec +discard")
    return RedisUser(f"jobqueue-{role}", rules)


def doctor_user(keys: Keys) -> RedisUser:
    """The user for ``jobqueue doctor``: the permissions of the API, and scanning all keys."""
    return RedisUser("jobqueue-doctor", (*keeper_user(keys, "api").rules, "+scan"))


def agent_user(keys: Keys, hostname: str) -> RedisUser:
    """The agent of one host."""
    check_hostname(hostname)
    rules = [_CONNECTION, "+evalsha +time +multi +exec +discard"]
    for kinds, commands in _AGENT:
        patterns = [f"~{pattern}" for kind in kinds for pattern in _patterns(keys, kind, hostname)]
        rules.append(f"({' '.join([*patterns, commands])})")
    rules.append(f"({' '.join(f'~{name}' for name in _KOMBU_TABLES)} +sadd)")
    return RedisUser(f"jobqueue-agent-{hostname}", tuple(rules))


def _all_of(keys: Keys, kind: str) -> list[str]:
    """Patterns for every key of a kind: those that stand for many end with a colon."""
    start = keys.kind(kind)
    return [f"{start}*" if start.endswith(":") else start]


def _patterns(keys: Keys, kind: str, hostname: str) -> list[str]:
    name, _, whose = kind.partition("/")
    start = keys.kind(name)
    if not whose:
        return _all_of(keys, name)
    if whose == "host":
        return [f"{start}{hostname}:*" if name == "fetched" else start + hostname]
    slots = (hostname, ANY)
    if name == "queue":
        return [f"{start}{slot}{rest}" for slot in slots for rest in ("", f"{_NO_HOSTNAME}*")]
    return [f"{start}{slot}" if name == "waiting" else f"{start}{slot}:*" for slot in slots]
