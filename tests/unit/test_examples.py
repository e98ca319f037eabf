"""Commands that pages and help texts show: what they would send is what the operations take."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from docs.generate.commands import commands
from jobqueue.operations.registry import Registry
from tests.unit.cli.conftest import Run, api, run  # noqa: F401 - fixtures
from tests.unit.cli.jobs import ACCEPTED
from tests.unit.client.fake_api import FakeApi, Reply

ROOT = Path(__file__).parent.parent.parent
REGISTRY = Registry.load(())
PLACEHOLDERS = ("OPERATION", "...")


def _examples() -> list[tuple[str, str]]:
    """Where it stands, and the words behind ``jobqueue job submit``."""
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in [ROOT / "README.md"]}
    texts |= {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    texts |= {f"jobqueue {name} --help": command.help or "" for name, command in commands()}
    found = []
    for place, text in texts.items():
        lines = re.findall(r"jobqueue job submit ([^`\n]+)", text.replace("\\\n", " "))
        found += [(place, line) for line in lines if not line.startswith(PLACEHOLDERS)]
    return found


def _words(line: str) -> list[str]:
    # $(...) around the command leaves its end behind
    return shlex.split(line[:-1] if line.count(")") > line.count("(") else line)


def test_there_are_examples() -> None:
    assert {place for place, _ in _examples()} >= {"README.md", "docs/quickstart.md", "jobqueue job submit --help"}


@pytest.mark.parametrize(("place", "line"), _examples(), ids=lambda text: str(text)[:60])
def test_an_example_fits_its_operation(
    api: FakeApi,  # noqa: F811
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    line: str,
) -> None:
    shutil.copy(Path(__file__).parent / "aggregation" / "click_signals.json", tmp_path)
    shutil.copy(ROOT / "examples/steps/upgrade.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    catalogue = [{"type": info.type, "positional": info.positional, "schema": info.schema} for info in REGISTRY.infos()]
    api.on("GET", "/operation", Reply(200, {"operations": catalogue, "total": len(catalogue)}))
    api.on("POST", "/job", Reply(201, ACCEPTED))
    words = [word for word in _words(line) if word not in ("--watch", "--wait", "--dry-run")]
    result = run("job", "submit", *words)
    assert result.exit_code == 0, f"{place}: {result.stderr}"
    wanted = api.seen[-1].body["operation"]
    REGISTRY.validate(wanted["type"], wanted["data"])


def test_commands_are_looked_through() -> None:
    assert all(isinstance(command, click.Command) for _, command in commands())
