"""deploy/packages: the Debian and RPM packages install what is there, keep settings, and need no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobqueue import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "deploy" / "packages"
SCRIPTS = sorted(PACKAGES.glob("*.sh"))
CONFIG: dict[str, Any] = yaml.safe_load((PACKAGES / "nfpm.yaml").read_text())
BY_TARGET = {content["dst"]: content for content in CONFIG["contents"]}


def test_every_source_exists() -> None:
    sources = [content["src"] for content in CONFIG["contents"] if content.get("type") not in ("tree", "symlink")]
    assert [source for source in (*sources, *CONFIG["scripts"].values()) if not (ROOT / source).is_file()] == []


def test_every_unit_is_in_it() -> None:
    units = {f"/usr/lib/systemd/system/{path.name}" for path in (ROOT / "deploy" / "systemd").glob("*.service")}
    assert units == {target for target in BY_TARGET if target.endswith(".service")}


def test_the_command_is_that_of_the_units() -> None:
    command = BY_TARGET["/usr/bin/jobqueue"]
    assert command["type"] == "symlink"
    for unit in (ROOT / "deploy" / "systemd").glob("*.service"):
        (started,) = re.findall(r"^ExecStart=(\S+)", unit.read_text(), re.MULTILINE)
        assert started == command["src"], unit


def test_an_upgrade_keeps_the_settings_which_only_root_reads() -> None:
    settings = BY_TARGET["/etc/jobqueue/jobqueue.env"]
    assert (settings["type"], settings["file_info"]["mode"]) == ("config|noreplace", 0o600)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_shell_and_stop_at_the_first_failure(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_nothing_is_downloaded_when_it_is_installed() -> None:
    text = (PACKAGES / "postinstall.sh").read_text()
    installs = [line for line in text.replace("\\\n", "").splitlines() if "pip" in line and " install " in line]
    assert len(installs) == 1
    assert "--no-index" in installs[0]


def test_the_version_of_the_package_is_installed_also_beside_wheels_of_a_newer_one(tmp_path: Path) -> None:
    wheels, programs = tmp_path / "wheels", tmp_path / "bin"
    for folder in (wheels, programs):
        folder.mkdir()
    (programs / "nfpm").write_text("#!/bin/sh\n")
    (programs / "nfpm").chmod(0o755)
    environ = {**os.environ, "WHEELS": str(wheels), "PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run([str(PACKAGES / "build"), sys.executable, str(tmp_path / "dist")], env=environ, check=True)
    (marker,) = wheels.iterdir()
    assert marker.name == "python-{}.{}".format(*sys.version_info)
    assert marker.read_text() == f"{__version__}\n"
    text = (PACKAGES / "postinstall.sh").read_text()
    assert '"jobqueue[all]==$release"' in text
    (loop,) = re.findall(r"^python=.*?^done\n", text, re.MULTILINE | re.DOTALL)
    script = loop.replace("/usr/share/jobqueue/wheels", str(wheels)) + 'echo "$release"\n'
    shown = subprocess.run(["sh", "-e", "-c", script], check=True, capture_output=True, text=True).stdout
    assert shown == f"{__version__}\n"


def test_an_upgrade_neither_stops_the_services_nor_removes_the_environment(tmp_path: Path) -> None:
    """Each script with the arguments of dpkg (``upgrade``) and of rpm (1): it must end before it does anything."""
    for name in ("preremove.sh", "postremove.sh"):
        for argument in ("upgrade", "failed-upgrade", "1"):
            traced = subprocess.run(
                ["sh", "-x", str(PACKAGES / name), argument], capture_output=True, text=True, check=True, cwd=tmp_path
            )
            assert re.findall(r"^\+ (rm|systemctl)", traced.stderr, re.MULTILINE) == []


@pytest.mark.skipif(not (shutil.which("nfpm") and shutil.which("dpkg-deb")), reason="needs nfpm and dpkg-deb")
def test_the_debian_package(tmp_path: Path) -> None:
    """Built by nfpm from a folder that stands for the wheels, and read by dpkg."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "jobqueue-0-py3-none-any.whl").write_bytes(b"wheel")
    subprocess.run(
        [str(PACKAGES / "build"), sys.executable, str(tmp_path)],
        env={**os.environ, "WHEELS": str(wheels)},
        check=True,
        capture_output=True,
    )
    (package,) = tmp_path.glob("*.deb")
    assert list(tmp_path.glob("*.rpm")) != []

    def read(*arguments: str) -> str:
        return subprocess.run(["dpkg-deb", *arguments], capture_output=True, text=True, check=True).stdout

    assert read("--field", str(package), "Version").strip().startswith(__version__)
    assert "python3-venv" in read("--field", str(package), "Depends")
    listed = read("--contents", str(package))
    for target in (*BY_TARGET, "/usr/share/jobqueue/wheels/jobqueue-0-py3-none-any.whl"):
        assert f".{target}" in listed, target
    assert "-rw------- root/root" in next(line for line in listed.splitlines() if line.endswith("jobqueue.env"))
    read("--control", str(package), str(tmp_path / "control"))
    assert (tmp_path / "control" / "conffiles").read_text().split() == ["/etc/jobqueue/jobqueue.env"]
