"""node.package.*: which package manager a host has, what it has installed, and how its module is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.ansible.module_answer import ModuleAnswer
from jobqueue.operations.package_manager import package_manager
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

INSTALL, REMOVE, UPDATE = "node.package.install", "node.package.remove", "node.package.update"

#: As dpkg-query prints it on Debian 12.
DPKG = (
    "bash\t5.2.15-2+b8\tinstalled\t7164\tGNU Bourne Again SHell\n"
    "libc6:i386\t2.36-9\tinstalled\t12000\tGNU C Library\n"
    "gone\t1.0\tconfig-files\t100\tremoved, but not purged\n"
    "apt\t2.6.1\tinstalled\t4232\tcommandline package manager\n"
)
#: As apt-get prints it on Debian 12.
APT = """Reading package lists...
Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12 [amd64]) []
Inst new-one (1.0 Debian:12.15/oldstable [amd64])
Conf base-files (12.4+deb12u15 Debian:12.15/oldstable [amd64])
"""
RPM = "bash\t5.2.26-3.fc40\tinstalled\t8390814\tThe GNU Bourne Again shell\n"
DNF = "\nbash.x86_64                 5.2.32-1.fc40               updates\n"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(tmp_path / "bin", monkeypatch)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Any:
    def choose(distribution: str, family: str) -> None:
        release = {"distribution": distribution, "family": family, "name": distribution.title()}
        monkeypatch.setattr("jobqueue.operations.builtin.host.os_release", lambda: release)

    return choose


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], bool]]:
    """The modules that were called, with their arguments and whether it was a check."""
    called: list[tuple[str, dict[str, Any], bool]] = []

    def run(name: str, arguments: dict[str, Any], _context: Any, *, check: bool) -> ModuleAnswer:
        called.append((name, arguments, check))
        failed = arguments.get("name") == "nosuch"
        message = "No package matching 'nosuch' is available" if failed else ""
        return ModuleAnswer(not failed, failed, False, message, "", {})

    monkeypatch.setattr("jobqueue.operations.ansible.change_by_module.run_module", run)
    return called


@pytest.mark.parametrize(
    ("distribution", "family", "programs", "expected"),
    [
        ("debian", "debian", {"apt-get"}, "apt"),
        ("linuxmint", "ubuntu", {"apt-get"}, "apt"),
        ("debian", "debian", {"apt-get", "dnf"}, "apt"),  # two managers: the system's own
        ("rocky", "rhel", {"dnf", "apt-get"}, "dnf"),
        ("fedora", "fedora", {"dnf", "dnf5"}, "dnf5"),
        ("alpine", "alpine", {"apk"}, "apk"),
        ("opensuse-leap", "suse", {"zypper"}, "zypper"),
    ],
)
def test_the_manager_of_a_system(
    system: Any, distribution: str, family: str, programs: set[str], expected: str
) -> None:
    system(distribution, family)
    assert package_manager(lambda name: name if name in programs else None).name == expected


@pytest.mark.parametrize(("distribution", "programs"), [("gentoo", {"dnf"}), ("debian", set())])
def test_a_system_without_a_known_manager_is_skipped(system: Any, distribution: str, programs: set[str]) -> None:
    system(distribution, distribution)
    with pytest.raises(OperationNotSupported, match=r"has none of the package managers .*apt, dnf5, dnf, apk, zypper"):
        package_manager(lambda name: name if name in programs else None)


def test_packages_of_debian(perform: Perform, tools: Tools, system: Any) -> None:
    system("debian", "debian")
    tools.add("dpkg-query", DPKG)
    tools.add("apt-get", APT)
    answer = perform("node.package.list").data
    assert (answer["manager"], answer["total"]) == ("apt", 3)
    assert [package["name"] for package in answer["packages"]] == ["apt", "bash", "libc6:i386"]
    assert answer["packages"][1] == {
        "name": "bash",
        "version": "5.2.15-2+b8",
        "description": "GNU Bourne Again SHell",
        "status": "installed",
        "size": 7164 * 1024,
    }
    limited = perform("node.package.list", {"name": "a", "limit": 1}).data
    assert (limited["total"], [package["name"] for package in limited["packages"]]) == (2, ["apt"])
    assert perform("node.package.get", {"name": "libc6"}).data["packages"][0]["version"] == "2.36-9"
    with pytest.raises(OperationFailed, match=r"The package gone is not installed\."):
        perform("node.package.get", {"name": "gone"})
    assert perform("node.package.listUpdates").data["updates"] == [
        {"name": "base-files", "current_version": "12.4+deb12u11", "new_version": "12.4+deb12u15"},
        {"name": "libgcrypt20", "current_version": "1.10.1-3", "new_version": "1.10.1-3+deb12u1"},
    ]
    assert "--simulate" in tools.calls("apt-get")[0]


def test_packages_of_fedora(perform: Perform, tools: Tools, system: Any) -> None:
    system("fedora", "fedora")
    tools.add("rpm", RPM)
    tools.add("dnf5", DNF, code=100)  # there are updates
    assert perform("node.package.list").data["packages"][0]["size"] == 8390814
    assert perform("node.package.listUpdates").data["updates"] == [
        {"name": "bash", "current_version": "5.2.26-3.fc40", "new_version": "5.2.32-1.fc40"}
    ]


def test_a_tool_that_fails_is_quoted(perform: Perform, tools: Tools, system: Any) -> None:
    system("debian", "debian")
    tools.add("apt-get")
    tools.add("dpkg-query", error="dpkg-query: error: parsing file", code=2)
    with pytest.raises(OperationFailed, match="dpkg-query exited with code 2: dpkg-query: error: parsing file"):
        perform("node.package.list")


def test_a_system_whose_packages_cannot_be_listed(perform: Perform, tools: Tools, system: Any) -> None:
    system("alpine", "alpine")
    tools.add("apk")
    with pytest.raises(OperationNotSupported, match="jobqueue cannot list the packages of apk"):
        perform("node.package.list")


@pytest.mark.parametrize(
    ("manager", "program", "type", "data", "name", "arguments"),
    [
        ("debian", "apt-get", INSTALL, {"name": "sl"}, "apt", {"name": "sl", "state": "present"}),
        ("debian", "apt-get", INSTALL, {"name": "sl", "version": "5.02-1+b1", "update_cache": True}, "apt",
         {"name": "sl=5.02-1+b1", "state": "present", "update_cache": True}),
        ("fedora", "dnf5", INSTALL, {"name": "sl", "version": "5.02"}, "dnf5", {"name": "sl-5.02", "state": "present"}),
        ("debian", "apt-get", REMOVE, {"name": "sl"}, "apt", {"name": "sl", "state": "absent"}),
        ("alpine", "apk", REMOVE, {"name": "sl"}, "community.general.apk", {"name": "sl", "state": "absent"}),
        ("debian", "apt-get", UPDATE, {}, "apt", {"upgrade": "dist"}),
        ("fedora", "dnf", UPDATE, {}, "dnf", {"name": "*", "state": "latest"}),
        ("alpine", "apk", UPDATE, {}, "community.general.apk", {"upgrade": True}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", [True, False])
def test_the_module_that_changes_packages(
    perform: Perform,
    tools: Tools,
    system: Any,
    modules: list[Any],
    manager: str,
    program: str,
    type: str,
    data: dict[str, Any],
    name: str,
    arguments: dict[str, Any],
    check: bool,
) -> None:
    system(manager, manager)
    tools.add(program)
    outcome = perform(type, {**data, "check": check})
    assert modules == [(name, arguments, check)]
    assert outcome.changed is not check
    assert outcome.data.get("would_change", False) is check
    assert outcome.data.get("name") == data.get("name")


def test_a_package_that_does_not_exist(perform: Perform, tools: Tools, system: Any, modules: list[Any]) -> None:
    system("debian", "debian")
    tools.add("apt-get")
    outcome = perform(INSTALL, {"name": "nosuch"})
    assert (outcome.error, outcome.changed) == ("No package matching 'nosuch' is available", False)


@pytest.mark.parametrize("name", ["", "-y", "a b", "a\n", "../x", "a;b", "a=1", "x" * 200])
def test_a_name_is_one_package(registry: Registry, name: str) -> None:
    for type in (INSTALL, REMOVE, "node.package.get"):
        with pytest.raises(InvalidOperationData, match="Must be the name of one package"):
            registry.validate(type, {"name": name})


def test_three_thousand_packages_fit(perform: Perform, tools: Tools, system: Any) -> None:
    system("debian", "debian")
    tools.add("apt-get")
    tools.add("dpkg-query", "".join(f"package{n}\t1.{n}\tinstalled\t{n}\t{'words ' * 12}\n" for n in range(5000)))
    assert len(perform("node.package.list").data["packages"]) == 5000
