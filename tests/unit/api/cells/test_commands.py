"""The command line at a front, over HTTP: the commands that it serves, and what they say of a cell that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from jobqueue.cli.main import main
from tests.unit.api.cells.conftest import CellSite, FrontSite
from tests.unit.api.conftest import TOKEN

Run = Callable[..., Result]


@pytest.fixture
def run(front: FrontSite, tmp_path: Path) -> Iterator[Run]:
    server = make_server("127.0.0.1", 0, front.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    environ = {
        "JOBQUEUE_URL": f"http://127.0.0.1:{server.server_port}",
        "JOBQUEUE_TOKEN": TOKEN,
        "JOBQUEUE_STATE_DIR": str(tmp_path / "none"),
        "HOME": str(tmp_path),
    }
    yield lambda *arguments: CliRunner().invoke(main, arguments, env=environ)
    server.shutdown()
    thread.join()
    server.server_close()


def test_commands(run: Run, front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = front.submit("_all", title="who is there")["job_id"]
    for site, hostname in ((west, "web1"), (west, "web2"), (east, "db1")):
        site.finish(hostname, {"hostname": hostname})
    for arguments, shown in (
        (("job", "list"), "who is there"),
        (("job", "show", job_id), "db1"),
        (("job", "show", job_id, "--executions"), "web2"),
        (("job", "watch", job_id), "web1"),
        (("agent", "list"), "db1"),
        (("agent", "show", "web1"), "west"),
        (("top",), "healthy, Redis"),
        (("operation", "list"), "node.hostname.get"),
        (("key", "list"), ""),
    ):
        result = run(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
        assert shown in result.stdout, (arguments, result.output)
        assert "Not complete" not in result.stderr
    result = run("run", "node.hostname.get", "--on", "web1", "--no-wait")
    assert result.exit_code == 0, result.output
    assert len(west.jobs()) == 2


def test_a_cell_that_is_away_is_told_on_standard_error(run: Run, front: FrontSite, east: CellSite) -> None:
    front.turn()  # notes the hosts
    east.stop()
    for arguments in (("job", "list"), ("agent", "list")):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        assert "Not complete: Cell east does not answer: Cannot reach the jobqueue API at " in result.stderr
        assert result.stderr.rstrip().endswith("Hosts: 1 (db1).")


def test_what_a_front_does_not_serve(run: Run, west: CellSite) -> None:
    result = run("schedule", "list")
    assert result.exit_code == 2
    assert f"west at {west.address.url}" in result.stderr
