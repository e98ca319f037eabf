"""The documents of Solr's responses: a query, several pages of one, or a streaming or SQL request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_RESULTS = frozenset({"response", "grouped", "facet_counts", "facets"})
#: Sections of a response whose responseHeader was left out (``omitHeader=true``).
_SECTIONS = _RESULTS | {
    "responseHeader", "nextCursorMark", "highlighting", "stats", "debug", "expanded", "moreLikeThis", "spellcheck",
    "suggest", "terms", "termVectors", "clusters", "warnings",
}  # fmt: skip


class Responses:
    """Replaces the responses among the values of one file by their documents."""

    def __init__(self) -> None:
        self._found: int | None = None
        self._documents = 0

    def rows(self, values: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        """The rows of a file. Raises ``ValueError`` for a response without documents, or beside ordinary rows."""
        plain_rows = responses = 0
        for number, value in values:
            documents = self._documents_of(value, number)
            if documents is None:
                plain_rows += 1
                yield value
            else:
                responses += 1
                self._documents += len(documents)
                yield from documents
            if plain_rows and responses:
                raise ValueError(f"row {number}: a Solr response and other rows are in one file; load them separately")

    def notes(self) -> list[str]:
        """Warnings about a file whose rows are valid."""
        if self._found is None or self._found <= self._documents:
            return []
        share = f"{self._documents} of the {self._found} documents that the query found"
        return [
            f"The Solr response has {share}; only these are loaded (rows and start, or cursorMark, get the others)."
        ]

    def _documents_of(self, value: Any, number: int) -> list[Any] | None:
        """The documents of a response; None if the value is not one."""
        if not isinstance(value, Mapping):
            return None
        if value.keys() == {"result-set"} and isinstance(value["result-set"], Mapping):
            return _streamed(value["result-set"], number)
        if not _is_response(value):
            return None
        _check_success(value, number)
        response = value.get("response")
        if not isinstance(response, Mapping) or not isinstance(response.get("docs"), list):
            raise ValueError(
                f"row {number}: it is a Solr response without response.docs; query for documents (wt=json, no grouping)"
            )
        if isinstance(count := response.get("numFound"), int):
            self._found = max(count, self._found or 0)
        return _checked(response["docs"])


def _is_response(value: Mapping[str, Any]) -> bool:
    if isinstance(value.get("responseHeader"), Mapping):
        return True
    if value.keys() <= {"error", *_SECTIONS} and isinstance(error := value.get("error"), Mapping):
        return "msg" in error or "code" in error
    return value.keys() <= _SECTIONS and any(isinstance(value.get(name), Mapping) for name in _RESULTS)


def _check_success(value: Mapping[str, Any], number: int) -> None:
    header, error = value.get("responseHeader"), value.get("error")
    status = header.get("status", 0) if isinstance(header, Mapping) else 0
    if error is not None or status != 0:
        message = error.get("msg") if isinstance(error, Mapping) else None
        raise ValueError(f"row {number}: it is the answer of Solr to a request that failed: {message or status}")
    if isinstance(header, Mapping) and header.get("partialResults") in (True, "true", "omitted"):
        raise ValueError(f"row {number}: Solr says that its response is incomplete (partialResults); repeat the query")


def _streamed(result: Mapping[str, Any], number: int) -> list[Any] | None:
    """The documents of ``/stream``, ``/sql`` and ``/export``, which end with one that says EOF."""
    documents = result.get("docs")
    if not isinstance(documents, list):
        return None
    _checked(documents)
    if not documents or not isinstance(documents[-1], Mapping) or "EOF" not in documents[-1]:
        raise ValueError(f"row {number}: the result-set has no EOF, so it was cut off; repeat the request")
    return documents[:-1]


def _checked(documents: list[Any]) -> list[Any]:
    for row, document in enumerate(documents, start=1):
        if isinstance(document, Mapping) and "EXCEPTION" in document:
            raise ValueError(f"row {row}: Solr answers with an error: {document['EXCEPTION']}")
    return documents
