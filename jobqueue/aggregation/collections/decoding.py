"""The text of a file: UTF-8 or UTF-16, with a byte order mark or without, compressed or not."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from jobqueue.aggregation.collections import database

if TYPE_CHECKING:
    import duckdb

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 4096
_LONGEST_LINE = 67_108_864
#: A character that no text file has: it lets DuckDB's CSV reader take each line as one field.
_NO_DELIMITER = "\x1f"


@contextmanager
def opened(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[IO[str]]:
    """The text of ``file``, decoded, its line ends as they are. Raises ``ValueError`` for what is not text.

    The encoding is that of the byte order mark, else UTF-8; UTF-16 without a mark is recognised and refused.
    """
    suffix = file.suffix.lower()
    if suffix == ".zst":
        yield _zstandard(connection, file)
        return
    with gzip.open(file, "rb") if suffix == ".gz" else file.open("rb") as raw:
        buffered = io.BufferedReader(cast("io.RawIOBase", raw), _LOOKED_AT)
        try:
            start = buffered.peek(_LOOKED_AT)[:_LOOKED_AT]
        except (OSError, EOFError) as error:
            raise ValueError(f"it cannot be decompressed: {error}") from error
        encoding = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
        if encoding == "utf-8" and b"\x00" in start:
            raise ValueError("it contains NUL bytes: not text, or UTF-16 without a byte order mark; save it as UTF-8")
        text = io.TextIOWrapper(buffered, encoding=encoding, newline="")
        try:
            yield text
        except UnicodeDecodeError as error:
            sentence = f"it is not {error.encoding.upper()} (byte 0x{error.object[error.start]:02X}); save it as UTF-8"
            raise ValueError(sentence) from error
        except (OSError, EOFError) as error:
            raise ValueError(f"it cannot be decompressed: {error}") from error


def _zstandard(connection: duckdb.DuckDBPyConnection, file: Path) -> IO[str]:
    """Decompressed by DuckDB, since Python has no Zstandard before 3.14; line ends become ``\\n``."""
    connection.execute("SET preserve_insertion_order = true")
    rows = connection.cursor().execute(
        f"SELECT line FROM read_csv({database.literal(str(file))}, compression = 'zstd', header = false, "
        f"columns = {{'line': 'VARCHAR'}}, auto_detect = false, delim = '{_NO_DELIMITER}', quote = '', escape = '', "
        f"max_line_size = {_LONGEST_LINE})"
    )
    text = io.StringIO(newline="")
    while lines := rows.fetchmany(1000):
        text.writelines(f"{line or ''}\n" for (line,) in lines)
    connection.execute("SET preserve_insertion_order = false")
    text.seek(0)
    if text.read(1) != "\ufeff":
        text.seek(0)
    return text
