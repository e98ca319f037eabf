"""The system as its parts: an API, maintenance and agents on a Redis that the test brings."""

from __future__ import annotations

import urllib3

from jobqueue.settings import Settings
from jobqueue.standalone.ports import LOOPBACK
from jobqueue.trust.signing.signer import Signer
from tests.acceptance.support.api import Api
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import Process
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

TOKEN = "a-token-of-the-tests"
#: Short times, so that a test sees leases and heartbeats pass.
LEASE_SECONDS, HEARTBEAT_SECONDS = 3.0, 0.5
_START_SECONDS = 60.0


class Parts:
    """One process of each part. ``stack`` keeps and ends them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api_process: Process | None = None
        self.maintenance: Process | None = None
        self.agents: dict[str, Process] = {}
        Signer.open(Settings(state_dir=stack.state))  # an agent without a trusted key would wait for an API to make one

    @staticmethod
    def environ(redis_url: str) -> dict[str, str]:
        """The settings of such a stack."""
        return {
            "JOBQUEUE_REDIS_URL": redis_url,
            "JOBQUEUE_TOKEN": TOKEN,
            "JOBQUEUE_API_PORT": str(free_port()),
            "JOBQUEUE_API_WORKERS": "1",
            "JOBQUEUE_LEASE_SECONDS": str(LEASE_SECONDS),
            "JOBQUEUE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            "JOBQUEUE_CONCURRENCY": "4",
        }

    @property
    def api(self) -> Api:
        return self.stack.api

    def start(self, *hostnames: str) -> Parts:
        """Start all, and wait until the agents are live."""
        self.start_maintenance()
        self.start_api()
        for hostname in hostnames:
            self.agents[hostname] = self.stack.agent(hostname, wait=False)
        for hostname in hostnames:
            self.api.wait_for_agent(hostname, seconds=_START_SECONDS)
        return self

    def start_maintenance(self) -> Process:
        self.maintenance = self.stack.start("maintenance", ["maintenance"])
        return self.maintenance

    def start_api(self) -> Process:
        """Start the API and wait until it answers, whatever Redis does."""
        process = self.api_process = self.stack.start("api", ["api"])
        self.stack.use(f"http://{LOOPBACK}:{self.stack.environ['JOBQUEUE_API_PORT']}", TOKEN)

        def answers() -> bool:
            assert process.exit_code is None, f"the API ended with {process.exit_code}:\n{process.log()}"
            return self.answers("/health")

        until(answers, "the API answers", _START_SECONDS)
        return process

    def answers(self, path: str) -> bool:
        """Whether the API answers 200 to GET ``path``."""
        return self.status(path) == 200

    def status(self, path: str) -> int:
        """The status of GET ``path``; 0 without an answer."""
        try:
            return self.api.get(path).status
        except urllib3.exceptions.HTTPError:
            return 0
