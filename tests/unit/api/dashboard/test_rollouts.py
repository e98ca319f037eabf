"""The rollout on a job's page."""

from __future__ import annotations

import pytest

from jobqueue.model.states import ExecutionState
from tests.unit.api.dashboard.conftest import Page, Send
from tests.unit.api.fakes import FakeServices
from tests.unit.api.test_rollouts import ID, OPENED, a_rollout


def test_a_lane_for_each_batch(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_rollout()
    found = page(f"/ui/jobs/{ID}").select_one("#rollout")
    assert found is not None
    rows = [[cell.get_text(strip=True) for cell in row.select("th, td")] for row in found.select("tbody tr")]
    assert [row[:2] for row in rows] == [["1", "ended"], ["2", "running"], ["3", "held"]]
    assert [svg["aria-label"] for svg in found.select("svg")] == [
        "1 completed",
        "1 started, 1 completed",
        "2 submitted",
    ]


@pytest.mark.parametrize(
    ("changes", "buttons"),
    [
        ({}, ["Pause", "Abort"]),
        ({"paused": OPENED}, ["Resume", "Abort"]),
        ({"awaits": OPENED}, ["Approve the next batch", "Pause", "Abort"]),
        ({"rest": ExecutionState.CANCELLED, "stopped": OPENED, "stopped_because": "3 of 5 hosts failed"}, []),
    ],
)
def test_the_buttons(page: Page, services: FakeServices, changes: dict[str, object], buttons: list[str]) -> None:
    services.store[ID] = a_rollout(**changes)
    found = page(f"/ui/jobs/{ID}").select_one("#rollout")
    assert found is not None
    assert [button.get_text() for button in found.select("button")] == buttons
    assert ("Stopped: 3 of 5 hosts failed." in found.get_text()) == ("stopped" in changes)


@pytest.mark.parametrize(
    ("verb", "done", "changes"),
    [
        ("pause", "paused", {}),
        ("resume", "resumed", {"paused": OPENED}),
        ("approve", "approved", {"awaits": OPENED}),
        ("abort", "aborted", {}),
    ],
)
def test_a_button_steers(send: Send, services: FakeServices, verb: str, done: str, changes: dict[str, object]) -> None:
    services.store[ID] = a_rollout(**changes)
    at = f"/ui/jobs/{ID}"
    assert send(at, f"{at}/{verb}").headers["Location"] == f"{at}?done={done}"
    assert services.steered == [(ID, verb, "by admin")]
