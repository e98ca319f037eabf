"""All of OSAPI's calls to hosts."""

from __future__ import annotations

from typing import Any

from api.osapi import shapes
from api.osapi.answers import (
    ALL,
    DISKS,
    FLAG,
    LABELS,
    LOAD,
    MEMORY,
    MILLISECONDS,
    NUMBER,
    OS,
    TEXT,
    UPTIME,
    WHOLE,
    Part,
    group,
    items,
)
from api.osapi.call import Call
from api.osapi.parameters import FLAG as YES_OR_NO
from api.osapi.parameters import NAME, NONEMPTY, TEXTS, Parameter
from api.osapi.parameters import TEXT as ANY_TEXT
from api.osapi.parameters import WHOLE as ANY_NUMBER

#: Seconds that a command may take, and takes at most if nothing is said.
MOST_SECONDS, DEFAULT_SECONDS = 300, 30

_SECONDS = Parameter("integer", least=1, most=MOST_SECONDS)
_COMMAND_PARTS = {"stdout": TEXT, "stderr": TEXT, "exit_code": WHOLE, "duration_ms": WHOLE}
_PROCESS = group(
    {
        "pid": WHOLE,
        "name": TEXT,
        "user": TEXT,
        "state": TEXT.named("status"),
        "mem_rss": WHOLE.named("memory"),
        "start_time": TEXT.named("started_at"),
    }
)
_PACKAGES = items(group({"name": TEXT, "version": TEXT, "description": TEXT, "status": TEXT, "size": WHOLE}))
_UPDATES = items(group({"name": TEXT, "current_version": TEXT, "new_version": TEXT}))
_SERVICE = group({"name": TEXT, "status": TEXT, "enabled": FLAG, "description": TEXT, "pid": WHOLE})
_USERS = items(
    group(
        {
            "name": TEXT,
            "uid": WHOLE,
            "gid": WHOLE,
            "home": TEXT,
            "shell": TEXT,
            "groups": items(TEXT),
            "locked": FLAG,
        }
    )
)
_GROUPS = items(group({"name": TEXT, "gid": WHOLE, "members": items(TEXT)}))
_KEYS = items(group({"type": TEXT, "fingerprint": TEXT, "comment": TEXT}))
_LOG = items(
    group({"timestamp": TEXT, "unit": TEXT, "priority": TEXT, "message": TEXT, "pid": WHOLE, "hostname": TEXT})
)
_LOG_QUERY = {
    "lines": Parameter("integer", least=1, most=10_000),
    "since": NONEMPTY,
    "priority": Parameter(choices=("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")),
}
_NAMED = {"name": TEXT}


def _limited(data: dict[str, Any]) -> dict[str, Any]:
    return {"timeout": DEFAULT_SECONDS, **data}


def _nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {}


def _of_interface(data: dict[str, Any]) -> dict[str, Any]:
    return {"interface" if name == "interface_name" else name: value for name, value in data.items()}


def _of_object(data: dict[str, Any]) -> dict[str, Any]:
    return {"object" if name == "object_name" else name: value for name, value in data.items()}


def _file_status(result: Any) -> Any:
    """In OSAPI's words; present: it is there, and was not deployed from an object."""
    sync = result.get("sync")
    return sync if isinstance(sync, str) else "present" if result.get("exists") is True else "missing"


_READS = (
    Call(
        "GET",
        "",
        "node.status.get",
        {
            "uptime": UPTIME,
            "load_average": LOAD.named("load"),
            "memory": MEMORY,
            "disks": DISKS,
            "os_info": OS.named("os"),
        },
    ),
    Call("GET", "/disk", "node.disk.get", {"disks": DISKS}),
    Call("GET", "/memory", "node.memory.get", {"memory": MEMORY.named(ALL)}),
    Call("GET", "/load", "node.load.get", {"load_average": LOAD.named(ALL)}),
    Call("GET", "/os", "node.os.get", {"os_info": OS.named(ALL)}),
    Call("GET", "/uptime", "node.uptime.get", {"uptime": UPTIME.named(ALL)}),
    Call("GET", "/hostname", "node.hostname.get", {"labels": LABELS}),
    Call("PUT", "/hostname", "node.hostname.update", body={"hostname": NAME}, status=202),
    Call("GET", "/timezone", "node.timezone.get", {"timezone": TEXT, "utc_offset": TEXT}),
    Call("PUT", "/timezone", "node.timezone.update", {"timezone": TEXT}, body={"timezone": NAME}),
)

_PID = {"pid": Parameter("integer", required=True, least=1)}
_PROCESSES = (
    Call("GET", "/process", "node.process.list", {"processes": items(_PROCESS)}, adapt=lambda _: {"limit": 1000}),
    Call("GET", "/process/<pid>", "node.process.get", {"process": _PROCESS}, variables=_PID),
    Call(
        "POST",
        "/process/<pid>/signal",
        "node.process.signal",
        {"pid": WHOLE, "signal": TEXT},
        body={"signal": Parameter(required=True, choices=("TERM", "KILL", "HUP", "INT", "USR1", "USR2"))},
        variables=_PID,
    ),
)

_COMMANDS = (
    Call(
        "POST",
        "/command/exec",
        "command.exec.execute",
        _COMMAND_PARTS,
        body={"command": NAME, "args": TEXTS, "cwd": NONEMPTY, "timeout": _SECONDS},
        status=202,
        adapt=_limited,
    ),
    Call(
        "POST",
        "/command/shell",
        "command.shell.execute",
        _COMMAND_PARTS,
        body={"command": NAME, "cwd": NONEMPTY, "timeout": _SECONDS},
        status=202,
        adapt=_limited,
    ),
)

_FILES = (
    Call(
        "POST",
        "/file/deploy",
        "file.deploy.execute",
        body={
            "object_name": Parameter(required=True, least=1, most=255),
            "path": NAME,
            "mode": NONEMPTY,
            "owner": NONEMPTY,
            "group": NONEMPTY,
            "content_type": Parameter(required=True, choices=("raw", "template")),
            "vars": Parameter("object"),
        },
        status=202,
        adapt=_of_object,
    ),
    Call("POST", "/file/undeploy", "file.undeploy.execute", body={"path": NAME}, status=202),
    Call(
        "POST",
        "/file/status",
        "file.status.get",
        {"path": TEXT, "sha256": TEXT, "status": Part(shapes.STRING, _file_status, ALL)},
        body={"path": NAME},
    ),
)

_PING_PARTS = {
    "packets_sent": WHOLE,
    "packets_received": WHOLE,
    "packet_loss": NUMBER,
    **{f"{name}_rtt": MILLISECONDS.named(f"{name}_rtt_ms") for name in ("min", "avg", "max")},
}
_INTERFACE_NAME = {"interface_name": NAME}
_INTERFACE_BODY = {
    "dhcp4": YES_OR_NO,
    "dhcp6": YES_OR_NO,
    "addresses": TEXTS,
    "gateway4": NONEMPTY,
    "gateway6": NONEMPTY,
    "mtu": Parameter("integer", least=68, most=9000),
    "mac_address": ANY_TEXT,
    "wakeonlan": YES_OR_NO,
}
_INTERFACE = group(
    {
        **dict.fromkeys(("name", "ipv4", "ipv6", "mac", "family", "state"), TEXT),
        **dict.fromkeys(("mac_address", "gateway4", "gateway6"), TEXT),
        **dict.fromkeys(("dhcp4", "dhcp6", "wakeonlan", "primary"), FLAG),
        "mtu": WHOLE,
        "addresses": items(TEXT),
    }
)
_ROUTED = {"interfaceName": "interface"}
_ROUTES = items(group({"destination": TEXT, "gateway": TEXT, "interface": TEXT, "metric": WHOLE, "scope": TEXT}))
_NETWORK = (
    Call("POST", "/network/ping", "network.ping.do", _PING_PARTS, body={"address": NAME}),
    # the name servers that the host uses, whatever the interface
    Call(
        "GET",
        "/network/dns/<interfaceName>",
        "network.dns.get",
        {"servers": items(TEXT), "search_domains": items(TEXT)},
        adapt=_nothing,
    ),
    Call(
        "PUT",
        "/network/dns",
        "network.dns.update",
        body={**_INTERFACE_NAME, "servers": TEXTS, "search_domains": TEXTS, "override_dhcp": YES_OR_NO},
        status=202,
        adapt=_of_interface,
    ),
    Call("DELETE", "/network/dns", "network.dns.delete", body=_INTERFACE_NAME, adapt=_of_interface),
    Call("GET", "/network/interface", "network.interface.list", {"interfaces": items(_INTERFACE)}),
    Call("GET", "/network/interface/<name>", "network.interface.get", {"interface": _INTERFACE}),
    Call("POST", "/network/interface/<name>", "network.interface.create", _NAMED, body=_INTERFACE_BODY),
    Call("PUT", "/network/interface/<name>", "network.interface.update", _NAMED, body=_INTERFACE_BODY),
    Call("DELETE", "/network/interface/<name>", "network.interface.delete", _NAMED),
    Call("GET", "/network/route", "network.route.list", {"routes": _ROUTES}),
    Call("GET", "/network/route/<interfaceName>", "network.route.get", {"routes": _ROUTES}, names=_ROUTED),
    *(
        Call(
            method,
            "/network/route/<interfaceName>",
            f"network.route.{verb}",
            {"interface": TEXT},
            body={"routes": Parameter("objects", required=True)},
            names=_ROUTED,
        )
        for method, verb in (("POST", "create"), ("PUT", "update"))
    ),
    Call("DELETE", "/network/route/<interfaceName>", "network.route.delete", {"interface": TEXT}, names=_ROUTED),
)

_PACKAGE = (
    Call("GET", "/package", "node.package.list", {"packages": _PACKAGES}),
    Call("POST", "/package", "node.package.install", _NAMED, body={"name": NAME}),
    Call("GET", "/package/<name>", "node.package.get", {"packages": _PACKAGES}),
    Call("DELETE", "/package/<name>", "node.package.remove", _NAMED),
    Call("POST", "/package/update", "node.package.update", _NAMED),
    Call("GET", "/package/update", "node.package.listUpdates", {"updates": _UPDATES}),
)

_SERVICES = (
    Call("GET", "/service", "node.service.list", {"services": items(_SERVICE)}),
    Call("POST", "/service", "node.service.create", _NAMED, body={"name": NAME, "object": NAME}),
    Call("GET", "/service/<name>", "node.service.get", {"service": _SERVICE}),
    Call("PUT", "/service/<name>", "node.service.update", _NAMED, body={"object": NAME}),
    Call("DELETE", "/service/<name>", "node.service.delete", _NAMED),
    *(
        Call("POST", f"/service/<name>/{verb}", f"node.service.{verb}", _NAMED)
        for verb in ("start", "stop", "restart", "enable", "disable")
    ),
)

_ACCOUNT = {"shell": NONEMPTY, "home": NONEMPTY, "groups": TEXTS}
_KEY_USER = {"name": "user"}
_ACCOUNTS = (
    Call("GET", "/user", "node.user.list", {"users": _USERS}),
    Call(
        "POST",
        "/user",
        "node.user.create",
        _NAMED,
        body={
            "name": Parameter(required=True, least=1, most=32),
            "uid": ANY_NUMBER,
            "gid": ANY_NUMBER,
            **_ACCOUNT,
            "password": NONEMPTY,
            "system": YES_OR_NO,
        },
    ),
    Call("GET", "/user/<name>", "node.user.get", {"users": _USERS}),
    Call("PUT", "/user/<name>", "node.user.update", _NAMED, body={**_ACCOUNT, "lock": YES_OR_NO}),
    Call("DELETE", "/user/<name>", "node.user.delete", _NAMED),
    Call("POST", "/user/<name>/password", "node.user.password", _NAMED, body={"password": NAME}),
    Call("GET", "/user/<name>/ssh-key", "node.sshKey.list", {"keys": _KEYS}, names=_KEY_USER),
    Call("POST", "/user/<name>/ssh-key", "node.sshKey.add", body={"key": NAME}, names=_KEY_USER),
    Call("DELETE", "/user/<name>/ssh-key/<fingerprint>", "node.sshKey.remove", names=_KEY_USER),
    Call("GET", "/group", "node.group.list", {"groups": _GROUPS}),
    Call(
        "POST",
        "/group",
        "node.group.create",
        _NAMED,
        body={"name": Parameter(required=True, least=1, most=32), "gid": ANY_NUMBER, "system": YES_OR_NO},
    ),
    Call("GET", "/group/<name>", "node.group.get", {"groups": _GROUPS}),
    Call("PUT", "/group/<name>", "node.group.update", _NAMED, body={"members": TEXTS}),
    Call("DELETE", "/group/<name>", "node.group.delete", _NAMED),
)

_KEYED = {"key": TEXT}
_SYSCTL = {"key": TEXT, "value": TEXT}
_NTP = {
    "synchronized": FLAG,
    "stratum": WHOLE,
    "offset": TEXT,
    "current_source": TEXT,
    "servers": items(TEXT),
}
_SERVERS = {"servers": Parameter("array", required=True)}
_POWER = {"delay": ANY_NUMBER, "message": ANY_TEXT}
_POWER_PARTS = {"action": TEXT, "delay": WHOLE}
_SYSTEM = (
    Call("GET", "/sysctl", "node.sysctl.list", _SYSCTL, each="sysctls"),
    Call("POST", "/sysctl", "node.sysctl.create", _KEYED, body={"key": NAME, "value": Parameter(required=True)}),
    Call("GET", "/sysctl/<key>", "node.sysctl.get", _SYSCTL),
    Call("PUT", "/sysctl/<key>", "node.sysctl.update", _KEYED, body={"value": Parameter(required=True)}),
    Call("DELETE", "/sysctl/<key>", "node.sysctl.delete", _KEYED),
    Call("GET", "/ntp", "node.ntp.get", _NTP),
    Call("POST", "/ntp", "node.ntp.create", body=_SERVERS),
    Call("PUT", "/ntp", "node.ntp.update", body=_SERVERS),
    Call("DELETE", "/ntp", "node.ntp.delete"),
    Call("POST", "/power/reboot", "node.power.reboot", _POWER_PARTS, body=_POWER),
    Call("POST", "/power/shutdown", "node.power.shutdown", _POWER_PARTS, body=_POWER),
    Call("GET", "/log", "node.log.query", {"entries": _LOG}, query=_LOG_QUERY),
    Call("GET", "/log/source", "node.log.sources", {"sources": items(TEXT)}),
    Call("GET", "/log/unit/<name>", "node.log.queryUnit", {"entries": _LOG}, query=_LOG_QUERY),
)

_CRON = {"name": TEXT, "object": TEXT, "schedule": TEXT, "interval": TEXT, "source": TEXT, "user": TEXT}
_CRON_BODY = {
    "schedule": NONEMPTY,
    "user": NONEMPTY,
    "content_type": Parameter(choices=("raw", "template")),
    "vars": Parameter("object"),
}
_CERTIFICATES = items(group({"name": TEXT, "source": TEXT, "object": TEXT}))
_OTHERS = (
    Call("GET", "/schedule/cron", "schedule.cron.list", _CRON, each="entries"),
    Call(
        "POST",
        "/schedule/cron",
        "schedule.cron.create",
        _NAMED,
        body={
            "name": Parameter(required=True, least=1, most=64),
            "object": NAME,
            "interval": Parameter(choices=("hourly", "daily", "weekly", "monthly")),
            **_CRON_BODY,
        },
    ),
    Call("GET", "/schedule/cron/<name>", "schedule.cron.get", _CRON, each="entries"),
    Call(
        "PUT",
        "/schedule/cron/<name>",
        "schedule.cron.update",
        _NAMED,
        body={"object": NONEMPTY, **_CRON_BODY},
    ),
    Call("DELETE", "/schedule/cron/<name>", "schedule.cron.delete", _NAMED),
    Call("GET", "/certificate/ca", "certificate.ca.list", {"certificates": _CERTIFICATES}),
    Call(
        "POST",
        "/certificate/ca",
        "certificate.ca.create",
        _NAMED,
        body={"name": NAME, "object": NAME},
    ),
    Call("PUT", "/certificate/ca/<name>", "certificate.ca.update", _NAMED, body={"object": NAME}),
    Call("DELETE", "/certificate/ca/<name>", "certificate.ca.delete", _NAMED),
)

_CONTAINER = {"id": TEXT, "name": TEXT, "image": TEXT, "state": TEXT, "created": TEXT}
_CONTAINER_DETAILS = {"ports": items(TEXT), "mounts": items(TEXT), "network_settings": LABELS, "health": TEXT}
_ACTION = {"id": TEXT, "message": TEXT}
_AT = "/container/docker"
_FORCE = {"force": YES_OR_NO}
_DOCKER = (
    Call(
        "POST",
        _AT,
        "docker.create.execute",
        _CONTAINER,
        body={
            "image": NAME,
            "name": NONEMPTY,
            "hostname": Parameter(least=1, most=253),
            **dict.fromkeys(("dns", "command", "env", "ports", "volumes"), TEXTS),
            "auto_start": YES_OR_NO,
        },
        status=202,
    ),
    Call(
        "GET",
        _AT,
        "docker.list.get",
        {"containers": items(group(_CONTAINER))},
        query={
            "state": Parameter(choices=("running", "stopped", "all")),
            "limit": Parameter("integer", least=1, most=100),
        },
    ),
    Call("GET", f"{_AT}/<id>", "docker.inspect.get", {**_CONTAINER, **_CONTAINER_DETAILS}),
    Call("DELETE", f"{_AT}/<id>", "docker.remove.execute", _ACTION, query=_FORCE, status=202),
    Call("POST", f"{_AT}/<id>/start", "docker.start.execute", _ACTION, status=202),
    Call(
        "POST",
        f"{_AT}/<id>/stop",
        "docker.stop.execute",
        _ACTION,
        body={"timeout": Parameter("integer", least=0, most=MOST_SECONDS)},
        status=202,
    ),
    Call(
        "POST",
        f"{_AT}/<id>/exec",
        "docker.exec.execute",
        {"stdout": TEXT, "stderr": TEXT, "exit_code": WHOLE},
        body={"command": Parameter("array", required=True), "env": TEXTS, "working_dir": ANY_TEXT},
        status=202,
    ),
    # names of images have slashes
    Call("DELETE", f"{_AT}/image/<path:image>", "docker.imageRemove.execute", _ACTION, query=_FORCE, status=202),
    Call(
        "POST",
        f"{_AT}/pull",
        "docker.pull.execute",
        {"image_id": TEXT, "tag": TEXT, "size": WHOLE},
        body={"image": NAME},
        status=202,
    ),
)

CALLS = (
    *_READS,
    *_PROCESSES,
    *_COMMANDS,
    *_FILES,
    *_NETWORK,
    *_PACKAGE,
    *_SERVICES,
    *_ACCOUNTS,
    *_SYSTEM,
    *_OTHERS,
    *_DOCKER,
)
