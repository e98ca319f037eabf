"""Facts of the machine, from files as kernels have them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jobqueue.operations import system_facts as module
from jobqueue.operations.facts import collect, lookup
from jobqueue.operations.system_facts import system_facts


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    monkeypatch.delenv("container", raising=False)
    return tmp_path


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_machine_that_tells_nothing(root: Path) -> None:
    found = system_facts()
    assert found["cpu"]["model"] == ""
    assert found["machine"] == {"vendor": "", "product": ""}
    assert found["virtualization"] == {"container": "", "hypervisor": ""}
    assert (found["timezone"], found["selinux"], found["apparmor"]) == ("UTC", "disabled", "disabled")


def test_a_virtual_machine(root: Path) -> None:
    write(
        root,
        proc__cpuinfo="processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t\t: fpu hypervisor lahf\n",
        sys__class__dmi__id__sys_vendor="QEMU\n",
        sys__class__dmi__id__product_name="Standard PC (Q35 + ICH9, 2009)\n",
        sys__fs__selinux__enforce="1",
        sys__module__apparmor__parameters__enabled="Y\n",
    )
    (root / "etc").mkdir()
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    found = system_facts()
    assert found["cpu"]["model"] == "AMD EPYC 7B13"
    assert found["machine"] == {"vendor": "QEMU", "product": "Standard PC (Q35 + ICH9, 2009)"}
    assert found["virtualization"]["hypervisor"] == "kvm"
    assert (found["timezone"], found["selinux"], found["apparmor"]) == ("Europe/Berlin", "enforcing", "enabled")


@pytest.mark.parametrize(
    ("vendor", "product", "flags", "hypervisor"),
    [
        ("VMware, Inc.", "VMware7,1", "hypervisor", "vmware"),
        ("innotek GmbH", "VirtualBox", "hypervisor", "virtualbox"),
        ("Microsoft Corporation", "Virtual Machine", "hypervisor", "hyperv"),
        ("Microsoft Corporation", "Surface Pro 7", "", ""),
        ("Amazon EC2", "m5.large", "hypervisor", "kvm"),
        ("Google", "Google Compute Engine", "hypervisor", "kvm"),
        ("Acme", "Cloud 9", "hypervisor", "other"),
        ("Dell Inc.", "PowerEdge R650", "", ""),
    ],
)
def test_hypervisors(root: Path, vendor: str, product: str, flags: str, hypervisor: str) -> None:
    write(
        root,
        proc__cpuinfo=f"flags\t: fpu {flags} x\n",
        sys__class__dmi__id__sys_vendor=vendor,
        sys__class__dmi__id__product_name=product,
    )
    assert system_facts()["virtualization"]["hypervisor"] == hypervisor


@pytest.mark.parametrize(
    ("files", "container"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"run/systemd/container": "lxc\n"}, "lxc"),
    ],
)
def test_containers(root: Path, files: dict[str, str], container: str) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert system_facts()["virtualization"]["container"] == container


def test_what_is_read_is_bounded_and_clean(root: Path) -> None:
    write(root, sys__class__dmi__id__sys_vendor="x" * 10_000, proc__cpuinfo="y" * 1_000_000)
    (root / "sys/class/dmi/id/product_name").write_bytes(b"\xff\x00caf\xc3\xa9\n")
    found = system_facts()
    assert len(found["machine"]["vendor"]) == 200
    assert found["machine"]["product"] == "\ufffd\ufffdcafé"


def test_they_are_facts_of_this_machine() -> None:
    found: dict[str, Any] = lookup(collect("web1"))
    assert {"cpu.model", "cpu.cores", "machine.vendor", "virtualization.hypervisor", "timezone"} <= set(found)
    assert found["boot_time"] < time.strftime("%Y-%m-%dT%H:%M:%S")
    assert len(json.dumps(system_facts())) < 2_000
