"""A facade with every use case of a front, for its API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.cells.cells import Cells
from jobqueue.cells.feed import FeedObserver
from jobqueue.cells.feeds import Feeds
from jobqueue.services.cells.agents import CellAgents
from jobqueue.services.cells.front_loop import FrontLoop
from jobqueue.services.cells.job_events import CellJobEvents
from jobqueue.services.cells.jobs import CellJobs
from jobqueue.services.cells.locating import CellLocator
from jobqueue.services.cells.parts import PartRunner
from jobqueue.services.cells.planning import CellPlanner
from jobqueue.services.cells.status import CellStatus
from jobqueue.services.cells.submission import ParentSubmitter
from jobqueue.services.cells.survey import HostSurvey
from jobqueue.services.services import Services


@dataclass(frozen=True)
class Front:
    """The use cases over several cells. ``home`` are those over the front's own Redis: credentials, audit, parents.

    Each loop of ``background`` has a thread of its own: a survey of large or slow cells takes minutes.
    """

    home: Services
    cells: Cells
    submitter: ParentSubmitter
    planner: CellPlanner
    jobs: CellJobs
    agents: CellAgents
    status: CellStatus
    feeds: Feeds
    job_events: CellJobEvents
    runner: PartRunner
    background: Mapping[str, FrontLoop]

    @classmethod
    def over(cls, home: Services, cells: Cells, observer: FeedObserver) -> Front:
        """The use cases of one process. ``observer`` is told how the cells' events arrive."""
        parents, hosts = home.ledger.parents, home.ledger.cell_hosts
        runner, status = PartRunner(parents, cells), CellStatus(cells, hosts, parents)
        survey, feeds = HostSurvey(cells, hosts, parents), Feeds(cells, observer)
        locator = CellLocator(cells, hosts)
        submitter = ParentSubmitter(parents, home.registry, locator, runner)
        jobs = CellJobs(parents, cells, home.registry, runner, status)
        return cls(
            home=home,
            cells=cells,
            submitter=submitter,
            planner=CellPlanner(cells, locator, status, submitter),
            jobs=jobs,
            agents=CellAgents(cells, status),
            status=status,
            feeds=feeds,
            job_events=CellJobEvents(parents, feeds, jobs, runner),
            runner=runner,
            background={"parts": FrontLoop(runner.run_due), "survey": FrontLoop(survey.turn, survey.close)},
        )
