"""CSV, JSON lines and Parquet into a collection, no value changed on the way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.loading import load
from jobqueue.errors import InvalidInput


@pytest.fixture
def collections(tmp_path: Path) -> Collections:
    return Collections(tmp_path / "data")


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def _rows(collections: Collections, name: str = "c") -> list[dict[str, Any]]:
    return sorted(collections.head(name, 1000), key=str)


def test_csv_keeps_what_looks_like_a_number_but_is_none(collections: Collections, tmp_path: Path) -> None:
    text = (
        "id,doc_id,zip,phone,long,n,x,weight_d,count_i,price_f,ok_b,when_tdt,name_s,note\n"
        "1,007,01234,+4912,12345678901234567890,5,1.5,1,2,3,true,2025-10-17T18:56:14.660Z,42,\n"
        '2,8,99999,1,1,-6,2,0.5,,,false,2025-10-17 18:56:14,43,"a, b"\n'
    )
    assert load(collections, "c", [_file(tmp_path, "a.csv", text)]) == 2
    moment = "2025-10-17T18:56:14.660Z"
    first, second = _rows(collections)
    assert first == {
        "id": "1", "doc_id": "007", "zip": "01234", "phone": "+4912", "long": "12345678901234567890", "n": 5, "x": 1.5,
        "weight_d": 1.0, "count_i": 2, "price_f": 3.0, "ok_b": True, "when_tdt": moment, "name_s": "42", "note": None,
    }  # fmt: skip
    assert (second["count_i"], second["note"], second["when_tdt"]) == (None, "a, b", "2025-10-17T18:56:14.000Z")
    assert collections.info("c").columns["when_tdt"] == "TIMESTAMP WITH TIME ZONE"


def test_json_lines(collections: Collections, tmp_path: Path) -> None:
    rows = [
        {"id": 1, "tags_ss": ["a", "b"], "nested": {"x": 1}, "when": "2025-10-17T18:56:14.660Z", "late_i": None},
        {"id": "two", "weight_d": 3, "when": "2025-10-17T18:56:14Z", "late_i": 7},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert load(collections, "c", [_file(tmp_path, "a.jsonl", text)]) == 2
    first, second = _rows(collections)
    assert (first["id"], first["tags_ss"], first["nested"], first["when"]) == (
        "1",
        ["a", "b"],
        {"x": 1},
        "2025-10-17T18:56:14.660Z",
    )
    assert (second["id"], second["weight_d"], second["late_i"], second["tags_ss"]) == ("two", 3.0, 7, None)


def test_a_json_array_tabs_and_compression(collections: Collections, tmp_path: Path) -> None:
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"n\n3\n"))
    (tmp_path / "c.ndjson.gz").write_bytes(gzip.compress(b'{"n": 4}\n'))
    files = [_file(tmp_path, "a.json", '[{"n": 1}, {"n": 2}]'), tmp_path / "b.csv.gz", tmp_path / "c.ndjson.gz"]
    files.append(_file(tmp_path, "d.tsv", "n\tm\n5\tx\n"))
    assert load(collections, "c", files) == 5
    assert [row["n"] for row in _rows(collections)] == [1, 2, 3, 4, 5]


def test_parquet_gets_the_types_that_are_kept(collections: Collections, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with database.connect(tmp_path) as connection:
        query = "SELECT 7 AS id, 1::UBIGINT AS u, 'x'::VARCHAR AS s, 2::DECIMAL(5,2) AS d, timestamp '2025-01-02' AS t"
        database.write(connection, query, path)
    load(collections, "c", [path])
    assert _rows(collections) == [{"id": "7", "u": 1, "s": "x", "d": 2.0, "t": "2025-01-02T00:00:00.000Z"}]


def test_rows_are_added_or_put_in_place(collections: Collections, tmp_path: Path) -> None:
    load(collections, "c", [_file(tmp_path, "a.csv", "a,b\n1,x\n")])
    assert load(collections, "c", [_file(tmp_path, "b.csv", "b,z\ny,2.5\n")]) == 1
    assert _rows(collections) == [{"a": 1, "b": "x", "z": None}, {"a": None, "b": "y", "z": 2.5}]
    load(collections, "c", [_file(tmp_path, "c.csv", "a\nword\n")])
    assert {row["a"] for row in _rows(collections)} == {"1", None, "word"}
    assert load(collections, "c", [_file(tmp_path, "d.csv", "q\n")], replace=True) == 0
    assert collections.info("c").columns.keys() == {"q"}


@pytest.mark.parametrize("name", ["we*rd?.csv", "a [1].csv", "it's.csv", 'a"b.csv', "ä ö.csv"])
def test_names_of_files_are_no_patterns(collections: Collections, tmp_path: Path, name: str) -> None:
    _file(tmp_path, "werd.csv", "n\n9\n")
    load(collections, "c", [_file(tmp_path, name, "n\n1\n")])
    assert _rows(collections) == [{"n": 1}]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "a", "a file to load ends in"),
        ("a", "a", "a file to load ends in"),
        ("a.gz", "a", "a file to load ends in"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "cannot be loaded"),
        ("a.csv", 'a,b\n1,2\n1,2,3,4\n"x', "cannot be loaded"),
        ("a.csv", "count_i\nmany\n", "cannot be loaded"),
        ("a.csv", "when_tdt\nyesterday\n", "cannot be loaded"),
        ("a.csv", "", "cannot be loaded"),
        ("a.parquet", "PAR1", "cannot be loaded"),
        ("a.csv.gz", "a\n1\n", "cannot be loaded"),
    ],
)
def test_bad_files_change_nothing(collections: Collections, tmp_path: Path, name: str, text: str, words: str) -> None:
    good = _file(tmp_path, "good.csv", "a\n1\n")
    load(collections, "c", [good])
    with pytest.raises(InvalidInput, match=words) as caught:
        load(collections, "c", [good, _file(tmp_path, name, text)])
    assert caught.value.message.startswith(str(tmp_path / name))
    assert "\n" not in caught.value.message
    assert _rows(collections) == [{"a": 1}]
    assert not list((collections.root / ".work").iterdir())


def test_a_file_that_is_not_there(collections: Collections, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        load(collections, "c", [tmp_path / "nothing.csv"])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        load(collections, "c", [tmp_path / "folder.csv"])
    assert collections.names() == []
