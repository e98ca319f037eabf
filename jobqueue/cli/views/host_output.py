"""The output of several hosts on the terminal: each line after its host's name, or equal outputs once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Screen
from jobqueue.cli.views.text import lines, one_line, visible

_STDOUT = "stdout"
#: Characters of an unfinished line that are kept; a longer line is printed in pieces.
_LONGEST_LINE = 65_536


def show_prefixed_logs(pages: Iterable[Mapping[str, Any]]) -> None:
    """Print each line after its host's name, as pages come; standard error goes to standard error."""
    unfinished: dict[tuple[str, str], str] = {}
    for page in pages:
        if page.get("cut"):
            _print(page["hostname"], "agent", f"[... {page['cut']} bytes are no longer stored ...]")
        for chunk in page["chunks"]:
            host, stream = str(chunk.get("hostname") or page["hostname"]), str(chunk["stream"])
            text = unfinished.pop((host, stream), "") + chunk["text"]
            *lines, unfinished_line = text.split("\n")
            for line in lines:
                _print(host, stream, line)
            if len(unfinished_line) > _LONGEST_LINE:
                _print(host, stream, unfinished_line)
            elif unfinished_line:
                unfinished[host, stream] = unfinished_line
    for (host, stream), unfinished_line in unfinished.items():
        _print(host, stream, unfinished_line)


def show_grouped_logs(screen: Screen, pages: Iterable[Mapping[str, Any]]) -> None:
    """Print each different output once, under the names of its hosts; large groups first."""
    texts: dict[str, list[str]] = {}
    for page in pages:
        own = texts.setdefault(str(page["hostname"]), [])
        if page.get("cut"):
            own.append(f"[... {page['cut']} bytes are no longer stored ...]\n")
        own += [str(chunk["text"]) for chunk in page["chunks"]]
    groups: dict[str, list[str]] = {}
    for host, parts in texts.items():
        groups.setdefault("".join(parts), []).append(host)
    for text, hosts in sorted(groups.items(), key=lambda group: (-len(group[1]), group[1])):
        count = f" ({len(hosts)} hosts)" if len(hosts) > 1 else ""
        screen.line(f"{fold(one_line(host) for host in hosts)}{count}:{'' if text else ' no output'}", "bold")
        for line in lines(text) if text else ():
            screen.line(f"  {line}".rstrip())


def _print(host: str, stream: str, line: str) -> None:
    to = sys.stdout if stream == _STDOUT else sys.stderr
    text = line.removesuffix("\r")
    print(f"{one_line(host)} | {visible(text, keep=chr(9)) if to.isatty() else text}", file=to, flush=True)
