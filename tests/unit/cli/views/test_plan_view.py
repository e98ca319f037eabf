from __future__ import annotations

import io

import pytest
from rich.console import Console

from jobqueue.cli.views.output import TerminalScreen
from jobqueue.cli.views.plan_view import show_plan


@pytest.mark.parametrize("full", [False, True])
def test_many_batches_on_a_terminal(*, full: bool) -> None:
    sizes = [1, *[7] * 12]
    batches = [
        {"number": number, "is_canary": number == 1, "hosts": size, "hostnames": [f"h{n}" for n in range(size)]}
        for number, size in enumerate(sizes, 1)
    ]
    file = io.StringIO()
    screen = TerminalScreen(Console(file=file, width=200), full=full)
    show_plan(screen, {"operation": "node.uptime.get", "target_hostname": "_all", "batches": batches}, as_json=False)
    shown = [line.rstrip() for line in file.getvalue().splitlines() if "batch" in line]
    assert shown[0] == "  batch 1 (canary): 1 host: h0"
    if full:
        assert (len(shown), shown[12]) == (13, "  batch 13: 7 hosts: h0, h1, h2, h3, h4, h5, h6")
    else:
        assert shown[1] == "  batch 2: 7 hosts: h0, h1, h2, h3, h4 and 2 more"
        assert shown[10:] == ["  3 more batches (--full)"]
