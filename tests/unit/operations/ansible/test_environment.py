"""The environment that an agent builds for modules: by the real uv, from a wheel that stands for ansible-core."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.registry import Registry
from jobqueue.setting_checks import BUILD
from jobqueue.settings import Settings
from tests.unit.operations.conftest import Perform

_MODULE = """
import json, sys
print(json.dumps({"changed": False, "prefix": sys.prefix, "main": [_module_fqn, __name__]}))
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()
    return Settings(state_dir=tmp_path / "state", hostname="web1", ansible=BUILD)


def _wheel(folder: Path, version: str) -> None:
    info = f"ansible_core-{version}.dist-info"
    files = {
        "ansible/__init__.py": "",
        "ansible/modules/__init__.py": "",
        "ansible/modules/where.py": _MODULE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: ansible-core\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"ansible_core-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_the_agent_builds_it_once(perform: Perform, settings: Settings, tmp_path: Path) -> None:
    _wheel(tmp_path / "wheels", "2.19.1")
    _wheel(tmp_path / "wheels", "3.0.0")  # too new to be trusted to start modules as before

    def call() -> Any:
        return perform("ansible.module", {"module": "where"}, settings=settings).data["result"]

    first = call()
    assert first["main"] == ["ansible.modules.where", "__main__"]
    assert Path(first["prefix"]).is_relative_to(settings.cache_dir / "environments")
    [made] = (settings.cache_dir / "environments").glob("*/done.json")
    built = made.stat().st_ino
    assert call() == first
    assert made.stat().st_ino == built


def test_a_failed_build_says_why(perform: Perform, settings: Settings) -> None:
    with pytest.raises(OperationFailed, match=r"ansible-core"):
        perform("ansible.module", {"module": "where"}, settings=settings)


def test_without_uv_it_is_not_offered(registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.extras._is_installed", lambda module: module != "uv")
    why = registry.on_host(settings).absent["ansible.module"].why
    assert why.startswith("An environment with ansible-core needs uv, not installed here: pip install")
