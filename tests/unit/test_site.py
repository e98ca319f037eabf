"""The documentation as a site: built without a warning, and without a request to any other host."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs.generate import site

ROOT = Path(__file__).resolve().parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADED.get(tag, ""))
        if address:
            self.addresses.append(address)


def loads(folder: Path) -> Iterator[str]:
    for path in folder.glob("**/*.html"):
        parser = _Loads()
        parser.feed(path.read_text(encoding="utf-8"))
        yield from parser.addresses
    for path in folder.glob("**/*.css"):
        yield from re.findall(r"(?:url\(|@import )[\"']?([^\"')\s]+)", path.read_text(encoding="utf-8"))


def test_every_page_is_there(built: Path) -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {path.with_suffix(".md").name for path in built.glob("*.html")} >= pages
    assert (built / "project" / "readme.html").exists()
    assert not (built / "generate").exists()


def test_nothing_is_loaded_from_another_host(built: Path) -> None:
    found = list(loads(built))
    assert found
    assert [address for address in found if re.match(r"(https?:)?//", address)] == []


def test_the_menu_is_the_index() -> None:
    table = "| page | for |\n|---|---|\n| [a.md](a.md) | x |\n| [b](../CONTRIBUTING.md) | y |\n"
    index = f"# Documentation\n\n## Begin\n\n{table}"
    assert site.menu(index) == ["README.md", {"Begin": ["a.md", "project/contributing.md"]}]


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        ("a.md", "[x](b.md#part) [y](https://a.example)", "[x](b.md#part) [y](https://a.example)"),
        ("a.md", "[x](../CONTRIBUTING.md)", "[x](project/contributing.md)"),
        ("a.md", "see [the code](../jobqueue/settings.py).", "see the code."),
        ("project/readme.md", "[docs](docs/redis.md)", "[docs](../redis.md)"),
        ("project/benchmarks.md", "[x](../docs/redis.md) [y](../README.md)", "[x](../redis.md) [y](readme.md)"),
        ("a.md", "![states](images/lifecycle.svg)", "![states](images/lifecycle.svg)"),
    ],
)
def test_links_of_the_repository_in_the_site(place: str, before: str, after: str) -> None:
    assert site.linked(before, place) == after
