"""Cron entries that run a script from an object, in folders that stand for those of a system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.builtin import cron
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform
from tests.unit.operations.stored_objects import Objects

CREATE, UPDATE, DELETE = "schedule.cron.create", "schedule.cron.update", "schedule.cron.delete"
SCRIPT = "#!/bin/sh\necho done\n"
NIGHTLY = {"schedule": "30 4 * * *"}
DAILY = {"interval": "daily"}


class Host:
    """A host with cron."""

    def __init__(self, root: Path, perform: Perform) -> None:
        self.root = root
        for name in ("cron.d", "cron.hourly", "cron.daily"):
            (root / name).mkdir()
        self.script = root / "lib" / "scripts" / "backup"
        self.wrapper = f"#!/bin/sh\n# Written by jobqueue.\nexec {self.script}\n"
        self.objects = Objects(root)
        self._perform = perform

    def run(self, type: str, content: str = "", content_type: str = "raw", **fields: Any) -> Outcome:
        data = {"name": "backup", **(self.objects.refer("backup.sh", content, content_type) if content else {})}
        return self._perform(type, {**data, **fields}, **self.objects.context)

    def entries(self) -> Any:
        return self._perform("schedule.cron.list", None, **self.objects.context).data["entries"]

    @property
    def files(self) -> dict[str, str]:
        folders = [*self.root.glob("cron.*"), self.script.parent]
        found = sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())
        return {f"{path.parent.name}/{path.name}": path.read_text() for path in found}


@pytest.fixture
def host(tmp_path: Path, perform: Perform, monkeypatch: pytest.MonkeyPatch) -> Host:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(cron, "_FOLDER", root / "cron.d")
    monkeypatch.setattr(cron, "_SCRIPTS", root / "lib" / "scripts")
    return Host(root, perform)


def test_a_check_predicts_and_the_second_run_changes_nothing(host: Host) -> None:
    predicted = host.run(CREATE, SCRIPT, **NIGHTLY, check=True)
    assert (predicted.changed, predicted.data["would_change"]) == (False, True)
    assert (host.files, host.script.parent.exists(), host.objects.log.paths) == ({}, False, {})
    first = host.run(CREATE, SCRIPT, **NIGHTLY, diff=True)
    assert (first.changed, first.data["name"], first.data["diff"]) == (True, "backup", predicted.data["diff"])
    line = f"# Written by jobqueue.\n30 4 * * * root {host.script}\n"
    assert host.files == {"cron.d/backup": line, "scripts/backup": SCRIPT}
    assert host.run(CREATE, SCRIPT, **NIGHTLY).changed is False
    assert host.run(CREATE, SCRIPT, **NIGHTLY, check=True).data["would_change"] is False
    recorded = host.objects.log.paths[str(host.script)]
    assert (recorded.object, recorded.version, recorded.provider) == ("backup.sh", 1, "cron")
    assert host.entries() == [
        {
            "name": "backup",
            **NIGHTLY,
            "source": "cron.d",
            "user": "root",
            "script": str(host.script),
            "object": "backup.sh",
            "version": 1,
        }
    ]


def test_a_script_by_interval_is_in_the_folder_of_the_interval(host: Host) -> None:
    assert host.run(CREATE, SCRIPT, **DAILY).changed is True
    assert host.files == {"cron.daily/backup": host.wrapper, "scripts/backup": SCRIPT}
    assert subprocess.check_output([host.root / "cron.daily" / "backup"]) == b"done\n"
    (entry,) = host.entries()
    assert (entry["interval"], entry["source"], entry["user"]) == ("daily", "daily", "root")
    assert host.run(CREATE, SCRIPT, **DAILY).changed is False
    with pytest.raises(OperationNotSupported, match=r"This host has no .*cron\.monthly"):
        host.run(CREATE, SCRIPT, interval="monthly")


def test_others_may_run_a_script_but_not_write_it(host: Host) -> None:
    old = os.umask(0)
    try:
        host.run(CREATE, SCRIPT, **NIGHTLY, user="nobody")
    finally:
        os.umask(old)
    assert host.script.stat().st_mode & 0o777 == 0o755
    assert host.script.parent.stat().st_mode & 0o777 == 0o755
    host.script.parent.chmod(0o777)
    with pytest.raises(OperationFailed, match="is not a directory that only its owner can write to"):
        host.run(CREATE, SCRIPT + "#", **NIGHTLY)
    assert host.script.read_text() == SCRIPT


def test_an_entry_keeps_what_is_not_given(host: Host) -> None:
    host.run(CREATE, SCRIPT, **NIGHTLY, user="nobody")
    newer = SCRIPT.replace("done", "really done")
    assert host.run(UPDATE, newer).changed is True
    assert host.script.read_text() == newer
    assert " nobody " in host.files["cron.d/backup"]
    host.run(UPDATE, schedule="0 5 * * *")
    (entry,) = host.entries()
    assert (entry["schedule"], entry["user"], entry["object"]) == ("0 5 * * *", "nobody", "backup.sh")
    host.run(UPDATE, user="root")
    assert host.run(UPDATE, **DAILY).changed is True
    assert host.files == {"cron.daily/backup": host.wrapper, "scripts/backup": newer}
    with pytest.raises(OperationFailed, match="is run by root; give schedule as well"):
        host.run(UPDATE, user="nobody")
    host.run(UPDATE, **NIGHTLY, user="nobody")
    assert host.files.keys() == {"cron.d/backup", "scripts/backup"}
    assert host.run(UPDATE).changed is False


def test_an_entry_has_a_command_or_a_script(host: Host) -> None:
    host.run(CREATE, command="true", **DAILY)
    assert host.files == {"cron.d/backup": "# Written by jobqueue.\n@daily root true\n"}
    host.run(UPDATE, SCRIPT)
    assert host.files["cron.d/backup"].endswith(f"@daily root {host.script}\n")
    host.run(CREATE, SCRIPT, **DAILY)
    assert host.files == {"cron.daily/backup": host.wrapper, "scripts/backup": SCRIPT}
    host.run(UPDATE, command="false")
    assert host.files == {"cron.d/backup": "# Written by jobqueue.\n@daily root false\n"}
    assert host.objects.log.paths == {}


@pytest.mark.parametrize("times", [NIGHTLY, DAILY])
def test_an_entry_is_deleted_with_its_script(host: Host, times: dict[str, str]) -> None:
    host.run(CREATE, SCRIPT, **times)
    assert host.run(DELETE, check=True).data["would_change"] is True
    assert len(host.files) == 2
    assert host.run(DELETE).changed is True
    assert (host.files, host.objects.log.paths) == ({}, {})
    assert host.run(DELETE).changed is False


def test_scripts_of_others_are_neither_shown_nor_changed(host: Host) -> None:
    other = host.root / "cron.daily" / "backup"
    other.write_text(SCRIPT)
    assert host.entries() == []
    with pytest.raises(OperationFailed, match=r"jobqueue did not write .*cron\.daily/backup"):
        host.run(CREATE, SCRIPT, **DAILY)
    assert host.run(DELETE).changed is False
    host.run(CREATE, SCRIPT, **NIGHTLY)
    host.run(DELETE)
    assert host.files == {"cron.daily/backup": SCRIPT}


def test_a_template_is_rendered(host: Host) -> None:
    host.run(CREATE, "#!/bin/sh\necho {{ hostname }} {{ n }}\n", "template", **NIGHTLY, vars={"n": 4})
    assert host.script.read_text() == "#!/bin/sh\necho web1 4\n"


def test_a_script_made_on_windows_is_one_that_the_host_runs(host: Host) -> None:
    host.run(CREATE, "\ufeff" + SCRIPT.replace("\n", "\r\n"), **NIGHTLY)
    assert host.script.read_text() == SCRIPT


@pytest.mark.parametrize("content", ["30 4 * * * root /usr/bin/backup\n", "echo done\n", "\n#!/bin/sh\n"])
def test_an_object_that_is_no_script(host: Host, content: str) -> None:
    with pytest.raises(OperationFailed, match=r"The object backup\.sh is not a script"):
        host.run(CREATE, content, **NIGHTLY)
    assert host.files == {}


@pytest.mark.parametrize(
    ("type", "data", "sentence"),
    [
        (CREATE, NIGHTLY, "command: Missing data for required field: give command or object"),
        (CREATE, {**NIGHTLY, "command": "true", "object": "x"}, "Give either command or object"),
        (UPDATE, {"command": "true", "object": "x"}, "Give either command or object"),
        (CREATE, {**DAILY, "object": "x", "user": "nobody"}, "user: Only with schedule"),
        (CREATE, {**NIGHTLY, "command": "true", "vars": {}}, "vars: Only with an object"),
        (UPDATE, {"content_type": "raw"}, "content_type: Only with an object"),
        (UPDATE, {"version": 1}, "version: Only with an object"),
        (CREATE, {"object": "x"}, "Give either schedule or interval"),
    ],
)
def test_wrong_entries(registry: Registry, type: str, data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidOperationData, match=sentence):
        registry.validate(type, {"name": "backup", **data})
