"""The agent as a systemd service, of the host or of a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from jobqueue.errors import JobQueueError
from workers.joining.agent_paths import AgentPaths

UNIT = "jobqueue-agent.service"
#: First line of the units that this command writes; another's unit is not overwritten.
_MARK = "# Written by `jobqueue agent join`; edits are lost when it runs again. Use `systemctl edit` to change it."
_SECONDS = 60
#: As deploy/systemd/jobqueue-agent.service, which has the reasons.
_TEMPLATE = """{mark}
[Unit]
Description=jobqueue: agent for this host
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=60
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy={target}
"""


def agent_command(paths: AgentPaths) -> list[str]:
    """The command that runs the agent in the foreground. ``-P``: nothing is imported from the working directory."""
    return [sys.executable, "-P", "-m", "jobqueue", "worker", "--env-file", str(paths.settings_file)]


class Systemd:
    """The systemd that runs this host, or this user's services."""

    def __init__(self, paths: AgentPaths) -> None:
        self._places = paths
        self._scope = ["--user"] if paths.is_user else []

    @property
    def is_running(self) -> bool:
        """Whether systemd runs (``sd_booted(3)``; for a user: the socket of its manager)."""
        if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
            return False
        return not self._places.is_user or (Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / "systemd/private").exists()

    @property
    def start_command(self) -> str:
        """The command that starts the service, now and at each boot."""
        return " ".join(["systemctl", *self._scope, "enable", "--now", UNIT])

    @property
    def log_command(self) -> str:
        """The command that shows the agent's log."""
        return " ".join(["journalctl", *self._scope, "--unit", UNIT])

    def install(self) -> Path:
        """Write the unit. Raises ``JobQueueError``; a unit that another program wrote is kept."""
        path = self._places.unit_dir / UNIT
        if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise JobQueueError(
                f"{path} was not written by this command, and is kept. Move it away and join again, or start the "
                f"agent yourself: {' '.join(agent_command(self._places))}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._places.write(path, unit_text(self._places), 0o644)
        self._run(["daemon-reload"])
        return path

    def start(self) -> None:
        """Start the service, now and at each boot; a running one is restarted. Raises ``JobQueueError``."""
        self._run(["enable", UNIT])
        self._run(["restart", UNIT])

    def _run(self, words: Sequence[str]) -> None:
        argv = ["systemctl", *self._scope, *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise JobQueueError(f"`{' '.join(argv)}` failed: {error}") from error
        if done.returncode:
            raise JobQueueError(f"`{' '.join(argv)}` failed: {done.stderr.strip() or f'exit code {done.returncode}'}")


def unit_text(paths: AgentPaths) -> str:
    """The unit's file."""
    command = " ".join(_quoted(word) for word in agent_command(paths))
    target = "default.target" if paths.is_user else "multi-user.target"
    return _TEMPLATE.format(mark=_MARK, command=command, target=target)


def _quoted(word: str) -> str:
    """A word of ExecStart, without systemd's specifiers and variables."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"'
