"""Calls that read and change a system, with what an agent answers to them, and what is shown of it."""

from __future__ import annotations

from typing import Any

_INTERFACE = {
    "name": "eth1",
    "state": "up",
    "mtu": 1500,
    "mac": "52:54:00:12:34:56",
    "ipv4": "10.9.0.5",
    "family": "inet",
    "addresses": ["10.9.0.5/24"],
    "primary": False,
    "gateway4": "10.9.0.1",
    "dhcp4": False,
}
_ROUTE = {"destination": "10.8.0.0/16", "gateway": "10.9.0.1", "interface": "eth1", "metric": 50, "scope": "global"}
_ROUTES = [{"to": "10.8.0.0/16", "via": "10.9.0.1", "metric": 50}]
_CONTAINER = {"id": "ab", "name": "web", "image": "nginx", "state": "running", "created": "2026-01-31T12:00:00Z"}
_DETAILS = {"ports": ["8080:80"], "mounts": ["/srv:/www"], "network_settings": {"bridge": "172.17.0.2"}}
_RUN = {"stdout": "out", "stderr": "", "exit_code": 0}
_CLOCK = {
    "synchronized": True,
    "stratum": 3,
    "offset": "-0.000012345s",
    "current_source": "192.168.0.1",
    "servers": ["192.168.0.1"],
}
_SERVERS = {"servers": ["ntp1.example.org"]}
_DOCKER = "/container/docker"
_CERTIFICATE = {"name": "corp", "source": "custom", "object": "corp.pem"}
_CRON = {"name": "backup", "interval": "daily", "source": "daily", "user": "root", "object": "backup.sh"}

#: Method, path, body, operation, its data, the agent's result, what is shown of it.
SHOWN_OF_SYSTEMS: list[tuple[str, str, Any, str, dict[str, Any], Any, dict[str, Any]]] = [
    ("GET", "/ntp", None, "node.ntp.get", {}, {**_CLOCK, "managed": []}, _CLOCK),
    ("POST", "/ntp", _SERVERS, "node.ntp.create", _SERVERS, {**_SERVERS, "changed": True}, {}),
    ("PUT", "/ntp", _SERVERS, "node.ntp.update", _SERVERS, {**_SERVERS, "changed": True}, {}),
    ("DELETE", "/ntp", None, "node.ntp.delete", {}, {"servers": [], "changed": True}, {}),
    (
        "POST",
        "/power/reboot",
        {"delay": 60, "message": "kernel"},
        "node.power.reboot",
        {"delay": 60, "message": "kernel"},
        {"action": "reboot", "delay": 60, "changed": True},
        {"action": "reboot", "delay": 60},
    ),
    (
        "POST",
        "/power/shutdown",
        None,
        "node.power.shutdown",
        {},
        {"action": "shutdown", "delay": 10, "changed": True},
        {"action": "shutdown", "delay": 10},
    ),
    (
        "GET",
        "/network/interface",
        None,
        "network.interface.list",
        {},
        {"interfaces": [{**_INTERFACE, "ipv6": None}, {"name": "lo", "mtu": None}]},
        {"interfaces": [_INTERFACE, {"name": "lo"}]},
    ),
    (
        "GET",
        "/network/interface/eth1",
        None,
        "network.interface.get",
        {"name": "eth1"},
        {"interface": _INTERFACE},
        {"interface": _INTERFACE},
    ),
    *(
        (
            method,
            "/network/interface/eth1",
            {"addresses": ["10.9.0.5/24"], "mtu": 1400},
            f"network.interface.{verb}",
            {"name": "eth1", "addresses": ["10.9.0.5/24"], "mtu": 1400},
            {"name": "eth1", "changed": True},
            {"name": "eth1"},
        )
        for method, verb in (("POST", "create"), ("PUT", "update"))
    ),
    (
        "DELETE",
        "/network/interface/eth1",
        None,
        "network.interface.delete",
        {"name": "eth1"},
        {"name": "eth1", "changed": True},
        {"name": "eth1"},
    ),
    ("GET", "/network/route", None, "network.route.list", {}, {"routes": [_ROUTE]}, {"routes": [_ROUTE]}),
    (
        "GET",
        "/network/route/eth1",
        None,
        "network.route.get",
        {"interface": "eth1"},
        {"routes": [_ROUTE]},
        {"routes": [_ROUTE]},
    ),
    *(
        (
            method,
            "/network/route/eth1",
            {"routes": _ROUTES},
            f"network.route.{verb}",
            {"interface": "eth1", "routes": _ROUTES},
            {"interface": "eth1", "changed": True},
            {"interface": "eth1"},
        )
        for method, verb in (("POST", "create"), ("PUT", "update"))
    ),
    (
        "DELETE",
        "/network/route/eth1",
        None,
        "network.route.delete",
        {"interface": "eth1"},
        {"interface": "eth1", "changed": True},
        {"interface": "eth1"},
    ),
    (
        "PUT",
        "/network/dns",
        {"interface_name": "eth1", "servers": ["10.0.0.53"], "override_dhcp": True},
        "network.dns.update",
        {"interface": "eth1", "servers": ["10.0.0.53"], "override_dhcp": True},
        {"interface": "eth1", "changed": True},
        {},
    ),
    (
        "DELETE",
        "/network/dns",
        {"interface_name": "eth1"},
        "network.dns.delete",
        {"interface": "eth1"},
        {"interface": "eth1", "changed": True},
        {},
    ),
    (
        "GET",
        f"{_DOCKER}?state=all&limit=5",
        None,
        "docker.list.get",
        {"state": "all", "limit": 5},
        {"total": 1, "containers": [_CONTAINER]},
        {"containers": [_CONTAINER]},
    ),
    (
        "POST",
        _DOCKER,
        {"image": "nginx", "name": "web", "env": ["A=1"], "auto_start": False},
        "docker.create.execute",
        {"image": "nginx", "name": "web", "env": ["A=1"], "auto_start": False},
        {**_CONTAINER, "changed": True},
        _CONTAINER,
    ),
    (
        "GET",
        f"{_DOCKER}/web",
        None,
        "docker.inspect.get",
        {"id": "web"},
        {**_CONTAINER, **_DETAILS, "health": None},
        {**_CONTAINER, **_DETAILS},
    ),
    ("POST", f"{_DOCKER}/web/start", None, "docker.start.execute", {"id": "web"}, _CONTAINER, {"id": "ab"}),
    (
        "POST",
        f"{_DOCKER}/web/stop",
        {"timeout": 3},
        "docker.stop.execute",
        {"id": "web", "timeout": 3},
        _CONTAINER,
        {"id": "ab"},
    ),
    (
        "DELETE",
        f"{_DOCKER}/web?force=true",
        None,
        "docker.remove.execute",
        {"id": "web", "force": True},
        {"id": "web", "changed": False, "message": "There is no such container."},
        {"id": "web", "message": "There is no such container."},
    ),
    (
        "POST",
        f"{_DOCKER}/web/exec",
        {"command": ["id"], "working_dir": "/srv"},
        "docker.exec.execute",
        {"id": "web", "command": ["id"], "working_dir": "/srv"},
        {**_RUN, "duration_ms": 5},
        _RUN,
    ),
    (
        "POST",
        f"{_DOCKER}/pull",
        {"image": "redis:8"},
        "docker.pull.execute",
        {"image": "redis:8"},
        {"image_id": "sha256:b", "tag": "8", "size": 1234, "changed": True},
        {"image_id": "sha256:b", "tag": "8", "size": 1234},
    ),
    (
        "DELETE",
        f"{_DOCKER}/image/ghcr.io%2Forg%2Fapp:1",
        None,
        "docker.imageRemove.execute",
        {"image": "ghcr.io/org/app:1"},
        {"id": "sha256:b", "changed": True},
        {"id": "sha256:b"},
    ),
    (
        "DELETE",
        f"{_DOCKER}/image/redis",
        None,
        "docker.imageRemove.execute",
        {"image": "redis"},
        {"id": "sha256:b", "changed": True},
        {"id": "sha256:b"},
    ),
    (
        "GET",
        "/certificate/ca",
        None,
        "certificate.ca.list",
        {},
        {
            "total": 2,
            "certificates": [
                {**_CERTIFICATE, "managed": True, "version": 1},
                {"name": "ISRG_Root_X1", "source": "system", "managed": False},
            ],
        },
        {"certificates": [_CERTIFICATE, {"name": "ISRG_Root_X1", "source": "system"}]},
    ),
    (
        "DELETE",
        "/certificate/ca/corp",
        None,
        "certificate.ca.delete",
        {"name": "corp"},
        {"name": "corp", "changed": True},
        {"name": "corp"},
    ),
    (
        "DELETE",
        "/service/app",
        None,
        "node.service.delete",
        {"name": "app"},
        {"name": "app", "changed": True},
        {"name": "app"},
    ),
    (
        "GET",
        "/schedule/cron",
        None,
        "schedule.cron.list",
        {},
        {"entries": [{**_CRON, "version": 1, "script": "/usr/local/lib/jobqueue-cron/backup"}]},
        _CRON,
    ),
    (
        "PUT",
        "/schedule/cron/backup",
        {"schedule": "0 3 * * *", "user": "nobody"},
        "schedule.cron.update",
        {"name": "backup", "schedule": "0 3 * * *", "user": "nobody"},
        {"name": "backup", "changed": True},
        {"name": "backup"},
    ),
]
