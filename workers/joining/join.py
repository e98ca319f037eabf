"""Sets up the agent of this host from a bundle."""

from __future__ import annotations

import hashlib
import os
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from jobqueue.env_file import env_text, read_env_file
from jobqueue.errors import Conflict, InvalidInput, JobQueueError
from jobqueue.model.timestamps import to_iso
from jobqueue.plain_text import decoded
from jobqueue.settings import Settings, check_allowed, env_name, local_hostname
from jobqueue.trust.signing.bundle import LARGEST, Bundle
from workers.joining.agent_paths import AgentPaths
from workers.joining.membership import own_certificate, require_unused
from workers.joining.systemd import Systemd, agent_command

#: Seconds to wait until the API has accepted a started agent.
_ACCEPT_SECONDS = 60.0
_LOOK_SECONDS = 0.1
#: Clocks of the API and of the host may differ by this much.
_SKEW_SECONDS = 60


@dataclass(frozen=True)
class JoinRequest:
    """The options of joining.

    ``start`` None: where systemd runs. ``hostname`` is this host's name, if it is not the system's; ``allow`` replaces
    the bundle's operations; ``sha256`` is the digest that `jobqueue agent bundle` printed; ``replace`` overwrites the
    configuration of an agent that is set up already.
    """

    file: Path
    user: bool = False
    start: bool | None = None
    foreground: bool = False
    hostname: str | None = None
    allow: tuple[str, ...] = ()
    sha256: str | None = None
    replace: bool = False


Say = Callable[[str], None]


def join(request: JoinRequest, say: Say) -> None:
    """Check the bundle, write the configuration, and start the agent; ``say`` receives what was done.

    Nothing is written before every check has passed. Raises ``JobQueueError``.
    """
    content = read_bundle_file(request.file)
    _require_digest(content, request.sha256)
    bundle = Bundle.parse(_text(content))
    _require_time(bundle)
    _require_hostname(bundle, request.hostname)
    check_allowed(request.allow or bundle.allow)
    paths = AgentPaths.of_user() if request.user else AgentPaths.of_system()
    systemd = Systemd(paths)
    if request.start and not request.foreground and not systemd.is_running:
        raise JobQueueError("systemd does not run here, so the agent cannot be started as a service; use --foreground.")
    values = _settings(bundle, paths, request.allow)
    settings = Settings.from_env(values)
    if not request.replace:
        _require_free(bundle, paths)
    _check_ledger(bundle, paths, values, settings)
    _write(bundle, paths, values)
    say(f"The settings of agent {bundle.hostname} are in {paths.settings_file}.")
    say(f"This host allows: {', '.join(settings.allow)}.")
    _run(request, bundle, settings, paths, systemd, say)


def read_bundle_file(path: Path) -> bytes:
    """The content of a bundle's file, or of standard input for ``-``. Raises ``InvalidInput``."""
    if str(path) == "-":
        return sys.stdin.buffer.read(LARGEST)
    try:
        with path.open("rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        raise InvalidInput(f"The bundle {path} cannot be read: {error.strerror}.") from error


def _text(content: bytes) -> str:
    try:
        return decoded(content)  # a shell of Windows writes UTF-16
    except UnicodeError:
        return content.decode("utf-8", "replace")


def _require_digest(content: bytes, expected: str | None) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if expected is not None and digest != expected.strip().lower():
        raise InvalidInput(f"The SHA-256 of the bundle is {digest}, not {expected[:80]!r}. Transfer it again.")


def _require_time(bundle: Bundle) -> None:
    if bundle.expires + _SKEW_SECONDS < time.time():
        raise InvalidInput(
            f"The bundle expired at {to_iso(bundle.expires * 1_000_000)}. Make a new one: jobqueue agent bundle "
            f"{bundle.hostname}"
        )


def _require_hostname(bundle: Bundle, requested: str | None) -> None:
    """Compare the bundle's hostname with this host's names, in full and without the domain."""
    names = {requested} if requested else {local_hostname(), socket.getfqdn()}
    names |= {name.partition(".")[0] for name in names}
    allowed = {bundle.hostname, bundle.hostname.partition(".")[0]}
    if not {name.lower() for name in names}.isdisjoint({name.lower() for name in allowed}):
        return
    hostname = requested or local_hostname()
    raise InvalidInput(
        f"The bundle is for the host {bundle.hostname!r}, and this host is called {hostname!r}. Take the bundle of "
        f"this host, or join under that name: --hostname {bundle.hostname}"
    )


def _settings(bundle: Bundle, paths: AgentPaths, allow: tuple[str, ...]) -> dict[str, str]:
    """The agent's settings, by their names in the environment."""
    values = {
        "redis_url": _url(bundle, paths.authority_file),
        "state_dir": str(paths.state_dir),
        "hostname": bundle.hostname,
        "labels": ",".join(f"{key}={value}" for key, value in bundle.labels.items()),
        "key_prefix": bundle.key_prefix,
        "trusted_keys": str(paths.keys_file),
        "join_token": bundle.join_token,
        "allow": ",".join(allow or bundle.allow),
    }
    return {env_name(name): value for name, value in values.items() if value}


def _url(bundle: Bundle, authority: Path) -> str:
    """The address of Redis, with the path of the authority's certificate if there is one."""
    if not bundle.redis_ca:
        return bundle.redis_url
    mark = "&" if "?" in bundle.redis_url else "?"
    return f"{bundle.redis_url}{mark}ssl_ca_certs={quote(str(authority), safe='/')}"


def _require_free(bundle: Bundle, paths: AgentPaths) -> None:
    """Raise ``Conflict`` if an agent is set up here with another bundle."""
    if not paths.settings_file.exists():
        return
    variables = read_env_file(paths.settings_file)
    if variables.get(env_name("join_token")) != bundle.join_token:
        name = variables.get(env_name("hostname"), "another name")
        raise Conflict(
            f"This host has an agent already: {name}, with its settings in {paths.settings_file}. To replace them: "
            "--replace"
        )


def _check_ledger(bundle: Bundle, paths: AgentPaths, values: dict[str, str], settings: Settings) -> None:
    hint = shlex.join(agent_command(paths))
    if not bundle.redis_ca:
        require_unused(settings, bundle, hint)
        return
    with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="jobqueue-ca-", suffix=".pem") as file:
        file.write(bundle.redis_ca)
        file.flush()
        url = _url(bundle, Path(file.name))
        require_unused(Settings.from_env({**values, env_name("redis_url"): url}), bundle, hint)


def _write(bundle: Bundle, paths: AgentPaths, values: dict[str, str]) -> None:
    paths.prepare()
    paths.write(paths.keys_file, bundle.trusted_keys, 0o644)
    if bundle.redis_ca:
        paths.write(paths.authority_file, bundle.redis_ca, 0o644)
    head = "# Settings of this host's agent, from `jobqueue agent join`. Reference: docs/settings.md.\n"
    paths.write(paths.settings_file, head + env_text(values))


def _run(
    request: JoinRequest, bundle: Bundle, settings: Settings, paths: AgentPaths, systemd: Systemd, say: Say
) -> None:
    """Run the agent as the request asks."""
    if request.foreground:
        say("The agent runs until Ctrl-C.")
        _replace_process(paths)
    if not systemd.is_running:
        say("systemd does not run here. Start the agent, and keep it running, with:")
        say(f"  {shlex.join(agent_command(paths))}")
        return
    say(f"The service is {systemd.install()}.")
    if request.start is False:
        say(f"Start it with: {systemd.start_command}")
        return
    systemd.start()
    _wait_until_accepted(bundle, settings, systemd)
    say(f"Agent {bundle.hostname} is accepted and takes work. Its log: {systemd.log_command}")
    if paths.is_user:
        say(f"It stops when you log out, unless an administrator runs: loginctl enable-linger {os.geteuid()}")


def _replace_process(paths: AgentPaths) -> NoReturn:
    argv = agent_command(paths)
    sys.stdout.flush()
    os.execv(argv[0], argv)  # noqa: S606 (this interpreter, without a shell)


def _wait_until_accepted(bundle: Bundle, settings: Settings, systemd: Systemd) -> None:
    deadline = time.monotonic() + _ACCEPT_SECONDS
    while own_certificate(settings, bundle) is None:
        if time.monotonic() > deadline:
            raise JobQueueError(
                f"The agent was started and was not accepted within {_ACCEPT_SECONDS:g} s. Check that the API runs; "
                f"the agent's log says more: {systemd.log_command}"
            )
        time.sleep(_LOOK_SECONDS)
