"""node.timezone.*, on a link that stands for /etc/localtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.operations.builtin import timezone
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

GET, UPDATE = "node.timezone.get", "node.timezone.update"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zones = tmp_path / "zoneinfo"
    for name in ("Etc/UTC", "Asia/Kolkata"):
        (zones / name).parent.mkdir(parents=True)
        (zones / name).write_bytes(b"TZif")
    (tmp_path / "localtime").symlink_to(zones / "Etc/UTC")
    for name, path in (("_ZONES", zones), ("_LINK", tmp_path / "localtime"), ("_NAME", tmp_path / "timezone")):
        monkeypatch.setattr(timezone, name, path)
    return tmp_path


@pytest.mark.parametrize("has_name", [True, False])
def test_a_check_predicts_and_the_second_run_changes_nothing(perform: Perform, host: Path, has_name: bool) -> None:
    if has_name:  # as on Debian
        (host / "timezone").write_text("Etc/UTC\n")
    data = {"timezone": "Asia/Kolkata"}
    predicted = perform(UPDATE, {**data, "check": True})
    assert predicted.data == {
        **data,
        "changed": False,
        "check": True,
        "would_change": True,
        "diff": "--- time zone\n+++ time zone\n@@ -1 +1 @@\n-timezone: Etc/UTC\n+timezone: Asia/Kolkata\n",
    }
    assert perform(GET).data == {"timezone": "Etc/UTC", "utc_offset": "+00:00"}
    assert perform(UPDATE, data).changed is True
    assert perform(GET).data["timezone"] == "Asia/Kolkata"
    assert (host / "localtime").readlink() == host / "zoneinfo/Asia/Kolkata"
    assert (host / "timezone").exists() is has_name
    assert not has_name or (host / "timezone").read_text() == "Asia/Kolkata\n"
    assert perform(UPDATE, {**data, "check": True}).data["would_change"] is False
    assert perform(UPDATE, data).changed is False
    assert sorted(path.name for path in host.iterdir() if path.name.startswith(".")) == []


def test_a_zone_that_the_host_does_not_have(perform: Perform) -> None:
    with pytest.raises(OperationFailed, match="This host has no time zone Mars/Base in"):
        perform(UPDATE, {"timezone": "Mars/Base"})
    with pytest.raises(OperationFailed, match="This host has no time zone Asia in"):  # a folder
        perform(UPDATE, {"timezone": "Asia"})


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/passwd", "", "a\n", "Europe/", "A/B/C/D"])
def test_a_zone_is_a_name(registry: Registry, zone: str) -> None:
    with pytest.raises(InvalidOperationData, match="Must be the name of a time zone"):
        registry.validate(UPDATE, {"timezone": zone})
