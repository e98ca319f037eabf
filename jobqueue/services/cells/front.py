"""A facade with every use case of a front, for its API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.cells.cells import Cells
from jobqueue.services.cells.agents import CellAgents
from jobqueue.services.cells.front_loop import FrontLoop
from jobqueue.services.cells.jobs import CellJobs
from jobqueue.services.cells.locating import CellLocator
from jobqueue.services.cells.parts import PartRunner
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
    jobs: CellJobs
    agents: CellAgents
    status: CellStatus
    runner: PartRunner
    background: Mapping[str, FrontLoop]

    @classmethod
    def over(cls, home: Services, cells: Cells) -> Front:
        """The use cases of one process."""
        parents, hosts = home.ledger.parents, home.ledger.cell_hosts
        runner, status = PartRunner(parents, cells), CellStatus(cells, hosts, parents)
        survey = HostSurvey(cells, hosts, parents)
        return cls(
            home=home,
            cells=cells,
            submitter=ParentSubmitter(parents, home.registry, CellLocator(cells, hosts), runner),
            jobs=CellJobs(parents, cells, home.registry, runner, status),
            agents=CellAgents(cells, status),
            status=status,
            runner=runner,
            background={"parts": FrontLoop(runner.run_due), "survey": FrontLoop(survey.turn, survey.close)},
        )
