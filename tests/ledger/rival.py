"""What a process of its own does in a race. It imports little, because each process starts afresh."""

from __future__ import annotations

from pathlib import Path

from jobqueue.ledger.executions import Claim, Finished
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.states import ExecutionState
from jobqueue.settings import Settings


def claim_all(url: str, host: str, job_ids: list[str]) -> list[tuple[str, str]]:
    """Claim what it can get and finish it; returns (job, token) of what it won."""
    ledger, won = Ledger.open(Settings(state_dir=Path("unused"), redis_url=url)), []
    for number, job_id in enumerate(job_ids):
        claim = ledger.executions.claim(job_id, "_any", host, f"{host}{number}")
        if isinstance(claim, Claim):
            assert ledger.executions.finish(claim, ExecutionState.COMPLETED) is Finished.FINISHED
            won.append((job_id, claim.token))
    ledger.close()
    return won
