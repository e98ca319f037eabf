"""The whole system on one machine: Redis, API, maintenance, agents and, if wanted, Flower."""

from __future__ import annotations

import os
import site
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jobqueue
from jobqueue.client import Client, ClientError
from jobqueue.errors import JobQueueError
from jobqueue.extras import require
from jobqueue.model.target import check_hostname
from jobqueue.settings import API_URL_FILE, PREFIX, REDIS_URL_FILE, Settings
from jobqueue.standalone.child import ChildSpec
from jobqueue.standalone.ports import LOOPBACK, url_host
from jobqueue.standalone.redis import STOP_SECONDS, EmbeddedRedis
from jobqueue.standalone.state import StateDirectory
from jobqueue.standalone.supervisor import Supervisor
from jobqueue.trust.signing.signer import Signer

START_SECONDS = 120.0
_LOOK_SECONDS = 0.1
#: An agent's own stop is bounded (workers/agent/graceful_shutdown.py) and may take this long when nothing that it runs
#: obeys.
_AGENT_GRACE_SECONDS = 20.0
#: Stages of the stop: processes of a later stage still serve those of earlier ones.
_AGENTS, _API, _MAINTENANCE, _REDIS = range(4)
_METRICS_PORT = PREFIX + "METRICS_PORT"
#: Settings that `up` decides, so its children must not read them from the environment.
_OWN_NAMES = tuple(
    PREFIX + name
    for name in ("STATE_DIR", "METRICS_PORT", "URL", "TOKEN", "HOSTNAME", "LABELS", "API_HOST", "API_PORT")
)
_GROUPS = ("web.dev", "web.prod", "db")


class Stopped(JobQueueError):
    """Stopped on request before everything was up."""

    code = "stopped"


@dataclass(frozen=True)
class AgentPlan:
    """An agent to start on this machine."""

    hostname: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """The processes to start.

    ``redis_url`` None: an embedded Redis. ``listen``: address and port at which agents of other hosts reach it.
    ``flower_port`` None: no Flower. ``token`` None: the state directory's.
    """

    agents: Sequence[AgentPlan]
    host: str
    port: int
    behind_proxy: bool = False
    redis_url: str | None = None
    flower_port: int | None = None
    token: str | None = None
    persistent: bool = True
    listen: tuple[str, int] | None = None


def numbered_agents(count: int) -> list[AgentPlan]:
    """``agent1``..``agentN`` with labels n=<i> and, in turn, group=web.dev, group=web.prod, group=db."""
    return [
        AgentPlan(f"agent{number}", {"group": _GROUPS[(number - 1) % len(_GROUPS)], "n": str(number)})
        for number in range(1, count + 1)
    ]


#: The agents of `jobqueue up`, as the documentation names them.
EXAMPLE_AGENTS = ("web1", "web2", "db1")
_EXAMPLE_GROUPS = {"web1": "web.dev", "web2": "web.prod"}


def named_agents(names: Sequence[str]) -> list[AgentPlan]:
    """Agents with these hostnames, each in the group that its name says: ``db1`` is labelled ``group=db``.

    ``web1`` is in ``web.dev`` and ``web2`` in ``web.prod``, which a job for ``group:web`` reaches both. Raises
    ``InvalidTarget`` for a name that no agent can have.
    """
    plans = []
    for name in names:
        group = _EXAMPLE_GROUPS.get(name) or check_hostname(name).partition(".")[0].rstrip("0123456789-_")
        plans.append(AgentPlan(name, {"group": group} if group else {}))
    return plans


def require_flower() -> None:
    """Raise ``JobQueueError`` that says what to install unless Flower is installed."""
    require("Flower", "flower")


class Stack:
    """Starts a plan's processes under a supervisor and waits until they are ready."""

    def __init__(
        self, plan: Plan, state: StateDirectory, supervisor: Supervisor, environ: Mapping[str, str] | None = None
    ) -> None:
        self.plan = plan
        environ = os.environ if environ is None else environ
        scheme = "https" if environ.get(PREFIX + "TLS_CERT", "").strip() else "http"
        self.url = f"{scheme}://{url_host(plan.host)}:{plan.port}"
        self.token = plan.token or state.admin_token()
        self._state = state
        self._supervisor = supervisor
        self._directory = state.subdirectory("work")
        #: Maintenance serves its metrics here, the agents on the following ports; "" turns them off.
        self._metrics_port = environ.get(_METRICS_PORT, "").strip()
        self._environ = self._child_environ(environ)

    @property
    def flower_url(self) -> str | None:
        return None if self.plan.flower_port is None else f"http://{LOOPBACK}:{self.plan.flower_port}"

    @property
    def agent_redis_url(self) -> str | None:
        """Where agents of other hosts reach the embedded Redis; None if they cannot."""
        if self.plan.listen is None:
            return None
        host, port = self.plan.listen
        return f"redis://{url_host(host)}:{port}/0"

    def start(self, is_stopping: Callable[[], bool]) -> None:
        """Start everything and return when the API is ready and every agent is live.

        Raises ``Stopped`` soon after ``is_stopping()`` turned true, and ``JobQueueError`` when a part does not start.
        """

        def pause(seconds: float) -> None:
            self._supervisor.wait_for_failure(seconds)
            if is_stopping():
                raise Stopped

        if self.plan.flower_port is not None:
            require_flower()
        Signer.open(Settings(state_dir=self._state.path))  # so that no agent waits for the API to generate it
        if self.plan.redis_url is None:
            self._start_redis(pause)
        self._start("maintenance", ["maintenance"], _MAINTENANCE, self._metrics(0))
        address = ["--host", self.plan.host, "--port", str(self.plan.port)]
        if self.plan.behind_proxy:
            address.append("--behind-proxy")
        self._start("api", ["api", *address], _API, own={PREFIX + "TOKEN": self.token})
        for number, agent in enumerate(self.plan.agents, start=1):
            self._start_agent(agent, self._metrics(number))
        if self.plan.flower_port is not None:
            flower = ["flower", "--address", LOOPBACK, "--port", str(self.plan.flower_port)]
            self._start("flower", flower, _API, own={PREFIX + "TOKEN": self.token})
        self._wait_until_serving(pause)
        self._state.write(API_URL_FILE, self.url)
        self._supervisor.settle()

    def _start_redis(self, pause: Callable[[float], None]) -> None:
        server = EmbeddedRedis(self._state.path / "redis", persistent=self.plan.persistent, listen=self.plan.listen)
        server.prepare()
        spec = ChildSpec(
            "redis",
            server.argv,
            _REDIS,
            environ=server.environ,
            directory=server.directory,
            ask=server.shutdown,
            grace_seconds=STOP_SECONDS,
        )
        self._supervisor.start(spec)
        server.wait_ready(pause)
        self._environ[PREFIX + "REDIS_URL"] = server.url
        if self.agent_redis_url is not None:
            self._environ[PREFIX + "AGENT_REDIS_URL"] = self.agent_redis_url
        self._state.write(REDIS_URL_FILE, server.url)

    def _metrics(self, number: int) -> dict[str, str]:
        """The setting for the ``number``-th process that serves metrics: one machine, so a port for each."""
        return {_METRICS_PORT: str(int(self._metrics_port) + number)} if self._metrics_port else {}

    def _start_agent(self, agent: AgentPlan, own: Mapping[str, str]) -> None:
        arguments = ["worker", "--hostname", agent.hostname]
        for key, value in agent.labels.items():
            arguments += ["--label", f"{key}={value}"]
        if self.plan.flower_port is not None:
            arguments.append("--events")
        self._start(agent.hostname, arguments, _AGENTS, own, grace_seconds=_AGENT_GRACE_SECONDS)

    def _start(
        self,
        name: str,
        arguments: Sequence[str],
        stage: int,
        own: Mapping[str, str] | None = None,
        grace_seconds: float = ChildSpec.grace_seconds,
    ) -> None:
        argv = [sys.executable, "-m", "jobqueue", *arguments]
        environ = {**self._environ, **(own or {})}
        spec = ChildSpec(name, argv, stage, environ=environ, directory=self._directory, grace_seconds=grace_seconds)
        self._supervisor.start(spec)

    def _child_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        child = {name: value for name, value in environ.items() if name not in _OWN_NAMES}
        child[PREFIX + "STATE_DIR"] = str(self._state.path)
        child.setdefault(PREFIX + "ALLOW", "*")  # the user who starts this owns the host
        child["PYTHONUNBUFFERED"] = "1"  # show each line as soon as it is written
        root = Path(jobqueue.__file__).resolve().parent.parent
        if str(root) not in [*site.getsitepackages(), site.getusersitepackages()]:
            # a checkout: children run in another directory, and must still find it
            child["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environ.get("PYTHONPATH", "")]))
        if self.plan.redis_url is not None:
            child[PREFIX + "REDIS_URL"] = self.plan.redis_url
        return child

    def _wait_until_serving(self, pause: Callable[[float], None]) -> None:
        deadline = time.monotonic() + START_SECONDS
        hostnames = {agent.hostname for agent in self.plan.agents}
        missing = "the API"
        with Client(self.url, self.token, timeout=5, retries=0) as client:
            while missing:
                pause(_LOOK_SECONDS)
                try:
                    client.ready()
                    live = {agent["hostname"] for agent in client.agents()["agents"] if agent["status"] == "live"}
                    missing = ", ".join(sorted(hostnames - live))
                    reason = "no response"
                except ClientError as error:
                    reason = error.message
                if missing and time.monotonic() > deadline:
                    raise JobQueueError(f"Not up after {START_SECONDS:g}s: {missing} ({reason}).")
