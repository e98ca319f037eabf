"""Names in archives: relative, safe on every system, and each only once."""

from __future__ import annotations

import ntpath
import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.model.archive_name import ArchiveNames


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/etc/hosts", "web1/etc/hosts"),
        ("//etc/./hosts", "web1/etc/hosts"),
        ("/../../etc/passwd", "web1/%2E%2E/%2E%2E/etc/passwd"),
        ("/a/...", "web1/a/%2E%2E%2E"),
        ("C:\\Windows\\x", "web1/C%3A%5CWindows%5Cx"),
        ("/a\nb\tc", "web1/a%0Ab%09c"),
        ("/100%", "web1/100%25"),
        ("/CON", "web1/%43ON"),
        ("/nul.txt", "web1/%6Eul.txt"),
        ("/com1", "web1/%63om1"),
        ("/console", "web1/console"),
        ("/a. ", "web1/a.%20"),
        ("/a.", "web1/a%2E"),
        ("/evil\u202etxt.exe", "web1/evil%E2%80%AEtxt.exe"),
        ("/naïve", "web1/naïve"),
        ("", "web1/%"),
    ],
)
def test_names(path: str, name: str) -> None:
    assert ArchiveNames().name("web1", path) == name


def test_each_name_is_given_once_whatever_the_case() -> None:
    names = ArchiveNames()
    given_names = [names.name("web1", path) for path in ("/README", "/readme", "/README", "/readme~2")]
    assert given_names == ["web1/README", "web1/readme~2", "web1/README~3", "web1/readme~2~2"]
    assert names.name("web2", "/README") == "web2/README"


def test_long_names_are_shortened_and_stay_different() -> None:
    names = ArchiveNames()
    one, two = (names.name("web1", f"/{'ü' * 120}{end}") for end in "ab")
    assert one != two
    assert all(len(part.encode()) <= 255 for name in (one, two) for part in name.split("/"))


@given(st.lists(st.text(), max_size=8))
def test_no_name_leaves_its_directory(paths: list[str]) -> None:
    names = ArchiveNames()
    made = [names.name("web1", path) for path in paths]
    assert len({name.casefold() for name in made}) == len(made)
    for name in made:
        assert name.startswith("web1/")
        name.encode()
        assert ntpath.splitdrive(name)[0] == ""
        for module in (posixpath, ntpath):
            assert not module.isabs(name)
            assert module.normpath(name).replace("\\", "/") == name
        assert not any(part.endswith((".", " ")) for part in name.split("/"))


@given(st.text(alphabet='ab.:\\%<>"|?* \n', min_size=1, max_size=20).filter(lambda text: set(text) != {"."}))
def test_what_was_replaced_can_be_read_back(name: str) -> None:
    assert unquote(ArchiveNames().name("web1", f"/{name}")) == f"web1/{name}"
