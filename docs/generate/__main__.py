"""Regenerate the parts of the documentation that come from the code, and print the pages that changed."""

from __future__ import annotations

from docs.generate.pages import stale


def main() -> None:
    """Write every outdated page."""
    pages = stale()
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    if not pages:
        print("The documentation is up to date.")


if __name__ == "__main__":
    main()
