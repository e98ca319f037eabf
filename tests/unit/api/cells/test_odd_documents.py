"""The pages of a front over a cell whose documents have odd values: what is known is shown, and nothing fails."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from jobqueue.cells.cell import Cell
from tests.examples import examples
from tests.unit.api.cells.conftest import CellSite, FrontSite

SEED = int(os.environ.get("TEST_SEED", "1"))
VALUES: list[Any] = [
    *(None, 0, -1, 10**30, 2**60, 1.5, True, "", "x", "completed", "\ud800", "<b>", "a" * 5000),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00", [], [None], [[]], [{}], [{"event": "started"}]),
    *({}, {"x": {}}, {"x": None}, {"web1": {}}, {"web1": {"status": "completed"}}),
]


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Each list or object within the document, with each of its places."""
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        yield document, key
        yield from places(document[key])


def changed(document: Any, chance: random.Random) -> Any:
    """The document with another value, or none, in some places."""
    odd = copy.deepcopy(document)
    for owner, key in chance.choices(list(places(odd)), k=chance.choice((1, 1, 2, 3))):
        if isinstance(owner, dict) and chance.random() < 0.2:
            owner.pop(key, None)
        else:
            owner[key] = chance.choice(VALUES)
    return odd


def test_no_page_fails(front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    front.turn()
    job_id = front.submit("_all")["job_id"]
    west.finish("web1", {"hostname": "web1"})
    front.turn()
    part = front.get(f"/job/{job_id}")["cells"][1]["job_id"]
    pages = ("/", "/ui/jobs", "/ui/agents", f"/ui/jobs/{job_id}", f"/ui/jobs/{part}", "/ui/agents/web1", "/ui/submit")
    answers = [f"/job/{job_id}", "/job", "/agent", "/agent/web1", "/health/status"]
    paths = (*pages, *pages, *answers, f"/ui/jobs/{part}/output?host=web1")
    chance = random.Random()
    answer_of = Cell.get
    monkeypatch.setattr(Cell, "get", lambda self, *rest, **more: changed(answer_of(self, *rest, **more), chance))
    for number in range(examples(5 * len(paths))):
        chance.seed(SEED * 1_000_000 + number)
        path = paths[number % len(paths)]
        assert front.ask("GET", path).status_code in (200, 404, 503), (path, number)


def test_output_without_end_is_cut(front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = front.submit("web1")["job_id"]
    monkeypatch.setattr("api.cells.dashboard.job._MOST_OUTPUT_BYTES", 1000)
    request = Cell.request

    def endless(self: Cell, method: str, path: str, **options: Any) -> Any:
        if "/logs" not in path:
            return request(self, method, path, **options)
        offset = int(options["query"]["offset"])
        return {"chunks": [{"text": "x" * 100}, "odd", {"text": 1}], "next_offset": offset + 1}

    monkeypatch.setattr(Cell, "request", endless)
    answer = front.ask("GET", f"/ui/jobs/{job_id}/output?host=web1")
    assert answer.get_data(as_text=True) == "x" * 1000
