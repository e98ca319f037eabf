"""The client: every route of the native API as a method. Answers are the API's own JSON, as dicts and lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType

from jobqueue.client import moves
from jobqueue.client.access_routes import AccessRoutes
from jobqueue.client.address import resolve
from jobqueue.client.agent_routes import AgentRoutes
from jobqueue.client.files import Files
from jobqueue.client.job_routes import JobRoutes
from jobqueue.client.notifications import Notifications
from jobqueue.client.object_methods import ObjectMethods
from jobqueue.client.output_routes import OutputRoutes
from jobqueue.client.saved import SavedJobs
from jobqueue.client.schedule_routes import ScheduleRoutes
from jobqueue.client.status_routes import StatusRoutes
from jobqueue.client.target_routes import TargetRoutes
from jobqueue.client.transport import Transport
from jobqueue.client.workflows import Workflows


class Client(
    JobRoutes, OutputRoutes, AgentRoutes, TargetRoutes, ScheduleRoutes, AccessRoutes, StatusRoutes, ObjectMethods
):
    """A client for one API. Threads may share a client; a process that forks makes a new one in the child.

    ::

        with Client() as client:
            job = client.run("df -h", on="group:web")
            for result in job.results():
                print(result.hostname, result.stdout)
            job.wait(check=True)

    The methods inherited from ``ObjectMethods`` (``run``, ``start``, ``get``, ``search``, ``wait_many``, ``hosts``,
    ``host``) return objects. Below them is one method for each route, which returns the API's JSON.

    ``url`` and ``token`` default to ``JOBQUEUE_URL`` and ``JOBQUEUE_TOKEN``, else to those of a context (``context``,
    ``JOBQUEUE_CONTEXT``, or the current one of ``jobqueue context``), else to the files that ``jobqueue up`` left in
    the state directory. ``timeout`` is the number of seconds to wait for one answer; ``retries`` is the maximum
    number of retries of a request that is safe to repeat (see ``Transport.request``).

    Every method raises ``ConnectionFailed``, ``InvalidAnswer`` or an ``ApiError`` (``jobqueue.client.errors``).
    Times are passed as ``datetime`` (a naive one is UTC) or as ISO 8601 text.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        context: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
    ) -> None:
        super().__init__(Transport(resolve(url, token, context=context), timeout=timeout, retries=retries))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, timeout: float = 30.0, retries: int = 4) -> Client:
        """A client configured by ``environ`` (the process's own by default) and the state directory."""
        client = cls.__new__(cls)
        client._http = Transport(resolve(environ=environ), timeout=timeout, retries=retries)
        return client

    @property
    def url(self) -> str:
        """The address of the API."""
        return self._http.url

    def close(self) -> None:
        """Close the connections. The client can still be used; it opens new connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def target_hosts(self, target: str) -> list[str]:
        """The hosts that a target names now, whatever their states, sorted; not for ``_any``.

        Expressions and stored targets are resolved by a plan of a job, which needs ``job:write``; it is not submitted.
        """
        return moves.target_hosts(self, target)

    def drain_hosts(self, hostnames: Iterable[str], reason: str = "") -> Iterator[moves.Move]:
        """Drain each agent while the result is read: ``hostname``, ``outcome``, ``state`` and ``error`` of each.

        An agent that drains already is ``unchanged``; one that the API refuses is ``failed``, and the others continue.
        At most 1,000 hosts.
        """
        return moves.move_each(self, hostnames, moves.DRAINED, reason)

    def undrain_hosts(self, hostnames: Iterable[str]) -> Iterator[moves.Move]:
        """Undrain each agent, as ``drain_hosts``."""
        return moves.move_each(self, hostnames, moves.UNDRAINED)

    @property
    def saved(self) -> SavedJobs:
        """The saved jobs: ``client.saved.list()``, ``get``, ``put``, ``delete``, ``versions``, ``diff``, ``run``..."""
        return SavedJobs(self._http)

    @property
    def workflows(self) -> Workflows:
        """The workflows: ``client.workflows.list()``, ``put``, ``run``; their runs: ``wait``, ``cancel``, ``retry``."""
        return Workflows(self._http)

    @property
    def files(self) -> Files:
        """The objects: ``client.files.list()``, ``get``, ``put``, ``download``, ``delete``, ``stale``.

        And what hosts have sent: ``fetched``.
        """
        return Files(self._http)

    @property
    def notifications(self) -> Notifications:
        """The notification rules: ``client.notifications.list()``, ``get``, ``put``, ``delete``, ``test``..."""
        return Notifications(self._http)
