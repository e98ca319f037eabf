"""Finding and opening files without following links or waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobqueue.errors import OperationCancelled, OperationFailed
from jobqueue.operations import file_search
from jobqueue.operations.file_search import NotAFile, Search


def search() -> Search:
    return Search(lambda: None)


def found(pattern: str) -> list[str]:
    return list(search().paths(pattern))


def refusal(path: Path) -> str:
    with pytest.raises(NotAFile) as refused, search().opened(str(path)):
        pass
    return str(refused.value)


def test_wildcards_stand_for_one_name_each(tmp_path: Path) -> None:
    for name in ("a/one.log", "a/two.log", "b/one.log", "b/.hidden.log", "b/deep/one.log", "c.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert found(f"{tmp_path}/*/*.log") == [f"{tmp_path}/{name}" for name in ("a/one.log", "a/two.log", "b/one.log")]
    assert found(f"{tmp_path}/?.log") == [f"{tmp_path}/c.log"]
    assert found(f"{tmp_path}/[ab]/one.log") == [f"{tmp_path}/{name}/one.log" for name in "ab"]
    assert found(f"{tmp_path}/b/.*.log") == [f"{tmp_path}/b/.hidden.log"]
    assert found(f"{tmp_path}//./c.log") == [f"{tmp_path}/c.log"]
    assert found(f"{tmp_path}/none/*") == []


def test_a_name_that_looks_like_a_pattern_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "*").mkdir()
    (tmp_path / "other").mkdir()
    for folder in ("*", "other"):
        (tmp_path / folder / "file").write_text(folder)
    assert found(f"{tmp_path}/[*]/f*") == [f"{tmp_path}/*/file"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "key").write_text("plain")
    (tmp_path / "planted").symlink_to(secret)
    (tmp_path / "real" / "linked").symlink_to(secret / "key")
    assert found(f"{tmp_path}/[pr]*/key") == [f"{tmp_path}/real/key"]
    assert refusal(tmp_path / "real" / "linked") == "is a link, not a regular file"
    assert f"is below the link {tmp_path}/planted -> {secret}" in refusal(tmp_path / "planted" / "key")
    assert found(f"{tmp_path}/planted/*") == []


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "pipe") == "is a pipe, not a regular file"
    assert refusal(tmp_path / "folder") == "is a directory, not a regular file"
    assert refusal(Path("/dev/zero")) == "is a device, not a regular file"


@pytest.mark.parametrize("path", ["/proc/kmsg", "/proc/sys/kernel/hostname", "/proc/version"])
def test_files_of_the_kernel_are_refused(path: str) -> None:
    assert refusal(Path(path)) == "is not stored anywhere: the kernel makes it up when it is read"


def test_a_file_that_became_a_pipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    real_open = os.open

    def replaced(name: str, flags: int, **options: int) -> int:
        if name == "file" and file.is_file():
            file.unlink()
            os.mkfifo(file)
        return real_open(name, flags, **options)

    monkeypatch.setattr(os, "open", replaced)
    assert refusal(file) == "is a pipe, not a regular file"


def test_a_search_is_bounded_and_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1001):
        (tmp_path / str(number)).touch()

    def stop() -> None:
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        list(Search(stop).paths(f"{tmp_path}/*"))
    monkeypatch.setattr(file_search, "MOST_EXAMINED", 1000)
    with pytest.raises(OperationFailed, match="more than 1000 names"):
        found(f"{tmp_path}/none*")
