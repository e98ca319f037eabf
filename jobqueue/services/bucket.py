"""The bucket of an S3 service in which the API keeps the content of large objects."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jobqueue import extras
from jobqueue.errors import BucketUnavailable, InvalidSettings, NotFound
from jobqueue.file_rights import others_control
from jobqueue.native_threads import NativeThreads
from jobqueue.plain_text import reason_of
from jobqueue.settings import Settings

T = TypeVar("T")

#: Calls of one process at the same time.
_AT_ONCE = 8
#: Bytes that are read at a time, and those of one part of an upload, of which so many are sent at once.
_READ_BYTES, _PART_BYTES, _PARTS_AT_ONCE = 1024 * 1024, 16 * 1024 * 1024, 2
_CLIENT: Any = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=300)}
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_STATUS = re.compile(r"status code: (\d{3}[ A-Za-z]{0,40})")
_SYSTEM = re.compile(r'message: "([^"]{1,100})"')
_NO_BUCKET, _NO_CONDITIONS = "NoSuchBucket", "NotImplemented"
_SECTION = "default"
#: Name of the file that says to which installation the content belongs, and the most bytes of it that are read.
OWNER, _HEAD_BYTES = "owner.json", 4096
_FIELDS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}


@dataclass(frozen=True)
class Entry:
    """Content in the bucket: its name, bytes, and when it was stored."""

    name: str
    size: int
    stored_at: datetime


class Bucket:
    """Stores, reads and deletes content by name. Thread-safe.

    Raises ``BucketUnavailable`` with the reason. No error shows credentials.
    """

    def __init__(self, store: Any, prefix: str, title: str) -> None:
        """``store``: a store of obstore. ``title``: what errors call the bucket."""
        self._store = store
        self.prefix = prefix
        self.title = title
        self._threads = NativeThreads(_AT_ONCE)

    @classmethod
    def open(cls, settings: Settings) -> Bucket | None:
        """The bucket of the settings, None without one; connects with the first call. Raises ``InvalidSettings``."""
        options: dict[str, Any] | None = checked_options(settings)
        if options is None:
            return None
        from obstore.store import S3Store

        if settings.s3_endpoint:
            options["endpoint"] = settings.s3_endpoint
        client: Any = {**_CLIENT, "allow_http": settings.s3_endpoint.startswith("http://")}
        store = S3Store(
            settings.s3_bucket, region=settings.s3_region, client_options=client, retry_config=_RETRIES, **options
        )
        title = f"{settings.s3_bucket!r} at {settings.s3_endpoint or f'S3 in {settings.s3_region}'}"
        return cls(store, settings.s3_prefix, title)

    def put(self, name: str, path: Path) -> None:
        """Store a file under a name: whole, or not at all."""
        import obstore

        self._call(
            "store content",
            lambda: obstore.put(
                self._store, self.prefix + name, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            ),
        )

    def put_new(self, name: str, data: bytes) -> None:
        """Store a few bytes under a name unless there is content.

        A service that knows no conditions overwrites what another process stored at the same moment.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, GenericError

        def put() -> None:
            try:
                obstore.put(self._store, self.prefix + name, data, mode="create")
            except AlreadyExistsError:
                pass
            except GenericError as error:
                if _code(error) != _NO_CONDITIONS:
                    raise
                obstore.put(self._store, self.prefix + name, data)

        self._call("store content", put)

    def head_of(self, name: str) -> bytes | None:
        """The first bytes of stored content, None if there is none under this name."""
        import obstore

        def head() -> bytes:
            opened = obstore.get(self._store, self.prefix + name)
            return bytes(next(iter(opened.stream(min_chunk_size=_HEAD_BYTES)), b""))[:_HEAD_BYTES]

        try:
            return self._call("read content", head)
        except NotFound:
            return None

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of stored content, in pieces. Raises ``NotFound`` if there is none under this name."""
        import obstore

        opened = self._call("read content", lambda: obstore.get(self._store, self.prefix + name))
        pieces = iter(opened.stream(min_chunk_size=_READ_BYTES))
        while (piece := self._call("read content", lambda: next(pieces, None))) is not None:
            yield bytes(piece)

    def exists(self, name: str) -> bool:
        """Whether there is content under this name."""
        import obstore

        try:
            self._call("look up content", lambda: obstore.head(self._store, self.prefix + name))
        except NotFound:
            return False
        return True

    def address(self, name: str, seconds: int) -> str:
        """An address at which anyone can download this content for so many seconds."""
        import obstore

        return str(
            self._call(
                "sign an address",
                lambda: obstore.sign(self._store, "GET", self.prefix + name, timedelta(seconds=seconds)),
            )
        )

    def delete(self, names: Sequence[str]) -> None:
        """Delete content; names without any are no error."""
        import obstore

        for name in names:  # not every service knows the call that deletes many
            try:
                self._call("delete content", partial(obstore.delete, self._store, self.prefix + name))
            except NotFound:
                continue

    def entries(self) -> Iterator[Entry]:
        """All content in the bucket, and files of other programs."""
        import obstore

        pages = iter(obstore.list(self._store, self.prefix))
        while (page := self._call("list content", lambda: next(pages, None))) is not None:
            for entry in page:
                name = str(entry["path"]).removeprefix(self.prefix)
                if name != OWNER:
                    yield Entry(name, entry["size"], entry["last_modified"])

    def _call(self, purpose: str, call: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        try:
            return self._threads.call(call)
        except FileNotFoundError as error:
            if _code(error) != _NO_BUCKET:
                raise NotFound(f"The bucket {self.title} has no such content.") from None
            raise self._unavailable(purpose, error) from None
        except (BaseError, OSError, ValueError) as error:
            raise self._unavailable(purpose, error) from None

    def _unavailable(self, purpose: str, error: Exception) -> BucketUnavailable:
        return BucketUnavailable(
            f"Cannot {purpose}: the bucket {self.title} is not available ({_reason(error)}). Nothing was lost; try "
            "again."
        )


def checked_options(settings: Settings) -> dict[str, str] | None:
    """The credentials of the settings' file, if they name one; None without a bucket. Nothing is connected or loaded.

    Raises ``InvalidSettings`` for a bucket that this installation or this file cannot open.
    """
    if not settings.s3_bucket:
        return None
    lack = extras.lack("JOBQUEUE_S3_BUCKET", "s3")
    if lack:
        raise InvalidSettings(lack)
    return _credentials(settings.s3_credentials) if settings.s3_credentials else {}


def _code(error: Exception) -> str:
    match = _CODE.search(str(error))
    return match[1] if match else ""


def _reason(error: Exception) -> str:
    """Why a call failed: parts of the text only, since the service may repeat the id of a key, or what was signed."""
    text = str(error)
    for pattern in (_CODE, _STATUS, _SYSTEM):
        if match := pattern.search(text):
            return match[1].strip()
    return type(error).__name__


def _credentials(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open("r", encoding="utf-8") as file:
            if others_control(file):
                raise InvalidSettings(
                    f"{path} (JOBQUEUE_S3_CREDENTIALS) can be changed by other users: chmod go-w {path}."
                )
            parser.read_file(file)
        section = parser[_SECTION]
    except OSError as error:
        raise InvalidSettings(f"{path} (JOBQUEUE_S3_CREDENTIALS) cannot be read: {reason_of(error)}.") from None
    except (configparser.Error, KeyError, UnicodeError):  # their texts may repeat a line of the file
        section = None
    values = {ours: section[name] for name, ours in _FIELDS.items() if name in section} if section is not None else {}
    if not {"access_key_id", "secret_access_key"} <= values.keys():
        raise InvalidSettings(
            f"{path} (JOBQUEUE_S3_CREDENTIALS) must have a section [{_SECTION}] with aws_access_key_id and "
            "aws_secret_access_key, as the file of AWS's command line."
        )
    return values
