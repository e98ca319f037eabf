"""The environment, limits and user of the processes that an agent starts."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.wildcard import matches

#: What processes inherit of the agent's environment. Nothing else: any other variable might hold a secret.
INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)
#: The agent's own configuration, including its token, is never inherited, even if the patterns allow it.
_OWN_SETTINGS = "JOBQUEUE_"
_SHELL = "/bin/sh"
#: limit -> the shell's command that sets it. Shells name the number of processes differently.
_ULIMITS = {
    "memory_bytes": "ulimit -v {kib}",
    "cpu_seconds": "ulimit -t {value}",
    "open_files": "ulimit -n {value}",
    "processes": "{{ ulimit -u {value} 2>/dev/null || ulimit -p {value}; }}",
}


@dataclass(frozen=True)
class ResourceLimits:
    """Limits on each process; None: as the agent's own. ``processes`` counts all of the user's, and not for root."""

    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    open_files: int | None = None
    processes: int | None = None

    def shell(self) -> str:
        """A shell's commands that set them; empty without limits."""
        limits = {name: getattr(self, name) for name in _ULIMITS}
        return " && ".join(
            _ULIMITS[name].format(value=value, kib=value // 1024) for name, value in limits.items() if value is not None
        )


@dataclass(frozen=True)
class Confinement:
    """``user`` runs the processes; empty: the agent's own user.

    ``environment`` are names, as patterns with ``*``, that are inherited besides the usual ones.
    """

    user: str = ""
    limits: ResourceLimits = ResourceLimits()
    environment: tuple[str, ...] = ()

    def environ(self, own: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of a process: a few of the agent's ``own`` variables, and the job's (``environ``)."""
        names = INHERITED + self.environment
        variables = {
            name: value
            for name, value in own.items()
            if not name.startswith(_OWN_SETTINGS) and any(matches(pattern, name) for pattern in names)
        }
        if self.user:
            entry = pwd.getpwnam(self.user)
            variables |= {"HOME": entry.pw_dir, "USER": self.user, "LOGNAME": self.user, "SHELL": entry.pw_shell}
            variables.pop("TMPDIR", None)  # it may be the agent's private one
        return {**variables, **environ}

    def wrap(self, argv: Sequence[str], cwd: str | None, environ: Mapping[str, str]) -> list[str]:
        """``argv`` under the limits. They are set by a shell that becomes the program: Python offers nothing between
        fork and exec that is safe in a process with threads. Raises ``FileNotFoundError``, which the shell would only
        print.
        """
        commands = self.limits.shell()
        if not commands:
            return list(argv)
        program = argv[0]
        if os.sep in program:
            program = os.path.join(cwd or os.getcwd(), program)  # noqa: PTH109, PTH118 - a name may begin with a dash
        else:
            path = shutil.which(program, path=environ.get("PATH", os.defpath))
            if path is None:
                raise FileNotFoundError(2, "No such file or directory", program)
            program = path
        return [_SHELL, "-c", f'{commands} && exec "$@"', _SHELL, program, *argv[1:]]

    def identity(self) -> dict[str, Any]:
        """Arguments of ``subprocess.Popen`` that change the user; empty for the agent's own."""
        if not self.user:
            return {}
        entry = pwd.getpwnam(self.user)
        if entry.pw_uid == os.geteuid():
            return {}
        groups = [group.gr_gid for group in grp.getgrall() if self.user in group.gr_mem]
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups, "umask": 0o022}


#: The agent's own user, without limits.
PLAIN = Confinement()
