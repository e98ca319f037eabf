"""node.sysctl.*, on files that stand for the kernel's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.operations.builtin import sysctl
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

CREATE, UPDATE, DELETE = "node.sysctl.create", "node.sysctl.update", "node.sysctl.delete"
FORWARD = "net.ipv4.ip_forward"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kernel = tmp_path / "proc"
    (kernel / "net/ipv4").mkdir(parents=True)
    (kernel / "net/ipv4/ip_forward").write_text("0\n")
    (kernel / "net/ipv4/tcp_rmem").write_text("4096\t131072\t6291456\n")
    monkeypatch.setattr(sysctl, "_KERNEL", kernel)
    monkeypatch.setattr(sysctl, "_FILE", tmp_path / "sysctl.d/90-jobqueue.conf")
    return tmp_path


def test_a_check_predicts_and_the_second_run_changes_nothing(perform: Perform, host: Path) -> None:
    data = {"key": FORWARD, "value": "1"}
    predicted = perform(CREATE, {**data, "check": True})
    assert (predicted.changed, predicted.data["would_change"]) == (False, True)
    assert (host / "proc/net/ipv4/ip_forward").read_text() == "0\n"
    assert not (host / "sysctl.d").exists()
    first = perform(CREATE, {**data, "diff": True})
    assert first.changed is True
    assert first.data["diff"] == predicted.data["diff"]
    assert "-net.ipv4.ip_forward: 0\n+net.ipv4.ip_forward: 1\n" in first.data["diff"]
    assert "+net.ipv4.ip_forward = 1\n" in first.data["diff"]
    assert (host / "proc/net/ipv4/ip_forward").read_text() == "1\n"
    assert perform(CREATE, {**data, "check": True}).data["would_change"] is False
    assert perform(CREATE, data).changed is False
    assert perform("node.sysctl.list").data == {"sysctls": [{"key": FORWARD, "value": "1"}]}
    assert perform("node.sysctl.get", {"key": FORWARD}).data == {"key": FORWARD, "value": "1", "managed": True}


def test_the_file_of_another_program_stays(perform: Perform, host: Path) -> None:
    path, text = host / "sysctl.d/90-jobqueue.conf", f"# mine\n{FORWARD} = 0\n"
    path.parent.mkdir()
    path.write_text(text)
    for operation in (CREATE, UPDATE, DELETE):
        data = {"key": FORWARD} if operation == DELETE else {"key": FORWARD, "value": "1"}
        for check in (True, False):
            with pytest.raises(OperationFailed, match=r"jobqueue did not write .*conf; it was left unchanged"):
                perform(operation, {**data, "check": check})
    assert path.read_text() == text
    assert (host / "proc/net/ipv4/ip_forward").read_text() == "0\n"
    assert perform("node.sysctl.list").data == {"sysctls": []}
    assert perform("node.sysctl.get", {"key": FORWARD}).data["managed"] is False


def test_what_was_changed_by_hand_is_set_again(perform: Perform, host: Path) -> None:
    perform(CREATE, {"key": FORWARD, "value": "1"})
    (host / "proc/net/ipv4/ip_forward").write_text("0\n")
    assert perform(CREATE, {"key": FORWARD, "value": "1"}).changed is True
    assert (host / "proc/net/ipv4/ip_forward").read_text() == "1\n"


def test_blanks_between_numbers_are_those_of_the_kernel(perform: Perform) -> None:
    key = "net.ipv4.tcp_rmem"
    assert perform("node.sysctl.get", {"key": key}).data["value"] == "4096 131072 6291456"
    check = perform(CREATE, {"key": key, "value": "4096  131072 6291456", "check": True})
    assert "kernel" not in check.data["diff"]


def test_update_and_delete_know_what_jobqueue_sets(perform: Perform, host: Path) -> None:
    with pytest.raises(OperationFailed, match=f"jobqueue does not set {FORWARD} on this host; node.sysctl.create"):
        perform(UPDATE, {"key": FORWARD, "value": "1"})
    assert perform(DELETE, {"key": FORWARD}).changed is False
    perform(CREATE, {"key": FORWARD, "value": "0"})
    assert perform(UPDATE, {"key": FORWARD, "value": "1"}).changed is True
    assert perform(DELETE, {"key": FORWARD, "check": True}).data["would_change"] is True
    assert (host / "sysctl.d/90-jobqueue.conf").exists()
    assert perform(DELETE, {"key": FORWARD}).changed is True
    assert not (host / "sysctl.d/90-jobqueue.conf").exists()
    assert (host / "proc/net/ipv4/ip_forward").read_text() == "1\n"
    assert perform(DELETE, {"key": FORWARD}).changed is False


def test_a_parameter_that_the_kernel_does_not_have(perform: Perform, host: Path) -> None:
    for key in ("net.ipv4.no_such", "net.ipv4"):
        with pytest.raises(OperationFailed, match=f"The kernel of this host has no parameter {key}"):
            perform(CREATE, {"key": key, "value": "1"})
    assert not (host / "sysctl.d").exists()


def test_a_value_that_the_kernel_refuses_is_not_set_at_boot(
    perform: Perform, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refusing(self: Path, mode: str = "r", **options: Any) -> Any:
        if mode == "w":
            raise OSError(22, "Invalid argument")
        return opened(self, mode, **options)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(OperationFailed, match=r"net\.ipv4\.ip_forward cannot be set to 'x': Invalid argument"):
        perform(CREATE, {"key": FORWARD, "value": "x"})
    assert not (host / "sysctl.d").exists()


@pytest.mark.parametrize("key", ["net/ipv4/ip_forward", "../x", "a", "net..x", "net.ipv4.x y", "", "net.x\n", ".a.b"])
def test_a_key_is_a_name_with_dots(registry: Registry, key: str) -> None:
    with pytest.raises(InvalidOperationData, match="Must be the name of a kernel parameter with dots"):
        registry.validate(CREATE, {"key": key, "value": "1"})


@pytest.mark.parametrize("value", ["1\n2", "", " 1", "a\tb", "é"])
def test_a_value_is_one_line(registry: Registry, value: str) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(CREATE, {"key": FORWARD, "value": value})
