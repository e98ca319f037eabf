"""schedule.cron.*, on a folder that stands for /etc/cron.d."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.builtin import cron
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

CREATE, UPDATE, DELETE = "schedule.cron.create", "schedule.cron.update", "schedule.cron.delete"
ENTRY = {"name": "backup", "schedule": "30 4 * * mon-fri", "command": "/usr/bin/backup --all"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cron.d").mkdir()
    monkeypatch.setattr(cron, "_FOLDER", tmp_path / "cron.d")
    monkeypatch.setattr(cron, "_SCRIPTS", tmp_path / "lib" / "scripts")
    return tmp_path / "cron.d"


def test_a_check_predicts_and_the_second_run_changes_nothing(perform: Perform, folder: Path) -> None:
    predicted = perform(CREATE, {**ENTRY, "check": True})
    assert (predicted.changed, predicted.data["would_change"]) == (False, True)
    assert list(folder.iterdir()) == []
    first = perform(CREATE, {**ENTRY, "diff": True})
    assert first.changed is True
    assert first.data["diff"] == predicted.data["diff"]
    text = "# Written by jobqueue.\n30 4 * * mon-fri root /usr/bin/backup --all\n"
    assert (folder / "backup").read_text() == text
    assert (folder / "backup").stat().st_mode & 0o777 == 0o644
    assert perform(CREATE, {**ENTRY, "check": True}).data["would_change"] is False
    assert perform(CREATE, ENTRY).changed is False


def test_entries_are_read_changed_and_deleted(perform: Perform, folder: Path) -> None:
    perform(CREATE, ENTRY)
    perform(CREATE, {"name": "clean", "interval": "daily", "command": r"date +\%s > /tmp/x", "user": "nobody"})
    assert perform("schedule.cron.list").data["entries"] == [
        {**ENTRY, "source": "cron.d", "user": "root"},
        {"name": "clean", "interval": "daily", "source": "cron.d", "user": "nobody", "command": r"date +\%s > /tmp/x"},
    ]
    assert perform(UPDATE, {"name": "backup", "interval": "weekly"}).changed is True
    [entry] = perform("schedule.cron.get", {"name": "backup"}).data["entries"]
    assert (entry["interval"], entry["command"]) == ("weekly", ENTRY["command"])
    assert perform(DELETE, {"name": "backup", "check": True}).data["would_change"] is True
    assert perform(DELETE, {"name": "backup"}).changed is True
    assert perform(DELETE, {"name": "backup"}).changed is False
    with pytest.raises(OperationFailed, match="jobqueue has created no entry backup"):
        perform("schedule.cron.get", {"name": "backup"})


def test_entries_of_others_are_neither_shown_nor_changed(perform: Perform, folder: Path, tmp_path: Path) -> None:
    (folder / "e2scrub_all").write_text("30 3 * * 0 root test -e /run/systemd/system\n")
    (tmp_path / "elsewhere").write_text("x")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert perform("schedule.cron.list").data == {"entries": []}
    for type in (CREATE, DELETE):
        data = ENTRY if type == CREATE else {}
        with pytest.raises(OperationFailed, match=r"jobqueue did not write .*e2scrub_all; it was left unchanged"):
            perform(type, {**data, "name": "e2scrub_all"})
        with pytest.raises(OperationFailed, match="link cannot be read"):
            perform(type, {**data, "name": "link"})
    assert (tmp_path / "elsewhere").read_text() == "x"


def test_an_entry_needs_a_user_of_the_host_and_cron(perform: Perform, folder: Path) -> None:
    with pytest.raises(OperationFailed, match="This host has no user nosuchuser"):
        perform(CREATE, {**ENTRY, "user": "nosuchuser"})
    folder.rmdir()
    with pytest.raises(OperationNotSupported, match="install cron"):
        perform(CREATE, ENTRY)
    assert perform("schedule.cron.list").data == {"entries": []}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../x"}, "Must be at most 64 letters"),
        ({"name": "a.b"}, "Must be at most 64 letters"),  # cron does not read it
        ({"name": ""}, "Must be at most 64 letters"),
        ({"command": "date +%s"}, "Must not contain %, which cron takes for the end of the line"),
        ({"command": "a\n* * * * * root b"}, "Must be one line"),
        ({"command": " a"}, "Must be one line"),
        ({"command": ""}, "Length must be between 1 and 900"),
        ({"schedule": "* * * *"}, "Must be five fields"),
        ({"schedule": "60 * * * *"}, "Its minute must be"),
        ({"schedule": "* * 0 * *"}, "Its day of the month must be"),
        ({"schedule": "* * * 13 *"}, "Its month must be"),
        ({"schedule": "* * * * fri-mon"}, "Its day of the week must be"),
        ({"schedule": "*/0 * * * *"}, "Its minute must be"),
        ({"schedule": "1,,2 * * * *"}, "Its minute must be"),
        ({"schedule": "* * * * *\n"}, "Its day of the week must be"),
        ({"schedule": "@never"}, "Must be five fields"),
        ({"interval": "daily"}, "Give either schedule or interval"),
        ({"user": "a b"}, "Must be a name of at most 32"),
        ({"user": "-u"}, "Must be a name of at most 32"),
    ],
)
def test_wrong_entries(registry: Registry, change: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidOperationData, match=sentence):
        registry.validate(CREATE, {**ENTRY, **change})


@pytest.mark.parametrize(
    "schedule", ["* * * * *", "*/5 0,12 1-15/2 jan,7 sun", "59 23 31 12 7", "@reboot", "@daily", "0 0 * * MON"]
)
def test_right_schedules(registry: Registry, schedule: str) -> None:
    assert registry.validate(CREATE, {**ENTRY, "schedule": schedule})
