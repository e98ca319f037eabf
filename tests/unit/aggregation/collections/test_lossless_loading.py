"""No value is guessed or changed on the way into a collection: it is read as it is written, or its row is named.

What is right is said by RFC 4180 and Python's csv module, by RFC 8259, and by Solr's dynamic fields (*_i and *_l are
whole numbers, *_f and *_d numbers, *_b a boolean, *_dt a time, *_s one text, *_ss several).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.loading import load
from jobqueue.aggregation.command import collection
from jobqueue.errors import InvalidInput

SHOES = "id;name_s;price_d\n1;Schuh;12,50\n2;Hut;3,99\n"


@pytest.fixture
def collections(tmp_path: Path) -> Collections:
    return Collections(tmp_path / "data")


def rows(collections: Collections) -> list[dict[str, Any]]:
    return sorted(collections.head("c", 1000), key=lambda row: str(row.get("id")))


def loaded(collections: Collections, path: Path, content: str | bytes, **options: Any) -> list[dict[str, Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    load(collections, "c", [path], **options)
    return rows(collections)


def refused(collections: Collections, path: Path, content: str | bytes, **options: Any) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidInput) as caught:
        load(collections, "c", [path], **options)
    assert collections.names() == []
    return caught.value.message


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_semicolons_and_decimal_commas(collections: Collections, tmp_path: Path) -> None:
    found = loaded(collections, tmp_path / "a.csv", SHOES, delimiter=";", decimal=",")
    assert found == [
        {"id": "1", "name_s": "Schuh", "price_d": 12.5},
        {"id": "2", "name_s": "Hut", "price_d": 3.99},
    ]


def test_a_decimal_comma_of_a_field_without_a_type(collections: Collections, tmp_path: Path) -> None:
    found = loaded(collections, tmp_path / "a.csv", "id;price\n1;12,50\n2;3\n", delimiter=";", decimal=",")
    assert [row["price"] for row in found] == [12.5, 3.0]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (SHOES, {}, ["row 1", "--delimiter", "id;name_s;price_d"]),
        (SHOES.replace(";", "\t"), {}, ["row 1", "--delimiter", "a tab"]),
        (SHOES, {"delimiter": ";"}, ["row 2", "'price_d'", "'12,50'", "--decimal ,"]),
        (SHOES.replace("3,99", "1.003,99"), {"delimiter": ";", "decimal": ","}, ["row 3", "'price_d'", "'1.003,99'"]),
        (SHOES + "3;Hose\n", {"delimiter": ";", "decimal": ","}, ["row 4 has 2 fields", "the header 3"]),
        (SHOES + "3;Hose;1,5;x\n", {"delimiter": ";", "decimal": ","}, ["row 4 has 4 fields"]),
        ('id,name_s\n1,"a\nb"\n2\n', {}, ["row 3 has 1 fields"]),
        ('id,name_s\n1,"open\n', {}, ["row 2"]),
        ('id,name_s\n1,"a"b\n', {}, ["row 2"]),
        ("id,count_i\n1,1.5\n", {}, ["row 2", "'count_i'", "'1.5'", "whole number"]),
        ("id,count_i\n1,9223372036854775808\n", {}, ["row 2", "'count_i'", "64 bits"]),
        ("id,price_d\n1,12345678901234567\n", {}, ["row 2", "'price_d'", "DOUBLE"]),
        ("id,ok_b\n1,maybe\n", {}, ["row 2", "'ok_b'", "'maybe'"]),
        ("id,at_dt\n1,2025-13-01\n", {}, ["row 2", "'at_dt'", "'2025-13-01'"]),
        ("id,Id\n1,2\n", {}, ["row 1", "'Id'", "'id'", "case"]),
        ("id,id\n1,2\n", {}, ["row 1", "'id'", "twice"]),
        ("id,\n1,2\n", {}, ["row 1", "column 2"]),
        ("id,name_s\n1,a\x00b\n", {}, ["NUL"]),
        ("id,name_s\n1,Größe\n".encode("latin-1"), {}, ["UTF-8", "0xF6"]),
        ("id,name_s\n1,x\n".encode("utf-16-le"), {}, ["UTF-16 without a byte order mark"]),
        (gzip.compress(b"id\n1\n", mtime=0)[:-9], {}, []),
    ],
)
def test_refused_csv(
    collections: Collections, tmp_path: Path, content: str | bytes, options: dict[str, str], says: list[str]
) -> None:
    is_compressed = isinstance(content, bytes) and content.startswith(b"\x1f\x8b")
    message = refused(collections, tmp_path / ("a.csv.gz" if is_compressed else "a.csv"), content, **options)
    assert "cannot be loaded" in message
    for text in says:
        assert text in message


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + "id,größe_s\r\n1,ä\r\n".encode(),
        "id,größe_s\r\n1,ä\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "id,größe_s\n1,ä\n".encode("utf-16-be"),
        "id,größe_s\r1,ä\r".encode(),
    ],
    ids=["utf-8 with a mark", "utf-16", "utf-16 be", "carriage returns"],
)
def test_encodings_and_line_ends(collections: Collections, tmp_path: Path, content: bytes) -> None:
    assert loaded(collections, tmp_path / "a.csv", content) == [{"id": "1", "größe_s": "ä"}]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(content.replace(b"1", b"2")))
    load(collections, "c", [tmp_path / "b.csv.gz"])
    assert [row["id"] for row in rows(collections)] == ["1", "2"]


def test_zstandard(collections: Collections, tmp_path: Path) -> None:
    with database.connect(tmp_path) as connection:
        for name, text in (("a.csv", 'id,t_s\n1,"x\n\ny, z"\n2,\n'), ("b.jsonl", '{"id": "3", "t_s": "ä"}\n')):
            (tmp_path / name).write_text(text)
            # every line as one field, and back
            lines = f"read_csv('{tmp_path / name}', header = false, columns = {{'l': 'VARCHAR'}}, auto_detect = false"
            plain = "delim = '\x1f', quote = '', escape = ''"
            target = f"'{tmp_path / name}.zst' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x1f'"
            connection.execute(f"COPY (FROM {lines}, {plain})) TO {target}, COMPRESSION zstd)")
    load(collections, "c", [tmp_path / "a.csv.zst", tmp_path / "b.jsonl.zst"])
    assert rows(collections) == [{"id": "1", "t_s": "x\n\ny, z"}, {"id": "2", "t_s": None}, {"id": "3", "t_s": "ä"}]


def test_any_texts_come_back_as_pythons_csv_wrote_them(collections: Collections, tmp_path: Path) -> None:
    texts = ['a "b"', "a,b", "line\nline", "crlf\r\nend", ";", "'", " blank ", "\\n", "\t", "ü€😀", "NULL", "#", "0012"]
    for delimiter in ",;|\t":
        written = io.StringIO(newline="")
        out = csv.writer(written, delimiter=delimiter)
        out.writerow(["id", "text_s", "free"])
        out.writerows([f"{number:02}", text, text] for number, text in enumerate(texts))
        path = tmp_path / "a.csv"
        path.write_bytes(written.getvalue().encode())
        load(collections, "c", [path], replace=True, delimiter=delimiter)
        assert [(row["text_s"], row["free"]) for row in rows(collections)] == [(text, text) for text in texts]


def test_the_rows_of_one_column(collections: Collections, tmp_path: Path) -> None:
    assert len(loaded(collections, tmp_path / "a.csv", "n\n1\n\n2\n")) == 3
    assert len(loaded(collections, tmp_path / "b.csv", "n,m\n1,2\n\n3,4\n", replace=True)) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"delimiter": ";;"}, "one character"),
        ({"delimiter": "\n"}, "one character"),
        ({"delimiter": "a"}, "part of a value"),
        ({"delimiter": '"'}, "part of a value"),
        ({"decimal": "x"}, "decimal"),
        ({"decimal": ","}, "--delimiter"),
    ],
)
def test_bad_options(collections: Collections, tmp_path: Path, options: dict[str, str], says: str) -> None:
    assert says in refused(collections, tmp_path / "a.csv", "a\n1\n", **options)
    assert "CSV" in refused(collections, tmp_path / "a.json", '{"a": 1}', delimiter=";")


def test_the_command_line_takes_the_same_options(
    collections: Collections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBQUEUE_DATA_DIR", str(collections.root))
    path = tmp_path / "a.csv"
    path.write_text(SHOES.replace(";", "\t"))
    command = ["load", "c", str(path), "--delimiter", "tab", "--decimal", ",", "--json"]
    answer = CliRunner().invoke(collection, command)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output)["loaded"] == 2
    assert [row["price_d"] for row in rows(collections)] == [12.5, 3.99]


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['{"count_i": 1}', '{"count_i": 1.5}'], ["row 2", "'count_i'", "'1.5'", "whole number"]),
        (['{"count_l": true}'], ["row 1", "'count_l'", "True"]),
        (['{"count_i": [1, 2]}'], ["row 1", "'count_i'", "2 values"]),
        (['{"weight_d": 12345678901234567}'], ["row 1", "'weight_d'", "DOUBLE"]),
        (['{"weight_d": "12,5"}'], ["row 1", "'weight_d'", "'12,5'"]),
        (['{"name_s": {"a": 1}}'], ["row 1", "'name_s'"]),
        (['{"name_s": ["a", "b"]}'], ["row 1", "'name_s'", "2 values"]),
        (['{"at_dt": 1760727374}'], ["row 1", "'at_dt'", "not a time"]),
        (['{"f": ["a"]}', '{"f": "a"}'], ["row 2", "'f'", "a single value", "row 1 has a list"]),
        (['{"f": 1}', '{"f": {"a": 1}}'], ["row 2", "'f'", "an object"]),
        (['{"f": [1, [2]]}'], ["row 1", "'f'", "a list"]),
        (['{"f": {"x": 1}}', '{"f": {"x": "a"}}'], ["row 2", "'f.x'", "several types"]),
        (['{"count_i": 1}', '{"Count_i": 2}'], ["row 2", "'Count_i'", "'count_i'", "row 1"]),
        (['{"a": 1, "a": 2}'], ["row 1", "'a'", "duplicate name"]),
        (['{"a": NaN}'], ["row 1", "NaN"]),
        (['{"a": 1e999}'], ["row 1", "1e999"]),
        (['{"a": 1}', "{"], ["row 2", "JSON"]),
        (["7"], ["row 1", "not an object"]),
        (['[{"a": 1} {"a": 2}]'], ["row 2", "comma"]),
        (['{"responseHeader": {}, "grouped": {}}'], ["response.docs"]),
        (["[]"], ["no rows"]),
        (["[" * 100_000], ["row 1"]),
    ],
)
def test_refused_json(collections: Collections, tmp_path: Path, lines: list[str], says: list[str]) -> None:
    message = refused(collections, tmp_path / "a.json", "\n".join(lines))
    for text in says:
        assert text in message


def test_the_answer_of_a_solr_query(collections: Collections, tmp_path: Path) -> None:
    docs = [{"id": "1", "count_i": 3, "tags_ss": ["a", "b"]}, {"id": "2", "tags_ss": "c", "count_i": "4"}]
    answer = {"responseHeader": {"status": 0}, "response": {"numFound": 2, "start": 0, "docs": docs}}
    assert loaded(collections, tmp_path / "a.json", json.dumps(answer, indent=2)) == [
        {"id": "1", "count_i": 3, "tags_ss": ["a", "b"]},
        {"id": "2", "count_i": 4, "tags_ss": ["c"]},
    ]


def test_values_of_json_stay_as_they_are(collections: Collections, tmp_path: Path) -> None:
    text = (
        '{"id": 1, "name_s": "2025-10-17T18:56:14.660Z", "when": "2025-10-17T18:56:14.660Z", "mixed": 1.50, '
        '"large": 1, "odd": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "list": ["a", 1], "n": null, "whole_i": 2.0, '
        '"ok_b": "true"}\n'
        '{"id": true, "name_s": 1.50, "mixed": "x", "large": 123456789012345678901234567890, "list": ["b"]}\n'
    )
    first, second = loaded(collections, tmp_path / "a.jsonl", codecs.BOM_UTF8 + text.encode().replace(b"\n", b"\r\n"))
    assert first == {
        "id": "1", "name_s": "2025-10-17T18:56:14.660Z", "when": "2025-10-17T18:56:14.660Z", "mixed": "1.5",
        "large": "1", "odd": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "list": ["a", "1"], "n": None, "whole_i": 2,
        "ok_b": True,
    }  # fmt: skip
    assert (second["id"], second["name_s"], second["mixed"]) == ("true", "1.50", "x")
    assert (second["large"], second["list"]) == ("123456789012345678901234567890", ["b"])


def test_a_whole_number_beside_fractions_is_not_rounded(collections: Collections, tmp_path: Path) -> None:
    found = loaded(collections, tmp_path / "a.jsonl", '{"id": 1, "n": 0.5}\n{"id": 2, "n": 9007199254740993}\n')
    assert [row["n"] for row in found] == ["0.5", "9007199254740993"]


# --- several files, Parquet -------------------------------------------------------------------------------------------


def test_files_that_do_not_fit_together(collections: Collections, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"count_i": 1, "f": ["a"]}\n')
    (tmp_path / "b.jsonl").write_text('{"count_i": 1, "f": "a"}\n')
    (tmp_path / "c.jsonl").write_text('{"Count_i": 1}\n')
    load(collections, "c", [tmp_path / "a.jsonl"])
    with pytest.raises(InvalidInput, match="'f' is of type"):
        load(collections, "c", [tmp_path / "b.jsonl"])
    with pytest.raises(InvalidInput, match=r"'count_i'.*case"):
        load(collections, "c", [tmp_path / "c.jsonl"])
    assert rows(collections) == [{"count_i": 1, "f": ["a"]}]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 1.0::DOUBLE AS count_i UNION ALL SELECT 1.5", ["row 2", "'count_i'", "1.5"]),
        ("SELECT '1.5' AS count_i", ["row 1", "'count_i'", "1.5"]),
        ("SELECT 1.5::DECIMAL(5, 2) AS count_l", ["row 1", "'count_l'"]),
    ],
)
def test_refused_parquet(collections: Collections, tmp_path: Path, query: str, says: list[str]) -> None:
    with database.connect(tmp_path) as connection:
        connection.execute("SET preserve_insertion_order = true")
        database.write(connection, query, tmp_path / "a.parquet")
    message = refused(collections, tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes())
    for text in says:
        assert text in message
