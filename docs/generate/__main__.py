"""Make what is made from the code anew, and say what has changed by that."""

from __future__ import annotations

from docs.generate.pages import stale


def main() -> None:
    """Write every file that is not as the code says."""
    pages = stale()
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    if not pages:
        print("Everything is as the code says.")


if __name__ == "__main__":
    main()
