"""Requests by seed for every route: right ones with something wrong, costly ones, and malformed framing."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

JOB = "123e4567-e89b-12d3-a456-426614174000"
_OPERATION = {"type": "node.hostname.get", "data": {}}
_COMMAND = {"type": "command.exec.execute", "data": {"argv": ["x", {"$secret": "a"}], "env": {"A": "b"}}}
_RUN = {"type": "entrypoint.run", "data": {"entrypoint": "x", "runtime_env": {"env_vars": {"A": "b"}, "pip": ["a==1"]}}}
_ROLLOUT = {"canary": 1, "batch": "10%", "max_failures": 2, "pause_seconds": 1, "between": "approve"}
_FULL = {
    "operation": _COMMAND,
    "target_hostname": "web[1-3] and group:web",
    "tags": {"a": "b"},
    "title": "t",
    "retries": {"max_attempts": 3, "jitter": 0.5},
    "not_before": "2030-01-01T00:00:00Z",
    "expires_at": "2031-01-01T00:00:00Z",
    "priority": 3,
    "idempotency_key": "k",
}
_SAVED = {
    "operation": {"type": "script.shell.execute", "data": {"script": "echo {{ a | quote }}", "env": {"A": "{{ a }}"}}},
    "target_hostname": "{{ hosts }}",
    "parameters": {"a": {"default": "b", "pattern": "^b*$"}, "hosts": {"format": "target"}, "s": {"secret": True}},
    "run_by": ["role:deploy"],
}
_TIMING = {"cron": "0 3 * * 1-5", "time_zone": "Europe/Berlin", "jitter": "5m", "starts": "2030-01-01"}
_SCHEDULE = {
    **_TIMING,
    "job": {"operation": _OPERATION, "target_hostname": "web1"},
    "blackouts": [{"cron": "0 0 24 12 *", "duration": "3d"}],
    "overlap": "cancel_other",
    "catch_up": "1h",
}
_RULE = {
    "events": ["job.failed", "schedule.*"],
    "channel": {"type": "webhook", "url": "https://hooks.example.org/x", "secret": {"$secret": "hook"}},
    "filter": {"hosts": ["web1"], "operations": ["node.*"], "tags": {"a": "b*"}, "alerts": ["*"]},
    "group": "5m",
    "quiet_hours": [{"cron": "0 22 * * *", "duration": "8h"}],
    "time_zone": "Europe/Berlin",
}
_CONFIGURATION = {"id": "c", "type": "script", "script": "true", "language": "shell"}
#: (method, path, a document that is right or nearly so).
ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/job", _FULL),
    ("POST", "/job", {"operation": _RUN}),
    ("POST", "/job", {"operation": _OPERATION, "target": "_all", "rollout": _ROLLOUT}),
    ("POST", "/job/plan", _FULL),
    ("POST", "/job/batch", {"jobs": [_FULL, {"operation": _OPERATION}, {"operation": _RUN, "target": "none or x"}]}),
    *(("POST", f"/job/{JOB}/{verb}", {}) for verb in ("cancel", "pause", "resume", "approve", "abort")),
    ("POST", f"/job/{JOB}/retry", {"only": ["failed"], "target": "web1"}),
    ("POST", "/target", {"name": "n", "target": "web1 or @n", "description": "d"}),
    ("PUT", "/target/n", {"target": "group:web and not cpus>=8"}),
    ("POST", "/pause", {"operation": "node.hostname.get", "reason": "r"}),
    ("POST", "/key", {"name": "n", "roles": ["read"], "permissions": ["job:read"]}),
    ("POST", "/role", {"name": "n", "permissions": ["job:read"]}),
    ("POST", "/agent/invite", {"hostname": "web9"}),
    *(("POST", f"/agent/web1/{verb}", {}) for verb in ("drain", "undrain", "accept", "revoke")),
    ("PUT", "/saved/n", _SAVED),
    *(("POST", f"/saved/n/{verb}", {"parameters": {"a": "b"}, "target_hostname": "web1"}) for verb in ("run", "plan")),
    ("POST", "/saved/n/restore", {"version": 1}),
    ("POST", "/schedule", {"name": "n", **_SCHEDULE}),
    ("PUT", "/schedule/n", _SCHEDULE),
    ("PUT", "/schedule/n?dry_run=true", {"every": "1h", "job": {"saved": "n", "parameters": {"a": "b"}}}),
    ("POST", "/schedule/preview", {"rrule": "FREQ=MONTHLY;BYDAY=-1FR", "time_zone": "Asia/Tokyo"}),
    ("POST", "/schedule/n/backfill", {"from": "2026-01-01", "to": "2026-01-01T05:00:00Z", "dry_run": True}),
    *(("POST", f"/schedule/n/{verb}", {"reason": "r"}) for verb in ("pause", "resume", "trigger")),
    ("PUT", "/notification/n", _RULE),
    ("PUT", "/notification/n?dry_run=true", _RULE),
    ("POST", "/notification/n/test", {}),
    ("POST", "/notification/n/resend", {"id": "msg_1"}),
    ("POST", "/job", {"operation": _OPERATION, "concurrency": {"key": "a-{host}", "limit": 2, "policy": "wait"}}),
    ("POST", "/api/jobs/", {"entrypoint": "x", "runtime_env": {"env_vars": {"A": "b"}}, "metadata": {"a": "b"}}),
    ("POST", "/api/jobs", {"entrypoint": "x", "labels": "a", "createOptions": {"a": "b"}}),
    ("POST", "/api/jobs/", {"entrypoint": "x", "entrypoint_label_selector": {"zone": "in(a, b)"}}),
    ("POST", "/api/jobs/raysubmit_x/stop", {}),
    ("POST", "/api/jobs/spark:c/actions", {"action": "start", "comment": "c"}),
    ("POST", "/api/spark/configurations", _CONFIGURATION),
    ("PUT", "/api/spark/configurations/c", _CONFIGURATION),
    ("POST", "/api/spark/jobs", _CONFIGURATION),
    ("POST", "/job-launcher/launcher", _CONFIGURATION),
    ("POST", "/job-launcher/launcher/status", {"state": "running", "jobId": "d", "jobConfig": {"id": "c"}}),
    ("PUT", "/api/jobs/spark:c/schedule", {"triggers": [{"type": "cron", "value": "0 0 3 ? * MON"}], "enabled": True}),
    ("POST", "/api/session", {"username": "u", "password": "p"}),
    ("POST", "/agent/bundle", {"hostname": "web9", "labels": {"group": "web"}, "expires_hours": 1}),
    ("POST", "/user", {"name": "u", "password": "correct horse battery staple", "roles": ["read"]}),
    ("PUT", "/user/u/password", {"password": "correct horse battery staple"}),
    *(("POST", f"/user/u/{verb}", {}) for verb in ("disable", "enable")),
    ("POST", "/alert/work_refused/acknowledge", {"comment": "c", "hours": 1}),
    *(
        (method, f"/api/node/ghost/{path}", document)  # no such host: a call of a right body would wait for it
        for method, path, document in (
            ("POST", "command/exec", {"command": "x", "args": ["a", "@fact.os"], "cwd": "/", "timeout": 1}),
            ("POST", "command/shell", {"command": "x | y", "timeout": 1}),
            ("POST", "file/status", {"path": "/etc/hosts"}),
            ("POST", "file/deploy", {"object_name": "n", "path": "/x", "mode": "0644", "vars": {"a": [{"b": "c"}]}}),
            ("POST", "network/interface/eth0", {"dhcp4": False, "addresses": ["192.0.2.1/24"], "mtu": 1500}),
            ("POST", "network/route/eth0", {"routes": [{"to": "192.0.2.0/24", "via": "192.0.2.1"}]}),
            ("POST", "service", {"name": "n", "object": "o"}),
            ("POST", "ntp", {"servers": ["ntp.example.org"]}),
            ("POST", "network/ping", {"address": "127.0.0.1"}),
            ("PUT", "network/dns", {"servers": ["192.0.2.1"], "search_domains": ["a"], "interface_name": "eth0"}),
            ("POST", "process/1/signal", {"signal": "TERM"}),
            ("POST", "package", {"name": "vim"}),
            ("POST", "user", {"name": "u", "uid": 1000, "groups": ["a"], "password": "p"}),
            ("POST", "user/u/ssh-key", {"key": "ssh-ed25519 AAAA a@b"}),
            ("POST", "sysctl", {"key": "net.ipv4.ip_forward", "value": "1"}),
            ("PUT", "timezone", {"timezone": "UTC"}),
            ("POST", "schedule/cron", {"name": "n", "object": "o", "schedule": "0 3 * * *"}),
            ("POST", "certificate/ca", {"name": "n", "object": "o"}),
            ("POST", "container/docker", {"image": "a", "env": ["A=b"], "ports": ["1:2"], "auto_start": True}),
            ("POST", "container/docker/c/exec", {"command": ["x"]}),
            ("POST", "power/reboot", {"delay": 1, "message": "m"}),
        )
    ),
    ("POST", "/api/file", {"name": "n", "content": "YQ=="}),
    *(("POST", f"/api/agent/web1/{verb}", {}) for verb in ("accept", "reject", "drain", "undrain")),
]
#: (path, names in its query string).
LISTS = [
    ("/job", ("status", "operation", "target", "hostname", "tag", "cursor", "limit", "offset", "q", "error", "view")),
    ("/agent", ("label", "state", "hostname", "cursor", "limit", "view")),
    ("/failure", ("cursor", "limit")),
    (f"/job/{JOB}/executions", ("cursor", "limit", "state", "hostname")),
    ("/target/complete", ("q",)),
    ("/audit", ("cursor", "limit", "who")),
    ("/saved", ("cursor", "limit")),
    ("/saved/n/diff", ("from", "to")),
    ("/schedule", ("cursor", "limit")),
    ("/notification", ("cursor", "limit")),
    ("/api/jobs/", ("limit", "offset")),
    ("/api/spark/jobs", ("limit", "offset", "sync")),
    ("/api/audit", ("limit", "offset")),
    ("/api/agent", ("limit", "cursor", "label", "state", "hostname")),
    ("/api/job", ("status", "operation", "target", "hostname", "tag", "cursor", "limit", "offset")),
    ("/api/node/ghost/log", ("lines", "since", "priority")),
    ("/pause", ("cursor", "limit")),
    ("/target", ("cursor", "limit", "q")),
    (f"/job/{JOB}/logs", ("cursor", "limit", "hostname", "host", "wait")),
    (f"/job/{JOB}/output", ("format", "hostname", "state")),
    ("/ui/calendar", ("month", "cursor")),
    ("/ui/runs", ("facade", "cursor", "q")),
    ("/ui/agents", ("q", "sort", "cursor")),
    ("/ui/jobs", ("q", "status", "target")),
]
PACKAGES = [
    "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip",
    "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip%00",
    "/api/packages/gcs/..%2f..%2fetc%2fpasswd",
    "/api/packages/x/" + "a" * 300,
    "/file/n",
    "/file/n?type=template",
    "/file/..%2fn",
]
FORMS = [
    "/ui/sign-in",
    "/ui/submit",
    f"/ui/jobs/{JOB}/cancel",
    "/ui/agents/choose",
    "/ui/schedules/n/backfill",
    "/file",
    "/api/file",
]
_WORDS = [
    "web1", "_all", "group:web", "web[0001-9999]," * 20 + "x", "(" * 60 + "_all", "not " * 60 + "_all", "50% of _all",
    "hostname~\"" + "(a|b)*" * 40 + "\"", "x[" + "1-9," * 900 + "1]", " or ".join(f"k{n}:v*" for n in range(100)),
    "cpus>=1e999", f"job:{JOB}.failed", "@n", "a*" * 100, "c99999999999999999", "-1", "\x00", "é" * 500, "\\" * 2000,
    "'" * 300, "%" * 40, "[" * 200, "2030-01-01T00:00:00+99:99", "completed,failed", "9" * 400, "NaN", "x" * 20_000,
]  # fmt: skip
_ODD: list[Any] = [
    None, True, 5, -1, 1.5, 2**63, 10**400, "", [], {}, [[]], {"a": 1}, [None] * 300, {"$secret": 1}, "@fact.x",
    {f"k{n}": n for n in range(3000)}, ["x"] * 5000, [{} for _ in range(3000)], *_WORDS,
]  # fmt: skip
_RAW = [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b'"\\u0000"', b'"\\ud800"', b'{"a":1,"a":2}', b"[" * 5000,
        b'{"a":' * 3000, b"\xff\xfe", b'"' + b"x" * 300_000 + b'"', b"[" + b"1," * 20_000 + b"1]", b"",
        b"\xef\xbb\xbf{}", b"[" + b"[]," * 60_000 + b"0]",
        b"{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}"]  # fmt: skip
_MOST_BYTES = 1_000_000
_TYPES = [b"application/json; charset=utf-16", b"text/plain", b"", b"application/x-www-form-urlencoded", b"x/y" * 500]


def request(draw: random.Random, headers: bytes) -> bytes:
    """One request that ends the connection. ``headers``: those that authenticate, mostly sent."""
    kind = draw.random()
    if kind < 0.2:
        method, path, body, media = "GET", _listing(draw), b"", b"application/json"
    elif kind < 0.3:
        method, path = "POST", draw.choice(FORMS)
        body, media = _form(draw)
    elif kind < 0.35:
        method, path = "PUT", draw.choice(PACKAGES)
        body, media = _package(draw)
    else:
        method, path, document = draw.choice(ROUTES)
        media = b"application/json" if draw.random() < 0.95 else draw.choice(_TYPES)
        body = _body(draw, document)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ".encode() + media + b"\r\n"
    )
    head += headers if draw.random() < 0.95 else b""
    return head + _framed(draw, body)


def _body(draw: random.Random, document: Any) -> bytes:
    kind = draw.random()
    changed = _changed(draw, document)
    if kind < 0.5:
        return json.dumps(changed).encode()
    if kind < 0.6:  # many of them, as far as the route takes any
        jobs = [_changed(draw, _FULL) for _ in range(5)]
        size = len(json.dumps(jobs))
        return json.dumps({"jobs": jobs * max(1, min(draw.choice([1, 20, 200]), _MOST_BYTES // size))}).encode()
    raw = json.dumps(document).encode()
    if kind < 0.8:  # something that no encoder writes, in place of a value
        place = json.dumps(draw.choice(list(_values(document)) or [{}])).encode()
        return raw.replace(place, draw.choice(_RAW), 1)
    if kind < 0.9:
        return draw.choice(_RAW)
    cut = bytearray(raw)
    for _ in range(draw.randrange(1, 10)):
        cut[draw.randrange(len(cut))] = draw.randrange(256)
    return bytes(cut[: draw.randrange(len(cut) + 1)])


def _changed(draw: random.Random, document: Any) -> Any:
    changed = copy.deepcopy(document)
    for _ in range(draw.randrange(1, 4)):
        place = draw.choice([one for one in (changed, *_values(changed)) if isinstance(one, (dict, list))])
        if isinstance(place, dict):
            place[draw.choice([*place, "x" * draw.randrange(200)])] = copy.deepcopy(draw.choice(_ODD))
        elif place:
            place[draw.randrange(len(place))] = copy.deepcopy(draw.choice(_ODD))
    return changed


def _values(document: Any) -> Iterator[Any]:
    for one in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield one
        yield from _values(one)


def _listing(draw: random.Random) -> str:
    path, names = draw.choice(LISTS)
    pairs = [(draw.choice(names), draw.choice(_WORDS)[:3000]) for _ in range(draw.randrange(1, 5))]
    return path + "?" + "&".join(f"{name}={quote(text)}" for name, text in pairs)


def _form(draw: random.Random) -> tuple[bytes, bytes]:
    pairs = [
        (draw.choice(["name", "password", "operation", "target", "data", "file", "type"]), draw.choice(_WORDS))
        for _ in range(9)
    ]
    if draw.random() < 0.5:
        fields = "&".join(f"{name}={quote(text)}" for name, text in pairs * draw.choice([1, 1, 500]))
        return fields.encode(), b"application/x-www-form-urlencoded"
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    parts = [part % (name.encode(), draw.choice([b"", b'; filename="x"']), text.encode()) for name, text in pairs]
    body = b"".join(parts * draw.choice([1, 1, 300])) + draw.choice([b"--b--\r\n", b"--b", b""])
    return body, b"multipart/form-data; boundary=" + draw.choice([b"b", b"b" * 300, b'"'])


def _package(draw: random.Random) -> tuple[bytes, bytes]:
    """The bytes of a package: raw, as a form, or something else."""
    if draw.random() < 0.3:
        return _form(draw)
    content = draw.choice([b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\x1f\x8b", b""])
    return content + draw.randbytes(draw.choice([0, 10, 100_000])), b"application/octet-stream"


def _framed(draw: random.Random, body: bytes) -> bytes:
    if draw.random() < 0.85:
        return b"Content-Length: %d\r\n\r\n" % len(body) + body
    size = draw.choice([b"%x", b"%x", b"%x;a=b", b"0x%x", b"%x \x01", b"-%x"]) % len(body)
    end = draw.choice([b"\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\n0\r\nX: \x01\r\n\r\n", b"xx0\r\n\r\n"])
    return b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + body + end
