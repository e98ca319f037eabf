"""/api/facts/keys: what @fact.X in an operation's data may name."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response

from api.responses import json_response

blueprint = Blueprint("osapi_facts", __name__, url_prefix="/api/facts")

#: The facts that every agent has. Labels are named label.KEY, and differ from agent to agent.
KEYS: Mapping[str, str] = {
    "hostname": "Name of the agent",
    "fqdn": "Full name of the host",
    "os.system": "Operating system, such as linux",
    "os.distribution": "Distribution, such as debian",
    "os.family": "Family of the distribution",
    "os.version": "Version of the distribution",
    "os.name": "Name and version of the distribution",
    "kernel": "Version of the kernel",
    "arch": "Architecture of the CPU",
    "cpus": "Number of CPUs",
    "memory.total": "Memory, in bytes",
    "memory.swap": "Swap space, in bytes",
    "disks": "Local file systems",
    "addresses": "Addresses of the host",
    "interfaces": "Names of the network interfaces",
    "interface.primary": "Network interface of the default route",
    "address.primary": "Address of the default route",
    "containerized": "Whether the agent runs in a container",
    "service_mgr": "Service manager, such as systemd",
    "package_mgr": "Package manager, such as apt",
    "python": "Version of the agent's Python",
    "cpu.model": "Model of the CPU",
    "cpu.cores": "Number of CPU cores",
    "machine.vendor": "Vendor of the machine",
    "machine.product": "Product name of the machine",
    "virtualization.container": "Kind of container, such as docker; empty outside of one",
    "virtualization.hypervisor": "Hypervisor, such as kvm; empty without one",
    "timezone": "Time zone of the system",
    "boot_time": "Time of the last boot",
    "selinux": "enforcing, permissive or disabled",
    "apparmor": "enabled or disabled",
}


@blueprint.get("/keys")
def list_keys() -> Response:
    """List the names of facts"""
    keys = [{"key": key, "description": about, "builtin": True} for key, about in KEYS.items()]
    return json_response({"keys": keys})
