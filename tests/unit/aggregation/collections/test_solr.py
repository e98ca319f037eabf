"""Responses of Solr, in the forms that its reference guide shows (JSON response writer, streaming expressions)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from jobqueue.aggregation.command import collection
from tests.unit.aggregation.collections.conftest import Loader

HEADER = {"status": 0, "QTime": 3, "params": {"q": "*:*"}}
DOCS = [{"id": "1", "count_i": 3}, {"id": "2", "count_i": 4}]


def query(docs: list[dict[str, Any]], found: int, start: int = 0) -> dict[str, Any]:
    return {
        "responseHeader": HEADER,
        "response": {"numFound": found, "start": start, "numFoundExact": True, "docs": docs},
    }


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(query(DOCS, 2), indent=2),
        json.dumps({"response": {"numFound": 2, "start": 0, "docs": DOCS}}),
        json.dumps({**query(DOCS, 2), "facet_counts": {"facet_fields": {}}, "custom": {"x": 1}}),
        json.dumps({"response": {"docs": DOCS}, "nextCursorMark": "AoE"}),
        json.dumps(query(DOCS[:1], 2)) + "\n" + json.dumps(query(DOCS[1:], 2, 1)),
        json.dumps([query(DOCS[:1], 2), query(DOCS[1:], 2, 1)]),
        json.dumps({"result-set": {"docs": [*DOCS, {"EOF": True, "RESPONSE_TIME": 5}]}}),
    ],
    ids=["query", "no header", "facets", "cursor", "pages", "list of pages", "stream"],
)
def test_the_documents_are_the_rows(loader: Loader, content: str) -> None:
    notes: list[str] = []
    assert loader.load("a.json", content, on_note=notes.append) == DOCS
    assert notes == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"responseHeader": HEADER, "grouped": {"cat": {"matches": 1, "groups": []}}}, "response.docs"),
        ({"grouped": {"cat": {"matches": 1, "doclist": {"docs": DOCS}}}}, "response.docs"),
        ({"facet_counts": {"facet_fields": {}}}, "response.docs"),
        ({"responseHeader": HEADER, "facets": {"count": 0}}, "response.docs"),
        ({"responseHeader": {"status": 400}, "error": {"msg": "undefined field x", "code": 400}}, "undefined field x"),
        ({"error": {"msg": "undefined field x", "code": 400}}, "undefined field x"),
        ({**query(DOCS, 2), "responseHeader": {"status": 0, "partialResults": True}}, "incomplete"),
        ({"responseHeader": {"status": 0}, "response": {"docs": [{"EXCEPTION": "no docvalues"}]}}, "no docvalues"),
        ({"result-set": {"docs": [{"EXCEPTION": "no such field", "EOF": True}]}}, "no such field"),
        ({"result-set": {"docs": DOCS}}, "cut off"),
        (query([], 0), "no rows"),
    ],
)
def test_a_response_without_the_documents_is_refused(loader: Loader, value: Any, says: str) -> None:
    assert says in loader.refused("a.json", json.dumps(value))


def test_a_response_beside_ordinary_rows_is_refused(loader: Loader) -> None:
    for first, second in ((DOCS[0], query(DOCS, 2)), (query(DOCS, 2), DOCS[0])):
        message = loader.refused("a.jsonl", json.dumps(first) + "\n" + json.dumps(second))
        assert "row 2" in message
        assert "load them separately" in message


def test_rows_that_only_resemble_a_response_are_rows(loader: Loader) -> None:
    row = {"id": "a", "response": {"docs": [1]}}
    assert loader.load("a.json", json.dumps(row)) == [row]


def test_a_page_of_a_query_is_loaded_and_said_to_be_one(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    assert loader.load("a.json", json.dumps(query(DOCS, 100)), on_note=notes.append) == DOCS
    assert len(notes) == 1
    assert "a.json" in notes[0]
    assert "2 of the 100 documents" in notes[0]
    monkeypatch.setenv("JOBQUEUE_DATA_DIR", str(loader.collections.root))
    command = ["load", "c", str(loader.folder / "a.json"), "--replace"]
    plain = CliRunner().invoke(collection, command)
    assert plain.exit_code == 0, plain.output
    assert "2 of the 100 documents" in " ".join(plain.output.split())
    answer = json.loads(CliRunner().invoke(collection, [*command, "--json"]).output)
    assert (answer["loaded"], answer["notes"]) == (2, notes)
