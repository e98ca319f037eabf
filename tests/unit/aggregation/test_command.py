from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobqueue.cli.main import main


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    path = tmp_path / "signals.csv"
    path.write_text("id,weight_d,at_tdt\n1,0.5,2025-01-02T03:04:05Z\n2,\x1b[31m,\n".replace("\x1b[31m", "1"))
    return path


def _run(tmp_path: Path, *arguments: str) -> Result:
    environment = {"JOBQUEUE_DATA_DIR": str(tmp_path / "data")}
    return CliRunner(env=environment).invoke(main, ["collection", *arguments], catch_exceptions=False)


def test_load_list_show_delete(tmp_path: Path, signals: Path) -> None:
    assert _run(tmp_path, "list").stdout.split() == ["NAME", "ROWS", "BYTES", "COLUMNS", "CHANGED"]
    assert _run(tmp_path, "load", "my-signals", str(signals)).stdout == "2 rows loaded; my-signals has 2 rows now.\n"
    assert _run(tmp_path, "load", "my-signals", str(signals), str(signals)).stdout.startswith(
        "4 rows loaded; my-signals has 6"
    )
    row = _run(tmp_path, "list").stdout.splitlines()[1].split()
    assert (row[0], row[1], row[3]) == ("my-signals", "6", "3")
    shown = _run(tmp_path, "show", "my-signals", "--limit", "1").stdout
    assert "Rows     6\n" in shown
    assert "  at_tdt  TIMESTAMP WITH TIME ZONE\n" in shown
    assert "2025-01-02T03:04:05.000Z" in shown
    assert _run(tmp_path, "delete", "my-signals").stdout == "my-signals is deleted.\n"
    assert len(_run(tmp_path, "list").stdout.splitlines()) == 1


def test_json(tmp_path: Path, signals: Path) -> None:
    loaded = json.loads(_run(tmp_path, "load", "s", str(signals), "--replace", "--json").stdout)
    assert (loaded["loaded"], loaded["rows"], loaded["columns"]["weight_d"]) == (2, 2, "DOUBLE")
    listed = json.loads(_run(tmp_path, "list", "--json").stdout)
    assert listed["total"] == 1
    assert listed["collections"][0]["name"] == "s"
    items = json.loads(_run(tmp_path, "show", "s", "--json").stdout)["items"]
    assert sorted(items, key=lambda item: item["id"]) == [
        {"id": "1", "weight_d": 0.5, "at_tdt": "2025-01-02T03:04:05.000Z"},
        {"id": "2", "weight_d": 1.0, "at_tdt": None},
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nothing"], "Unknown collection nothing"),
        (["delete", "nothing"], "Unknown collection nothing"),
        (["show", "../x"], "A collection's name"),
        (["load", "s", "missing.csv"], "missing.csv cannot be read"),
        (["load", "s", "/etc/hostname"], "a file to load ends in"),
        (["load", "spark_input", "{signals}"], "A collection's name"),
        (["load", "s"], "Missing argument"),
        (["show", "s", "--limit", "-1"], "not in the range"),
    ],
)
def test_what_does_not_work(tmp_path: Path, signals: Path, arguments: list[str], words: str) -> None:
    result = _run(tmp_path, *(argument.format(signals=signals) for argument in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_host_that_steers_terminals_does_not_steer_ours(tmp_path: Path) -> None:
    path = tmp_path / "evil.jsonl"
    path.write_text(json.dumps({"id": "\x1b[2J", "\x1b[31mred": 1}) + "\n")
    _run(tmp_path, "load", "s", str(path))
    assert "\x1b" not in _run(tmp_path, "show", "s").stdout
