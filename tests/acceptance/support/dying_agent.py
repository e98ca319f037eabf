"""``jobqueue`` that kills or stops itself at one instant: ``python -m ...dying_agent PHASE worker ...``.

A signal from outside would strike at any instant; these are the ones at which several executions are in hand.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobqueue.cli.main import main
from jobqueue.ledger.executions import Claim
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.executor import Executor
from workers.agent.execution.operation_runner import OperationRunner
from workers.agent.execution.results import ResultBuffer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fetched(original: Callable[..., Any], self: Dispatcher, tasks: Any, *rest: Any) -> None:
    """Several messages have left their queue, and none is claimed."""
    if len(tasks) > 1:
        die()
    original(self, tasks, *rest)


def claimed(original: Callable[..., Any], self: Executor, *rest: Any, **options: Any) -> Any:
    """Several executions are claimed, and none is in the journal."""
    claims = original(self, *rest, **options)
    if sum(isinstance(claim, Claim) for claim in claims) > 1:
        die()
    return claims


def frozen(original: Callable[..., Any], self: Executor, *rest: Any, **options: Any) -> Any:
    """Several executions are claimed, and the process is stopped, once."""
    claims = original(self, *rest, **options)
    if sum(isinstance(claim, Claim) for claim in claims) > 1 and not FROZEN.exists():
        FROZEN.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return claims


def begun(original: Callable[..., Any], *_: Any) -> None:
    """One is in the journal, and others are claimed."""
    die()


def ran(original: Callable[..., Any], *_: Any) -> None:
    """One has run, and its result is not yet on its way."""
    die()


def reported(original: Callable[..., Any], self: AgentLedger, results: Any) -> None:
    """Some results are stored, and the agent does not know it."""
    original(self, results)
    die()


#: Phase -> the class and method at which the agent dies, and how.
PHASES: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "fetched": (Dispatcher, "_claim", fetched),
    "claimed": (Executor, "claim", claimed),
    "begun": (OperationRunner, "run", begun),
    "ran": (ResultBuffer, "put", ran),
    "reported": (AgentLedger, "store", reported),
}
#: The same for an agent that is stopped, until it gets SIGCONT.
STOPPED: dict[str, tuple[type, str, Callable[..., Any]]] = {"frozen": (Executor, "claim", frozen)}
#: A file that says that it was.
FROZEN = Path(os.environ.get("FROZEN", "frozen"))


def change(phase: str) -> None:
    owner, name, instead = {**PHASES, **STOPPED}[phase]
    original = getattr(owner, name)

    def method(*args: Any, **options: Any) -> Any:
        return instead(original, *args, **options)

    setattr(owner, name, method)


if __name__ == "__main__":
    change(sys.argv.pop(1))
    main()
