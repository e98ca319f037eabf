"""Hosts of their own on one machine: a network, a hostname and system directories, in Linux namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.acceptance.support.processes import MARK, Process
from tests.acceptance.support.stack import clean_environ
from tests.acceptance.support.until import until

_TOOLS = ("unshare", "nsenter", "setpriv", "ip", "mount")
_PROBE = "mount -t tmpfs none /run && ip link add jqprobe0 type veth peer name jqprobe1"
#: The directories that joining as root writes to are copies or empty; no systemd can be seen. A Python below root's
#: home is visible to other users as well.
_BOOT = """
set -e
hostname "$1"
ip link set lo up
mount --bind "$2" /etc
mount -t tmpfs none /var/lib
mount -t tmpfs none /run
case "$3" in /root/*)
  mkdir "$2.python"
  mount --bind "$3" "$2.python"
  mount -t tmpfs -o mode=0755 none /root
  mkdir -p -m 0755 "$3"
  mount --bind "$2.python" "$3"
esac
exec sleep infinity
"""
_COMMAND_SECONDS = 120.0


def lack_of_namespaces() -> str | None:
    """Why such hosts cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "namespaces with a network need root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    argv = ["unshare", "--net", "--uts", "--mount", "sh", "-c", _PROBE]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return None if done.returncode == 0 else f"namespaces are not permitted here: {done.stderr.strip()}"


class Host:
    """One host. ``close`` ends all that runs on it."""

    def __init__(self, name: str, directory: Path, mark: str) -> None:
        self.name = name
        self.directory = directory / name
        self.logs = self.directory / "logs"
        self.logs.mkdir(parents=True)
        self.logs.chmod(0o777)
        self.directory.chmod(0o755)
        etc = self.directory / "etc"
        shutil.copytree(
            "/etc", etc, symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("shadow*")
        )
        self._mark = mark
        self._processes: list[Process] = []
        argv = ["unshare", "--net", "--uts", "--mount", "--propagation", "private"]
        self._boot = subprocess.Popen(
            [*argv, "sh", "-c", _BOOT, "boot", name, str(etc), sys.base_prefix], env={**os.environ, MARK: mark}
        )
        self.pid = self._boot.pid
        until(lambda: self._call(["hostname"]).stdout.strip() == name and self._is_booted(), f"host {name} is there")

    def _is_booted(self) -> bool:
        assert self._boot.poll() is None, f"host {self.name} did not start"
        return Path(f"/proc/{self.pid}/comm").read_text().strip() == "sleep"

    def connect(self, peer: Host, own_address: str, peer_address: str) -> None:
        """A cable to another host, with an address at each end."""
        cable = f"jq{self.pid}"
        _ip(
            "link",
            "add",
            f"{cable}a",
            "netns",
            str(self.pid),
            "type",
            "veth",
            "peer",
            f"{cable}b",
            "netns",
            str(peer.pid),
        )
        for host, link, address in ((self, f"{cable}a", own_address), (peer, f"{cable}b", peer_address)):
            host.check("ip", "address", "add", f"{address}/24", "dev", link)
            host.check("ip", "link", "set", link, "up")

    def inside(self, argv: Sequence[str], uid: int = 0) -> list[str]:
        """The command that runs ``argv`` on this host, as this user."""
        as_user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"] if uid else []
        return ["nsenter", f"--target={self.pid}", "--net", "--uts", "--mount", "--", *as_user, *argv]

    def environ(self, home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a person on this host: nothing of jobqueue's."""
        environ = clean_environ()
        environ.pop("JOBQUEUE_ALLOW")
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
            environ.pop(name, None)
        return {**environ, "HOME": str(home), MARK: self._mark, **(more or {})}

    def check(self, *argv: str) -> str:
        """Run a program as root; fails unless it ends with 0."""
        done = self._call(argv)
        assert done.returncode == 0, f"{argv} on {self.name}: {done.stderr}"
        return done.stdout

    def jobqueue(self, *arguments: str, home: Path, uid: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a ``jobqueue`` command to its end."""
        argv = self.inside([sys.executable, "-m", "jobqueue", *arguments], uid)
        return subprocess.run(
            argv,
            env=self.environ(home, environ),
            cwd=self.logs,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def start(self, name: str, argv: Sequence[str], home: Path, uid: int = 0, **environ: str) -> Process:
        """Start a program; it ends with the host."""
        process = Process(name, self.inside(argv, uid), self.environ(home, environ), self.logs)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End everything."""
        try:
            for process in reversed(self._processes):
                process.stop()
        finally:
            self._boot.send_signal(signal.SIGKILL)
            self._boot.wait()

    def _call(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.inside(argv), capture_output=True, text=True, timeout=60, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)
