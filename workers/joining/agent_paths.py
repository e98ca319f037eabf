"""The paths of a host's agent: its configuration and its state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobqueue.atomic_file import replace_file
from jobqueue.errors import InvalidInput, JobQueueError

_NAME = "jobqueue"
#: Not the API's or ``jobqueue up``'s: an agent that finds the API's private key would certify itself.
_STATE_NAME = "jobqueue-agent"


@dataclass(frozen=True)
class AgentPaths:
    """Directories and files of one agent. ``is_user``: of a user without root, instead of the whole host."""

    is_user: bool
    config_dir: Path
    state_dir: Path
    unit_dir: Path

    @classmethod
    def of_system(cls) -> AgentPaths:
        """The paths of the host's agent. Raises ``JobQueueError`` unless this is root."""
        if os.geteuid() != 0:
            raise JobQueueError("Joining for the whole host needs root. Run it as root, or with --user.")
        return cls(False, Path("/etc") / _NAME, Path("/var/lib") / _STATE_NAME, Path("/etc/systemd/system"))

    @classmethod
    def of_user(cls, environ: Mapping[str, str] | None = None) -> AgentPaths:
        """The paths of this user's agent, by the XDG specification."""
        environ = os.environ if environ is None else environ
        config = _base(environ, "XDG_CONFIG_HOME", ".config")
        state = _base(environ, "XDG_STATE_HOME", ".local/state")
        return cls(True, config / _NAME, state / _STATE_NAME, config / "systemd/user")

    @property
    def settings_file(self) -> Path:
        return self.config_dir / "agent.env"

    @property
    def keys_file(self) -> Path:
        return self.config_dir / "signing.pub"

    @property
    def authority_file(self) -> Path:
        return self.config_dir / "redis-ca.pem"

    def prepare(self) -> None:
        """Create the directories, for this user only. Raises ``JobQueueError``."""
        for path in (self.config_dir, self.state_dir):
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                owner = path.stat().st_uid
            except OSError as error:
                raise JobQueueError(f"The directory {path} cannot be created: {error.strerror}.") from error
            if owner != os.geteuid():
                raise JobQueueError(f"The directory {path} belongs to another user; give it back, or remove it.")

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Write a file; readers see the old one or the new one. Raises ``JobQueueError``."""
        try:
            replace_file(path, text, mode)
        except OSError as error:
            raise JobQueueError(f"{path} cannot be written: {error.strerror}.") from error


def _base(environ: Mapping[str, str], name: str, default: str) -> Path:
    text = environ.get(name, "")
    if text.startswith("/"):  # the XDG specification: a relative path is to be ignored
        return Path(text)
    try:
        return Path(environ["HOME"] if environ.get("HOME", "").startswith("/") else Path.home()) / default
    except RuntimeError as error:
        raise InvalidInput(f"There is no home directory; set HOME or {name}.") from error
