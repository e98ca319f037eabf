"""Changes of the signing keys by ``jobqueue signing`` are in the audit trail, or are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest
from click.testing import CliRunner, Result

from jobqueue.cli.main import main
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.audit import AuditEntry
from jobqueue.services import signing_audit
from jobqueue.settings import SECRET_FILE, Settings
from jobqueue.trust.signing import pem

SECRET = "s" * 40


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], list[AuditEntry]]]:
    """The entries of the trail, as the API with this secret reads them."""
    server = fakeredis.FakeServer()

    def open_ledger(settings: Settings) -> Ledger:
        return Ledger(fakeredis.FakeRedis(server=server, decode_responses=True), settings)

    monkeypatch.setattr(signing_audit.Ledger, "open", open_ledger)
    reader = open_ledger(Settings(state_dir=tmp_path, api_secret=SECRET))

    def read() -> list[AuditEntry]:
        assert not reader.audit.verify().problems
        return [record.content for record in reversed(reader.audit.newest(100))]

    yield read
    reader.close()


def run(state: Path, *arguments: str, redis_url: str = "redis://127.0.0.1:1/0") -> Result:
    environment = {"JOBQUEUE_STATE_DIR": str(state), "JOBQUEUE_REDIS_URL": redis_url, "JOBQUEUE_HOSTNAME": "api1"}
    result = CliRunner().invoke(main, ["signing", *arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def key_of(state: Path) -> str:
    return pem.key_id(pem.read_private(state / "signing.key").verify_key)


def test_each_change_has_an_entry(tmp_path: Path, entries: Callable[[], list[AuditEntry]]) -> None:
    (tmp_path / SECRET_FILE).write_text(f"{SECRET}\n")
    for arguments in (["rotate"], ["prepare"], ["rotate"]):
        result = run(tmp_path, *arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
    first = entries()[0].details["key"]
    assert run(tmp_path, "retire", first).exit_code == 0
    written = entries()
    second = key_of(tmp_path)
    assert [(entry.path, entry.details) for entry in written] == [
        ("/signing/rotate", {"host": "api1", "key": first}),
        ("/signing/prepare", {"host": "api1", "key": second}),
        ("/signing/rotate", {"host": "api1", "key": second}),
        ("/signing/retire", {"host": "api1", "key": first}),
    ]
    assert {(entry.kind, entry.result) for entry in written} == {("system", "done")}


@pytest.mark.parametrize("arguments", [["rotate"], ["prepare"], ["retire", "KEY"]])
def test_a_change_that_cannot_be_recorded_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    assert run(tmp_path, "rotate").exit_code == 0
    assert run(tmp_path, "rotate").exit_code == 0
    (tmp_path / SECRET_FILE).write_text(f"{SECRET}\n")
    old = next(name for name in pem.read_public(tmp_path / "signing.pub") if name != key_of(tmp_path))
    before = {path.name: path.read_bytes() for path in (tmp_path / "signing.key", tmp_path / "signing.pub")}
    command = [old if word == "KEY" else word for word in arguments]
    result = run(tmp_path, *command)
    assert result.exit_code == 2
    assert "Nothing was changed" in result.stderr
    assert "--unrecorded" in result.stderr
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    result = run(tmp_path, *command, "--unrecorded")
    assert result.exit_code == 0, result.output
    assert "Not in the audit trail: Redis cannot be reached" in result.stderr
    assert {name: (tmp_path / name).read_bytes() for name in before} != before


def test_before_an_api_has_run_there_is_nothing_to_record_with(tmp_path: Path) -> None:
    result = run(tmp_path, "rotate")
    assert result.exit_code == 0
    assert "Not in the audit trail: no API has run" in result.stderr
