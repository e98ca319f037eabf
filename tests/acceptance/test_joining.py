"""A second host in two commands, from nothing: `jobqueue agent bundle` on one host, `jobqueue agent join` on the other.

The hosts are network namespaces with a cable between them.
"""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.hosts import Host, lack_of_namespaces
from tests.acceptance.support.processes import Process
from tests.acceptance.support.until import until

CONTROL_ADDRESS, HOST_ADDRESS = "10.213.77.1", "10.213.77.2"
#: The user "nobody".
ANONYMOUS = 65534


@pytest.fixture(scope="module")
def mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def pair(home: Path, mark: str) -> Iterator[tuple[Host, Host]]:
    """The control host with `jobqueue up --listen`, and a host on which nothing was set up."""
    reason = lack_of_namespaces()
    if reason is not None:
        pytest.skip(reason)
    place = home / "join"
    place.mkdir()
    home.chmod(0o755)
    place.chmod(0o755)
    control, host = Host("control", place, mark), Host("web1", place, mark)
    try:
        control.connect(host, CONTROL_ADDRESS, HOST_ADDRESS)
        up = start_up(control)
        until(lambda: (state_of(control) / "api.url").exists() or up.exit_code is not None, "`up` serves", 150)
        assert up.exit_code is None, up.log()
        yield control, host
    finally:
        host.close()
        control.close()


def start_up(control: Host) -> Process:
    argv = [sys.executable, "-m", "jobqueue", "up", "--agents", "0", "--listen", CONTROL_ADDRESS]
    return control.start("up", argv, root_home(control))


def root_home(host: Host) -> Path:
    path = host.directory / "root"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def state_of(control: Host) -> Path:
    return root_home(control) / ".local/state/jobqueue"


def bundle(control: Host, path: Path, hostname: str, *options: str) -> Path:
    """`jobqueue agent bundle HOSTNAME > FILE`."""
    done = control.jobqueue("agent", "bundle", hostname, *options, home=root_home(control))
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


def submit(control: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
    return control.jobqueue("job", "submit", "--watch", *arguments, home=root_home(control))


def agent_state(control: Host, hostname: str) -> str:
    done = control.jobqueue("agent", "show", hostname, "--json", home=root_home(control))
    return json.loads(done.stdout)["state"] if done.returncode == 0 else done.stderr


def test_a_host_joins_with_two_commands(pair: tuple[Host, Host], tmp_path: Path) -> None:
    control, host = pair
    file = bundle(control, tmp_path / "web1.join", "web1", "--allow", "read-only", "--allow", "command.*")
    joined = host.jobqueue("agent", "join", str(file), home=root_home(host))
    assert joined.returncode == 0, joined.stderr
    # without systemd the command says how to start the agent
    command = shlex.split(joined.stdout.splitlines()[-1])
    agent = host.start("agent", command, root_home(host))
    until(lambda: agent_state(control, "web1") == "Ready", "web1 is accepted", 60)

    done = submit(control, "node.hostname.get", "--target", "web1")
    assert done.returncode == 0, done.stderr
    assert "web1" in done.stdout
    done = submit(control, "command.exec.execute", "--target", "web1", "--", "ip", "-brief", "address")
    assert HOST_ADDRESS in done.stdout, done.stdout + done.stderr

    # the secrets are readable by root only
    listing = host.check(
        "stat", "-c", "%a %U %n", "/etc/jobqueue", "/etc/jobqueue/agent.env", "/var/lib/jobqueue-agent"
    )
    assert listing.splitlines() == [
        "700 root /etc/jobqueue",
        "600 root /etc/jobqueue/agent.env",
        "700 root /var/lib/jobqueue-agent",
    ]

    # the same bundle again: on this host, and on another one that took a copy
    again = host.jobqueue("agent", "join", str(file), home=root_home(host))
    assert again.returncode == 2
    assert "has been used on this host" in again.stderr, again.stderr
    stolen = control.jobqueue("agent", "join", str(file), "--user", "--hostname", "web1", home=tmp_path)
    assert stolen.returncode == 2
    assert "has been used on another machine" in stolen.stderr, stolen.stderr
    assert not (tmp_path / ".config").exists()

    # a bundle for a host that has joined would cut it off
    refused = control.jobqueue("agent", "bundle", "web1", home=root_home(control))
    assert refused.returncode == 2
    assert "has joined already" in refused.stderr, refused.stderr
    assert agent.stop() == 0


def test_without_root(pair: tuple[Host, Host], tmp_path: Path) -> None:
    control, host = pair
    home = host.directory / "nobody"
    home.mkdir(mode=0o700)
    host.check("chown", str(ANONYMOUS), str(home))
    argv = host.inside([sys.executable, "-c", "import workers.agent.main"], ANONYMOUS)
    probe = subprocess.run(argv, env=host.environ(home), capture_output=True, text=True, timeout=60, check=False)
    if probe.returncode != 0:
        pytest.skip(f"the user nobody cannot read this installation: {probe.stderr[-200:]}")
    file = bundle(control, home / "db1.join", "db1", "--label", "group=db")
    file.chmod(0o644)
    wants_root = host.jobqueue("agent", "join", str(file), "--hostname", "db1", home=home, uid=ANONYMOUS)
    assert wants_root.returncode == 2
    assert "--user" in wants_root.stderr, wants_root.stderr

    argv = [sys.executable, "-m", "jobqueue", "agent", "join", str(file), "--user", "--hostname", "db1", "--foreground"]
    agent = host.start("db1", argv, home, ANONYMOUS)
    until(lambda: agent_state(control, "db1") == "Ready", "db1 is accepted", 60)
    done = submit(control, "node.hostname.get", "--target", "group:db")
    assert done.returncode == 0, done.stderr
    # this host allows only what reads
    refused = submit(control, "command.exec.execute", "--target", "db1", "--", "true")
    assert refused.returncode == 1, refused.stdout
    settings = home / ".config/jobqueue/agent.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert settings.stat().st_uid == ANONYMOUS
    assert (home / ".local/state/jobqueue-agent/agents/db1.certificate").exists()
    assert agent.stop() == 0


def test_a_joined_host_is_back_after_a_restart_of_the_control_host(pair: tuple[Host, Host], tmp_path: Path) -> None:
    """Redis keeps the agent's user."""
    control, host = pair
    file = bundle(control, tmp_path / "web2.join", "web2")
    argv = [
        sys.executable,
        "-m",
        "jobqueue",
        "agent",
        "join",
        str(file),
        "--user",
        "--hostname",
        "web2",
        "--foreground",
    ]
    home = host.directory / "web2"
    home.mkdir()
    agent = host.start("web2", argv, home)
    until(lambda: agent_state(control, "web2") == "Ready", "web2 is accepted", 60)
    control._processes[0].stop()
    up = start_up(control)
    until(lambda: (state_of(control) / "api.url").exists() or up.exit_code is not None, "`up` serves again", 150)
    assert submit(control, "node.hostname.get", "--target", "web2").returncode == 0
    assert agent.stop() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hostname", "web9"], "is for the host 'web3', and this host is called 'web9'"),
        (["--hostname", "web3", "--sha256", "0" * 64], "SHA-256"),
    ],
    ids=["another host", "another digest"],
)
def test_refused(pair: tuple[Host, Host], tmp_path: Path, options: list[str], said: str) -> None:
    control, host = pair
    file = bundle(control, tmp_path / "web3.join", "web3")
    done = host.jobqueue("agent", "join", str(file), "--user", *options, home=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr, done.stderr
    assert not (tmp_path / ".config").exists()


def test_a_newer_bundle_replaces_an_older_one(pair: tuple[Host, Host], tmp_path: Path) -> None:
    control, host = pair
    older = bundle(control, tmp_path / "older.join", "web4")
    bundle(control, tmp_path / "newer.join", "web4")
    done = host.jobqueue("agent", "join", str(older), "--user", "--hostname", "web4", home=tmp_path)
    assert done.returncode == 2
    assert "a newer bundle for 'web4' has replaced this one" in done.stderr, done.stderr


def test_nothing_is_open_to_the_network_without_a_password(pair: tuple[Host, Host]) -> None:
    """Without credentials Redis answers nothing; the API listens on loopback only."""
    _, host = pair
    code = f"""
import redis, socket
try:
    print(redis.Redis("{CONTROL_ADDRESS}").keys())
except redis.AuthenticationError as error:
    print("refused:", error)
try:
    socket.create_connection(("{CONTROL_ADDRESS}", 8080), 5)
except ConnectionRefusedError:
    print("no API here")
"""
    said = host.check(sys.executable, "-c", code)
    assert "refused:" in said
    assert "no API here" in said


def test_the_audit_trail_names_the_bundles(pair: tuple[Host, Host]) -> None:
    control, _ = pair
    bundle(control, control.directory / "audited.join", "web7")
    done = control.jobqueue("audit", "list", "--json", home=root_home(control))
    entries = [entry for entry in json.loads(done.stdout)["entries"] if entry["path"] == "/agent/bundle"]
    assert entries, done.stdout
    assert entries[0]["details"]["hostname"] == "web7"
    assert "password" not in done.stdout
