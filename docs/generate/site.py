"""MkDocs settings that ``mkdocs.yml`` cannot express: the menu, and the project's pages outside ``docs``."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: Pages outside of docs -> where they are in the site.
OUTSIDE = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
_SECTION = re.compile(r"^## (.+)$|^\| \[[^\]]+\]\(([^)]+)\)", re.MULTILINE)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu is the index: its headings, and the pages in the tables below them."""
    config.nav = menu((ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of ``docs``."""
    from mkdocs.structure.files import File

    for path, place in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links that are right in the repository made right in the site."""
    return linked(markdown, page.file.src_uri)


def menu(index: str) -> list[Any]:
    """``docs/README.md`` as MkDocs' ``nav``."""
    entries: list[Any] = ["README.md"]
    for heading, target in _SECTION.findall(index):
        if heading:
            entries.append({heading: []})
        else:
            members: list[str] = next(iter(entries[-1].values()))
            members.append(_place(posixpath.normpath(f"docs/{target}")) or target)
    return [item for item in entries if item == "README.md" or next(iter(item.values()))]


def linked(markdown: str, place: str) -> str:
    """The page at ``place`` with its links changed; what leads to no page is left as text."""
    origin = next((path for path, where in OUTSIDE.items() if where == place), f"docs/{place}")

    def change(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link[2]))
        there = _place(target)
        if there is None:
            return link[1]
        return f"[{link[1]}]({posixpath.relpath(there, posixpath.dirname(place) or '.')}{link[3] or ''})"

    return _LINK.sub(change, markdown)


def _place(path: str) -> str | None:
    """Where a file of the repository is in the site; None if it is not."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return OUTSIDE.get(path)
