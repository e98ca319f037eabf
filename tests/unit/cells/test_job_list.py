"""One list from those of several cells: fixed pages, and any lists: no job is missing, and none comes twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.cells import job_list, list_position
from jobqueue.cells.job_list import CellPage, merge
from jobqueue.errors import InvalidInput


def page(*times: int, end: str | None = None) -> CellPage:
    return CellPage([{"id": f"j{time}"} for time in times], [f"c{time}" for time in times], end)


def ids(items: Any) -> list[str]:
    return [f"{item['cell']}:{item['id']}" for item in items]


def test_two_pages_are_merged_by_time() -> None:
    merged = merge({"west": page(9, 6, 1), "east": page(8, 7)}, {}, 4)
    assert ids(merged.items) == ["west:j9", "east:j8", "east:j7", "west:j6"]
    assert merged.positions == {"west": "c6", "east": list_position.END}


def test_of_the_same_time_the_cells_come_by_name() -> None:
    merged = merge({"west": page(5), "east": page(5)}, {}, 1)
    assert (ids(merged.items), merged.positions) == (["east:j5"], {"east": list_position.END})
    merged = merge({"west": page(5)}, {"east": list_position.END}, 1)
    assert (ids(merged.items), merged.positions) == (["west:j5"], None)


def test_a_cell_that_did_not_answer_keeps_its_position() -> None:
    merged = merge({"west": page(9, 6)}, {"east": "c8", "west": "c10"}, 1)
    assert merged.positions == {"east": "c8", "west": "c9"}


def test_what_may_follow_in_a_short_page_comes_first() -> None:
    """A search may answer a short page, although its list continues with jobs older than c7."""
    merged = merge({"west": page(9, end="c7"), "east": page(8, 6)}, {}, 10)
    assert ids(merged.items) == ["west:j9", "east:j8"]
    assert merged.positions == {"west": "c7", "east": "c8"}
    merged = merge({"west": page(end="c7"), "east": page(6)}, {}, 10)
    assert (list(merged.items), merged.positions) == ([], {"west": "c7"})


def test_the_parent_is_shown() -> None:
    tagged = CellPage([{"id": "a", "tags": {"cells.parent": "p"}}], ["c1"], None)
    assert merge({"west": tagged}, {}, 1).items[0] == {
        "id": "a",
        "tags": tagged.items[0]["tags"],
        "cell": "west",
        "parent": "p",
    }


def test_counts_are_added() -> None:
    pages = {
        "west": {"total_items": 3, "is_least": False, "status_counts": {"failed": 1, "completed": 2}},
        "east": {"total_items": 1, "is_least": True, "status_counts": {"completed": 1}},
    }
    assert job_list.totals(pages) == {
        "total_items": 4,
        "is_least": True,
        "status_counts": {"failed": 1, "completed": 3},
    }


class Listing:
    """A cell's list: times of jobs, newest first, and how many jobs a search examines for one page."""

    def __init__(self, times: list[int], examined: int) -> None:
        self.times = sorted(set(times), reverse=True)
        self.examined = examined

    def page(self, position: str | None, limit: int) -> CellPage:
        left = [time for time in self.times if position is None or time < int(position[1:])]
        shown = left[: min(limit, self.examined)]
        if len(shown) == len(left):
            return page(*shown)
        return page(*shown, end=f"c{shown[-1]}")


@given(
    cells=st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 60), max_size=25), min_size=1, max_size=3
    ),
    limit=st.integers(1, 7),
    examined=st.integers(1, 9),
    away=st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=6),
)
def test_nothing_is_missing_and_nothing_comes_twice(
    cells: Mapping[str, list[int]], limit: int, examined: int, away: list[set[str]]
) -> None:
    """Also while cells are away for some of the pages; in order, as long as none was."""
    lists = {cell: Listing(times, examined) for cell, times in cells.items()}
    wanted = sorted((-time, cell) for cell, listing in lists.items() for time in listing.times)
    positions: dict[str, str] = {}
    found: list[tuple[int, str]] = []
    missing = iter(away)
    while True:
        absent = next(missing, set())
        asked = [cell for cell in lists if cell not in absent and positions.get(cell) != list_position.END]
        merged = merge({cell: lists[cell].page(positions.get(cell), limit) for cell in asked}, positions, limit)
        assert len(merged.items) <= limit
        found += [(-int(item["id"][1:]), item["cell"]) for item in merged.items]
        if merged.positions is None:
            if not absent:
                break
            # the end of the cells that answered; a later walk finds those that were away
            for cell in asked:
                positions[cell] = list_position.END
            continue
        positions = list_position.read(list_position.show(merged.positions, ["x"]), ["x"], lists)
    assert sorted(found) == wanted
    if not any(away):
        assert found == wanted


@pytest.mark.parametrize(
    "document",
    [
        {"items": []},
        {"items": {}, "cursors": []},
        {"items": [{}], "cursors": []},
        {"items": [{}], "cursors": ["5"]},
        {"items": [{}], "cursors": ["c5x"]},
        {"items": [], "cursors": [], "next_cursor": 5},
    ],
)
def test_what_is_no_page(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"without their cursors|invalid cursor"):
        CellPage.of(document)


def test_cursors() -> None:
    cursor = list_position.show({"west": "c5", "east": list_position.END}, ["status=failed"])
    assert list_position.read(cursor, ["status=failed"], ["east", "west"]) == {"west": "c5", "east": ""}
    assert list_position.read(cursor, ["status=failed"], ["west", "new"]) == {"west": "c5"}
    assert list_position.read(None, [], ["west"]) == {}
    with pytest.raises(InvalidInput, match="same filters"):
        list_position.read(cursor, ["status=completed"], ["west"])


@given(st.text(max_size=60))
def test_any_text_as_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        list_position.read(text, [], ["west"])
