"""The file authorized_keys of a user.

Its folder belongs to the user, who may put links there: nothing is followed, and every step is relative to the folder
that was opened.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from jobqueue.errors import OperationFailed
from jobqueue.operations.account import user_entry

_FOLDER, _FILE = ".ssh", "authorized_keys"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_BYTES = 1024 * 1024


class AuthorizedKeys:
    """Raises ``OperationFailed`` for a user that this host does not have, and for files that are not the user's."""

    def __init__(self, user: str) -> None:
        self._user = user_entry(user)
        #: For messages and diffs.
        self.path = f"{self._user.pw_dir}/{_FOLDER}/{_FILE}"

    def read(self) -> str:
        """The text; empty without a file."""
        try:
            with self._opened() as folder:
                fd = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                with os.fdopen(fd, "rb") as file:
                    self._check_owner(os.fstat(fd), stat.S_ISREG)
                    content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._failed(error) from error
        if len(content) > _MAX_BYTES:
            raise OperationFailed(f"{self.path} is longer than {_MAX_BYTES} bytes.")
        return content.decode("utf-8", "surrogateescape")

    def write(self, text: str) -> None:
        """Replace the text in one step; the folder is created if it is missing."""
        fresh = f".jobqueue-{secrets.token_hex(8)}"
        try:
            with self._opened(creates=True) as folder:
                fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
                try:
                    with os.fdopen(fd, "wb") as file:
                        file.write(text.encode("utf-8", "surrogateescape"))
                        file.flush()
                        self._own(fd)
                        os.fsync(fd)
                    os.rename(fresh, _FILE, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with suppress(FileNotFoundError):
                        os.unlink(fresh, dir_fd=folder)
                    raise
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def _opened(self, *, creates: bool = False) -> Iterator[int]:
        home = os.open(self._user.pw_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if creates:
                with suppress(FileExistsError):
                    os.mkdir(_FOLDER, 0o700, dir_fd=home)
                    new_folder = os.open(_FOLDER, _DIRECTORY, dir_fd=home)
                    try:
                        self._own(new_folder)
                    finally:
                        os.close(new_folder)
            folder = os.open(_FOLDER, _DIRECTORY, dir_fd=home)
        finally:
            os.close(home)
        try:
            self._check_owner(os.fstat(folder), stat.S_ISDIR)
            yield folder
        finally:
            os.close(folder)

    def _own(self, fd: int) -> None:
        if os.geteuid() == 0:
            os.fchown(fd, self._user.pw_uid, self._user.pw_gid)

    def _check_owner(self, status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
        if not is_kind(status.st_mode) or status.st_uid not in (0, self._user.pw_uid):
            raise OperationFailed(f"{self.path} is not a file of the user {self._user.pw_name}; it was left unchanged.")

    def _failed(self, error: OSError) -> OperationFailed:
        return OperationFailed(f"{self.path} cannot be used: {error.strerror or error}.")
