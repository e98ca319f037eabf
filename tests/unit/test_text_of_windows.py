"""Text that an editor on Windows saved, with a byte order mark and CRLF, at every place that reads a file."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from api.token import ensure_secret, ensure_token
from jobqueue.cli.commands.parts import FLOWER_PASSWORD_FILE, own_password
from jobqueue.cli.parameters import json_object
from jobqueue.entrypoints import pip_settings
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.operations.context import Context
from jobqueue.settings import REDIS_URL_FILE, SECRET_FILE, TOKEN_FILE, Settings
from jobqueue.standalone.state import StateDirectory
from workers.agent.guard.policy import Policy
from workers.agent.secrets.providers import Directory

VALUE = "a-value-of-some-length"


@pytest.fixture(params=["utf-8", "utf-16-le", "utf-16-be"])
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _save(path: Path, text: str, encoding: str) -> Path:
    marks = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    path.write_bytes(marks[encoding] + text.replace("\n", "\r\n").encode(encoding))
    path.chmod(0o600)
    return path


def test_the_files_of_settings(tmp_path: Path, encoding: str) -> None:
    _save(tmp_path / TOKEN_FILE, f"{VALUE}\n", encoding)
    _save(tmp_path / REDIS_URL_FILE, "redis://h:1/0\n", encoding)
    settings = Settings.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path)})
    assert settings.token == VALUE
    assert settings.redis_url == "redis://h:1/0"


def test_the_token_and_the_secret_of_the_api(tmp_path: Path, encoding: str) -> None:
    settings = Settings.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path)})
    _save(tmp_path / TOKEN_FILE, f"{VALUE}\n", encoding)
    _save(tmp_path / SECRET_FILE, f"{VALUE}-2\n", encoding)
    assert ensure_token(settings) == (VALUE, None)
    assert ensure_secret(settings) == f"{VALUE}-2"
    assert StateDirectory(tmp_path).admin_token() == VALUE


def test_the_password_of_flower(tmp_path: Path, encoding: str) -> None:
    settings = Settings.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path)})
    path = _save(tmp_path / FLOWER_PASSWORD_FILE, f"{VALUE}\n", encoding)
    assert own_password(settings) == (VALUE, path)


def test_a_policy(tmp_path: Path, encoding: str) -> None:
    text = json.dumps({"rules": [{"operations": ["node.*"], "effect": "deny"}]}, indent=1)
    path = _save(tmp_path / "policy.json", text, encoding)
    assert len(Policy.load((), path).rules) == 1


def test_a_secret_in_a_file(tmp_path: Path, encoding: str) -> None:
    _save(tmp_path / "db", f"{VALUE}\n", encoding)
    directory = Directory(tmp_path)
    assert directory.get("db", Context("web1")) == VALUE
    assert directory.values() == [VALUE]


def test_the_data_of_a_job(tmp_path: Path, encoding: str) -> None:
    path = _save(tmp_path / "data.json", json.dumps({"command": "echo ä"}, indent=1), encoding)
    assert json_object(f"@{path}") == {"command": "echo ä"}


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_requirements(tool: str) -> None:
    """Ray's client hands the lines of a file on, and the first one has its mark."""
    found: Any = Requirements.parse(tool, ["\ufeffa==1\r", "b\r"])
    assert found.lines == ("a==1", "b")


def test_pips_settings(tmp_path: Path) -> None:
    path = _save(tmp_path / "pip.conf", "[global]\nindex-url = http://h/simple\n", "utf-8")
    variables, _ = pip_settings.uv_settings_of_job({"PIP_CONFIG_FILE": str(path)})
    assert variables["UV_INDEX_URL"] == "http://h/simple"
