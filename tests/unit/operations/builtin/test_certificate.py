"""certificate.ca.*, on folders and tools that stand for those of a system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.builtin import certificate
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.certificates import LEAF, ONE, TWO
from tests.unit.operations.conftest import Perform
from tests.unit.operations.stored_objects import Objects

CREATE, UPDATE, DELETE = "certificate.ca.create", "certificate.ca.update", "certificate.ca.delete"
TOOL = "update-ca-certificates"


class Host:
    """A host of Debian."""

    def __init__(self, folder: Path, perform: Perform, tools: Tools) -> None:
        self.folder = folder / "certificates"
        self.folder.mkdir()
        self.index = folder / "ca-certificates.conf"
        self.objects = Objects(folder)
        self.tools = tools
        self._perform = perform

    def run(self, type: str, content: str = "", **fields: Any) -> Outcome:
        data = {"name": "corp", **(self.objects.refer("corp.pem", content) if content else {})}
        context = {name: fields.pop(name) for name in ("attempt",) if name in fields}
        return self._perform(type, {**data, **fields}, **self.objects.context, **context)

    def listed(self) -> Any:
        return self._perform("certificate.ca.list", None, **self.objects.context).data

    @property
    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.folder.iterdir())}


@pytest.fixture
def host(tmp_path: Path, perform: Perform, monkeypatch: pytest.MonkeyPatch) -> Host:
    tools = Tools(tmp_path / "bin", monkeypatch)
    tools.add(TOOL)
    known = Host(tmp_path, perform, tools)
    store = replace(certificate._STORES[0], folder=known.folder, index=known.index)
    monkeypatch.setattr(certificate, "_STORES", (store,))
    return known


def test_a_check_predicts_and_the_second_run_changes_nothing(host: Host) -> None:
    predicted = host.run(CREATE, ONE, check=True)
    assert (predicted.changed, predicted.data["would_change"]) == (False, True)
    assert (host.files, host.tools.calls(TOOL), host.objects.log.paths) == ({}, [], {})
    first = host.run(CREATE, f"# of the office\n{ONE}", diff=True)
    assert (first.changed, first.data["name"], first.data["count"]) == (True, "corp", 1)
    assert first.data["diff"] == predicted.data["diff"]
    assert host.files == {"jobqueue-corp.crt": ONE}
    assert (host.folder / "jobqueue-corp.crt").stat().st_mode & 0o777 == 0o644
    assert host.run(CREATE, ONE).changed is False
    assert host.run(CREATE, ONE, check=True).data["would_change"] is False
    # hash links are made anew where a file has changed
    assert host.tools.calls(TOOL) == ["--fresh", ""]
    (recorded,) = host.objects.log.paths.values()
    assert (recorded.object, recorded.version, recorded.provider) == ("corp.pem", 1, "certificate")


def test_each_certificate_of_a_bundle_has_a_file(host: Host) -> None:
    host.run(CREATE, ONE + TWO)
    assert host.files == {"jobqueue-corp.crt": ONE, "jobqueue-corp.2.crt": TWO}
    (recorded,) = host.objects.log.paths
    assert recorded == str(host.folder / "jobqueue-corp.crt")
    outcome = host.run(UPDATE, TWO, diff=True)
    assert outcome.changed is True
    assert host.files == {"jobqueue-corp.crt": TWO}
    assert "jobqueue-corp.2.crt" in outcome.data["diff"]


def test_a_bundle_is_deleted(host: Host) -> None:
    assert host.run(DELETE).changed is False
    host.run(CREATE, ONE + TWO)
    assert host.run(DELETE, check=True).data["would_change"] is True
    assert host.run(DELETE).changed is True
    assert (host.files, host.objects.log.paths) == ({}, {})
    with pytest.raises(OperationFailed, match="jobqueue has added no CA corp on this host"):
        host.run(UPDATE, ONE)


def test_certificates_of_a_host(host: Host) -> None:
    host.index.write_text("# comment\nmozilla/ACCVRAIZ1.crt\n!mozilla/Off.crt\n\nmozilla/ISRG_Root_X1.crt\n")
    (host.folder / "by-hand.crt").write_text(TWO)
    (host.folder / "README").write_text("x")
    host.run(CREATE, ONE + TWO)
    assert host.listed() == {
        "total": 4,
        "certificates": [
            {"name": "by-hand", "source": "custom", "managed": False},
            {"name": "corp", "source": "custom", "managed": True, "object": "corp.pem", "version": 1},
            {"name": "ACCVRAIZ1", "source": "system", "managed": False},
            {"name": "ISRG_Root_X1", "source": "system", "managed": False},
        ],
    }


@pytest.mark.parametrize("content", [LEAF, "x", ONE + "-----BEGIN PRIVATE KEY-----\nMC4CAQA=\n"])
def test_an_object_with_anything_else_changes_nothing(host: Host, content: str) -> None:
    host.run(CREATE, TWO)
    with pytest.raises(OperationFailed, match=r"the object corp\.pem"):
        host.run(UPDATE, content)
    assert host.files == {"jobqueue-corp.crt": TWO}


def test_files_are_restored_if_the_tool_fails(host: Host) -> None:
    host.run(CREATE, ONE)
    host.tools.add(TOOL, error="no space left", code=1)
    with pytest.raises(OperationFailed, match="update-ca-certificates exited with code 1: no space left"):
        host.run(UPDATE, TWO + ONE, version=1)
    assert host.files == {"jobqueue-corp.crt": ONE}
    with pytest.raises(OperationFailed, match="no space left"):
        host.run(DELETE)
    assert host.files == {"jobqueue-corp.crt": ONE}
    (recorded,) = host.objects.log.paths.values()
    assert recorded.version == 1
    # each time, the tool reads the restored files as well
    assert host.tools.calls(TOOL) == ["--fresh"] * 5


def test_another_attempt_has_the_hash_links_made_anew(host: Host) -> None:
    host.run(CREATE, ONE)
    host.run(CREATE, ONE, attempt=2)
    assert host.tools.calls(TOOL) == ["--fresh", "--fresh"]


def test_a_link_is_not_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (host.folder / "jobqueue-corp.crt").symlink_to(tmp_path / "elsewhere")
    for type, content in ((CREATE, ONE), (UPDATE, ONE), (DELETE, "")):
        with pytest.raises(OperationFailed, match=r"jobqueue-corp\.crt cannot be read"):
            host.run(type, content)
    assert (tmp_path / "elsewhere").read_text() == "x"


def test_the_tool_of_red_hat(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    store = replace(certificate._STORES[0], ending=".pem", tool=("update-ca-trust", "extract"), fresh=(), index=None)
    monkeypatch.setattr(certificate, "_STORES", (store,))
    host.tools.add("update-ca-trust")
    host.run(CREATE, ONE)
    assert (host.files, host.tools.calls("update-ca-trust")) == ({"jobqueue-corp.pem": ONE}, ["extract"])
    assert [entry["name"] for entry in host.listed()["certificates"]] == ["corp"]


def test_a_host_without_a_tool_is_skipped(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "_STORES", (replace(certificate._STORES[0], tool=("no-such-tool",)),))
    for type, content in ((CREATE, ONE), (UPDATE, ONE), (DELETE, "")):
        with pytest.raises(OperationNotSupported, match="neither update-ca-certificates nor update-ca-trust"):
            host.run(type, content)
    with pytest.raises(OperationNotSupported):
        host.listed()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", "-a", "a b", "x" * 65, "a\n"])
def test_a_name_is_part_of_a_file_name(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidOperationData, match="Must be 1 to 64 letters"):
        registry.validate(CREATE, {"name": name, "object": "x"})
    with pytest.raises(InvalidOperationData, match="object: Missing data for required field"):
        registry.validate(CREATE, {"name": "x"})
