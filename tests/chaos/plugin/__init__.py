"""The plugin that the suite's agents and API load, and the counter files that its operations leave."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

_HERE = Path(__file__).parent
_METADATA = "Metadata-Version: 2.1\nName: chaos-operations\nVersion: 1.0\n"
_ENTRY_POINTS = "[jobqueue.operations]\nchaos = chaos_operations\n"
#: What `command.exec.execute` runs: the same counting without Python, with some output. $1 is the file, $2 the seconds.
_SCRIPT = 'echo "- - $$" >> "$1"\necho begins\nsleep "$2"\necho ends\n'


def install(directory: Path) -> Path:
    """Put the plugin, with its entry point, and the script into ``directory``; returns the script."""
    information = directory / "chaos_operations-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(_METADATA)
    (information / "entry_points.txt").write_text(_ENTRY_POINTS)
    shutil.copy(_HERE / "chaos_operations.py", directory / "chaos_operations.py")
    script = directory / "leave_a_line.sh"
    script.write_text(_SCRIPT)
    return script


def runs(directory: Path) -> dict[tuple[int, str], Counter[str]]:
    """What was run: (number of the request, hostname) -> runs by attempt ("-" where the command does not know it)."""
    found: dict[tuple[int, str], Counter[str]] = {}
    for path in directory.iterdir():
        number, _, hostname = path.name.partition(".")
        found[int(number), hostname] = Counter(line.split()[1] for line in path.read_text().splitlines())
    return found
