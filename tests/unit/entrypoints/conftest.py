"""What the tests of runtime environments share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.settings import Settings


@dataclass
class Packages:
    """Uploaded packages by name; ``asked`` are the names and digests that were asked for."""

    files: dict[str, Path] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @contextmanager
    def open(self, name: str, digest: str | None, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        self.asked.append((name, digest))
        if name not in self.files:
            raise OperationFailed(f"The package {name} is not known any more; upload it again.")
        yield self.files[name]


@dataclass
class Run:
    """A context, and what was reported through it."""

    context: Context
    settings: Settings
    packages: Packages
    output: list[tuple[str, bytes]] = field(default_factory=list)
    reports: list[Mapping[str, Any]] = field(default_factory=list)

    def said(self, stream: str = "agent") -> str:
        return b"".join(chunk for name, chunk in self.output if name == stream).decode()


@pytest.fixture(autouse=True)
def _no_package_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither pip's nor uv's settings of this machine, and no network: what is installed are wheels of the test."""
    import os

    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """``make_run(**fields of the context)``; all runs of a test share one agent's folders."""

    def make(**fields: Any) -> Run:
        packages = Packages()
        settings = fields.pop("settings", None) or Settings(state_dir=tmp_path / "state", hostname="web1")
        run = Run(Context("web1"), settings, packages)
        run.context = Context(
            **{
                "hostname": "web1",
                "settings": settings,
                "packages": packages,
                "output": lambda stream, chunk: run.output.append((stream, chunk)),
                "report": run.reports.append,
                "cancelled": threading.Event(),
                **fields,
            }
        )
        return run

    return make
