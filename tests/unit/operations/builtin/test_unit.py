"""Units of services from objects, in a folder that stands for /etc/systemd/system."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations import self_protection, systemd
from jobqueue.operations.builtin import unit
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform
from tests.unit.operations.stored_objects import Objects

CREATE, UPDATE, DELETE = "node.service.create", "node.service.update", "node.service.delete"
UNIT = "[Unit]\nDescription=An app\n\n[Service]\nExecStart=/usr/bin/app\n"
NEWER = UNIT.replace("/usr/bin/app", "/usr/bin/app --new")
MARK = "# Written by jobqueue.\n"


class Host:
    """A host that systemd runs."""

    def __init__(self, folder: Path, perform: Perform, tools: Tools) -> None:
        self.folder, self.vendor, self.running = folder / "units", folder / "vendor", folder / "running"
        for each in (self.folder, self.vendor, self.running):
            each.mkdir()
        self.path = self.folder / "app.service"
        self.objects = Objects(folder)
        self.tools = tools
        self._perform = perform

    def run(self, type: str, content: str = "", content_type: str = "raw", **fields: Any) -> Outcome:
        data = {"name": "app", **(self.objects.refer("app.service", content, content_type) if content else {})}
        return self._perform(type, {**data, **fields}, **self.objects.context)

    def calls(self) -> list[str]:
        """How systemctl was called to change anything."""
        return [call for call in self.tools.calls("systemctl") if not call.startswith("show")]


@pytest.fixture
def host(tmp_path: Path, perform: Perform, monkeypatch: pytest.MonkeyPatch) -> Host:
    tools = Tools(tmp_path / "bin", monkeypatch)
    tools.add("systemctl", "NeedDaemonReload=no\n")
    known = Host(tmp_path, perform, tools)
    monkeypatch.setattr(systemd, "_RUNNING", known.running)
    monkeypatch.setattr(unit, "_FOLDER", known.folder)
    monkeypatch.setattr(unit, "_OTHER_FOLDERS", (known.vendor,))
    return known


def test_a_check_predicts_and_the_second_run_changes_nothing(host: Host) -> None:
    predicted = host.run(CREATE, UNIT, check=True)
    assert (predicted.changed, predicted.data["would_change"]) == (False, True)
    assert (list(host.folder.iterdir()), host.calls(), host.objects.log.paths) == ([], [], {})
    first = host.run(CREATE, UNIT, diff=True)
    assert (first.changed, first.data["name"], first.data["diff"]) == (True, "app", predicted.data["diff"])
    assert host.path.read_text() == MARK + UNIT
    assert host.path.stat().st_mode & 0o777 == 0o644
    assert host.run(CREATE, UNIT).changed is False
    assert host.run(CREATE, UNIT, check=True).data["would_change"] is False
    assert host.calls() == ["daemon-reload"]
    recorded = host.objects.log.paths[str(host.path)]
    assert (recorded.object, recorded.provider, recorded.job_id) == ("app.service", "service", "job")
    assert recorded.sha256 == sha256((MARK + UNIT).encode()).hexdigest()


def test_a_unit_is_updated_and_deleted(host: Host) -> None:
    with pytest.raises(OperationFailed, match=r"jobqueue has created no unit app\.service on this host"):
        host.run(UPDATE, UNIT)
    assert host.run(DELETE).changed is False
    assert host.calls() == []
    host.run(CREATE, UNIT, name="app.service")
    assert "+ExecStart=/usr/bin/app --new" in host.run(UPDATE, NEWER, check=True).data["diff"]
    assert host.run(UPDATE, NEWER).changed is True
    assert host.path.read_text() == MARK + NEWER
    assert host.run(DELETE, check=True).data["would_change"] is True
    assert host.path.exists()
    assert host.run(DELETE).changed is True
    assert (list(host.folder.iterdir()), host.objects.log.paths) == ([], {})
    assert host.calls() == ["daemon-reload", "daemon-reload", "disable --now -- app.service", "daemon-reload"]


def test_systemd_reads_a_unit_that_an_earlier_run_left_unread(host: Host) -> None:
    host.run(CREATE, UNIT)
    host.tools.add("systemctl", "NeedDaemonReload=yes\n")
    assert host.run(CREATE, UNIT).changed is False
    assert host.calls() == ["daemon-reload", "daemon-reload"]
    host.run(CREATE, UNIT, check=True)
    assert host.calls() == ["daemon-reload", "daemon-reload"]


def test_a_service_that_cannot_be_stopped_keeps_its_unit(host: Host) -> None:
    host.run(CREATE, UNIT)
    host.tools.add("systemctl", error="Job for app.service canceled.", code=1)
    with pytest.raises(OperationFailed, match=r"systemctl exited with code 1: Job for app\.service canceled"):
        host.run(DELETE)
    assert host.path.exists()


def test_a_template_is_rendered(host: Host) -> None:
    template = UNIT.replace("/usr/bin/app", "/usr/bin/app --host {{ hostname }} --port {{ port }}")
    host.run(CREATE, template, "template", vars={"port": 80})
    assert "ExecStart=/usr/bin/app --host web1 --port 80\n" in host.path.read_text()


@pytest.mark.parametrize("content", ["[Unit]\nDescription=x\n", "#!/bin/sh\n", "[Service", "\x00[Service]\n"])
def test_an_object_that_is_no_unit_of_a_service(host: Host, content: str) -> None:
    with pytest.raises(OperationFailed, match=r"The object app\.service "):
        host.run(CREATE, content)
    assert list(host.folder.iterdir()) == []


def test_units_of_others_are_left(host: Host, tmp_path: Path) -> None:
    host.path.write_text(UNIT)
    for type, content in ((CREATE, NEWER), (UPDATE, NEWER), (DELETE, "")):
        with pytest.raises(OperationFailed, match=r"jobqueue did not write .*app\.service; it was left unchanged"):
            host.run(type, content)
    assert host.path.read_text() == UNIT
    (host.vendor / "sshd.service").write_text(UNIT)
    with pytest.raises(OperationFailed, match=r"This host has the service already \(.*sshd\.service\)"):
        host.run(CREATE, NEWER, name="sshd")
    (host.folder / "alias.service").symlink_to(tmp_path / "elsewhere")
    for type, content in ((CREATE, NEWER), (DELETE, "")):
        with pytest.raises(OperationFailed, match=r"alias\.service cannot be read"):
            host.run(type, content, name="alias")
    assert host.calls() == []


def test_the_own_unit_is_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_protection, "own_unit", lambda: "app.service")
    for type, content in ((CREATE, UNIT), (UPDATE, UNIT), (DELETE, "")):
        for check in (True, False):
            for name in ("app", "app.service"):
                with pytest.raises(OperationFailed, match="a job cannot replace or delete its file"):
                    host.run(type, content, check=check, name=name)
    assert list(host.folder.iterdir()) == []


def test_a_host_without_systemd_is_skipped(host: Host) -> None:
    host.running.rmdir()
    for type, content in ((CREATE, UNIT), (UPDATE, UNIT), (DELETE, "")):
        with pytest.raises(OperationNotSupported, match="systemd does not run on this host"):
            host.run(type, content)


@pytest.mark.parametrize("name", ["", "-x", "a\nb", "../x", "a/b", "a*", "getty@", "getty@.service"])
def test_a_name_is_one_unit(registry: Registry, name: str) -> None:
    for type, data in ((CREATE, {"object": "x"}), (UPDATE, {"object": "x"}), (DELETE, {})):
        with pytest.raises(InvalidOperationData, match="Must be the name of one service"):
            registry.validate(type, {"name": name, **data})


def test_units_take_the_permission_to_write_files(registry: Registry) -> None:
    for type in (CREATE, UPDATE):
        further = registry.get(type).further_permissions
        assert further is not None
        assert further({"name": "app", "object": "x"}) == ("file:write", "file:read")
