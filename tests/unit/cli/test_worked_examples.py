"""The worked examples of docs/rollouts.md and docs/imports.md, as they are written, against a real API and ledger.

The agents are played, so that minutes take no time: only ``--watch`` is left out, which would wait for them.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fakeredis
import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from api.app import create_app
from jobqueue.cli.main import main
from jobqueue.model.agent import Registration
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.notifications.deliverer import Deliverer
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.settings import Settings
from tests.ledger.clock import FakeClock
from tests.ledger.world import World
from tests.unit.services.notifications.receiver import WebhookReceiver

S = ExecutionState
TOKEN = "the-token-of-these-tests"
DOCS = Path(__file__).parents[3] / "docs"
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
_COMMENT = re.compile(r"\s+# .*")

Console = Callable[[str], str]


def blocks(page: str, heading: str, kind: str) -> list[str]:
    """The blocks of one kind (``console``, ``yaml``, or '' for none) below a heading."""
    text = (DOCS / page).read_text()
    section = text[text.index(f"\n{heading}\n") :]
    section = section[: section.index("\n## ", 1)] if "\n## " in section[1:] else section
    return [match[2] for match in _BLOCK.finditer(section) if match[1] == kind]


def commands(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, without comments, each with the lines of output below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((_COMMENT.sub("", line[2:]), []))
        else:
            found[-1][1].append(line)
    return found


class Fleet:
    """The agents, which take their messages and answer."""

    def __init__(self, world: World, registry: Registry) -> None:
        self._world = world
        self._types = registry.types()
        self._zones: dict[str, str] = {}
        #: Each run, in its order.
        self.ran: list[str] = []

    def join(self, **zones: list[str]) -> None:
        """Hosts with the label group:web, by zone."""
        self._zones |= {host: zone for zone, hosts in zones.items() for host in hosts}
        self.beat()

    def beat(self) -> None:
        """They are live."""
        for host, zone in self._zones.items():
            labels = {"group": "web", "zone": zone}
            self._world.agents.register(Registration(host, "boot", labels, {}, self._types, "1", 2))

    def run(self, seconds: float, *failing: str) -> list[str]:
        """Let time pass, and the hosts run what they are offered then; returns which did."""
        self._world.clock.advance(seconds)
        for job_id in self._world.ledger.rollouts.due(10):
            self._world.ledger.rollouts.open(job_id, self._world.template)
        hosts = [host for host in self._zones if self._world.queued(host)]
        for host in hosts:
            claim = self._world.claim(self._world.pop(host), host)
            state = S.FAILED if host in failing else S.COMPLETED
            self._world.finish(claim, state, note="exit code 1" if host in failing else "")
        self.ran += hosts
        return hosts


@pytest.fixture
def registry() -> Registry:
    return Registry.load(())


@pytest.fixture
def world() -> World:
    return World(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), FakeClock())


@pytest.fixture
def fleet(world: World, registry: Registry) -> Fleet:
    return Fleet(world, registry)


@pytest.fixture
def services(world: World, registry: Registry, tmp_path: Path) -> Services:
    settings = Settings(state_dir=tmp_path / "state", token=TOKEN, login_failures=1_000_000)
    return Services.over(world.ledger, replace(settings, notification_hosts=("127.0.0.1",)), registry)


@pytest.fixture
def console(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """Runs a command as it is written, in an empty directory; returns all that it printed."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(state_dir=tmp_path / "state", token=TOKEN, login_failures=1_000_000)
    server = make_server("127.0.0.1", 0, create_app(settings, services), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    environment = {"JOBQUEUE_URL": f"http://127.0.0.1:{server.server_port}", "JOBQUEUE_TOKEN": TOKEN}

    def run(line: str) -> str:
        program, *words = shlex.split(line)
        assert program == "jobqueue"
        result = CliRunner(env=environment).invoke(main, words, catch_exceptions=False)
        assert result.exit_code in (0, 1), result.output
        return result.output

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def shown(printed: str, wanted: list[str]) -> None:
    """What the page shows was printed, in this order. A line of ``...`` stands for any lines, and ``and 5 more`` for
    names that only a terminal leaves out.
    """
    lines = iter(printed.splitlines())
    for line in wanted:
        begin = re.sub(r" and [0-9]+ more$", ",", line)
        is_shown = line.strip() == "..." or any(text == line or text.startswith(begin) for text in lines)
        assert is_shown, f"{line!r} is missing in:\n{printed}"


PATCH = "## Example: patch 200 web hosts, 5 % at a time, stop at 3 failures"


def submit(console: Console) -> str:
    """Submit the job of the example; its id."""
    ((line, _),) = commands(blocks("rollouts.md", PATCH, "console")[0])
    printed = console(line.replace(" --watch", ""))
    match = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", printed)
    assert match, printed
    return match[0]


@pytest.fixture
def hosts(fleet: Fleet) -> list[str]:
    names = [f"web{number:03}" for number in range(1, 201)]
    fleet.join(a=names[:100], b=names[100:])
    return names


def test_the_dry_run(console: Console, hosts: list[str]) -> None:
    ((line, output),) = commands(blocks("rollouts.md", PATCH, "console")[1])
    shown(console(line), output)
    assert json.loads(console("jobqueue job list --json"))["items"] == []


def test_patch_200_web_hosts(console: Console, fleet: Fleet, hosts: list[str], world: World) -> None:
    job_id = submit(console)
    assert fleet.run(0) == ["web001"], "the canary is not first, or not alone"
    assert fleet.run(29) == [], "the pause is not kept"
    second = fleet.run(1, "web101")
    assert sorted(second) == sorted([*(f"web{n:03}" for n in range(2, 7)), *(f"web{n}" for n in range(101, 106))])
    assert len(fleet.run(30, "web106", "web107")) == 10
    assert [fleet.run(30) for _ in range(3)] == [[], [], []], "a batch was opened behind the third failure"
    states = [execution.state for execution in world.job(job_id).executions]
    assert [states.count(state) for state in (S.COMPLETED, S.FAILED, S.CANCELLED)] == [18, 3, 179]
    assert "3 of 200 hosts failed; the limit is 3" in " ".join(console(f"jobqueue job show {job_id}").split())


def test_its_buttons(console: Console, fleet: Fleet, hosts: list[str], world: World) -> None:
    """Each command below the example does what is written beside it."""
    steps = [line for line, _ in commands(blocks("rollouts.md", PATCH, "console")[2])]
    assert [line.split()[2] for line in steps] == ["pause", "resume", "abort", "cancel", "retry"]
    pause, resume, abort, cancel, _ = steps  # played agents sign no results, by which a retry finds those that failed
    job_id = submit(console)

    def act(step: str) -> str:
        return console(step.replace("ID", job_id))

    fleet.run(0)
    act(pause)
    assert fleet.run(60) == []
    act(resume)
    assert len(fleet.run(60, "web002")) == 10
    act(abort)
    assert fleet.run(60) == []
    assert world.job(job_id).status.is_final
    fleet.beat()
    job_id = submit(console)
    fleet.run(0)
    act(cancel)
    assert fleet.run(60) == []
    assert world.job(job_id).status.is_final


SHOP = "## From a crontab to a rolling job in Git"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_from_a_crontab_to_a_rolling_job(
    console: Console, fleet: Fleet, world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBQUEUE_SECRET_HOOK_KEY", SECRET)
    fleet.join(a=[f"web{number}" for number in range(1, 9)])
    (crontab,) = blocks("imports.md", SHOP, "")
    imported, edited, rule = blocks("imports.md", SHOP, "yaml")
    import_block, apply_block = blocks("imports.md", SHOP, "console")

    Path("shop.cron").write_text(crontab)
    ((line, output),) = commands(import_block)
    assert console(line).splitlines() == output
    written = Path("jobs/shop-restart.yaml")
    assert written.read_text() == imported
    assert "2 created" in console("jobqueue apply -f jobs/ --dry-run"), "the imported file cannot be applied"

    written.write_text(edited)
    with WebhookReceiver() as receiver:
        Path("jobs/shop-failures.yaml").write_text(rule.replace("https://hooks.example.org/shop", receiver.url))
        lines = [line for line, _ in commands(apply_block)]
        assert [line.split()[:3] for line in lines] == [
            ["jobqueue", "apply", "-f"], ["git", "add", "jobs"], ["jobqueue", "apply", "-f"],
            ["jobqueue", "schedule", "trigger"],
        ]  # fmt: skip
        console(lines[0])
        assert services.schedules.page("", 10, 0)[1] == 0, "a dry run stored something"
        console(lines[2])
        next_time = services.schedules.get("shop-restart").progress.next
        assert next_time is not None
        assert "0 created, 0 changed, 3 unchanged" in console(lines[2])
        console(lines[3])
        assert len(fleet.run(0)) == 1
        assert len(fleet.run(0, "web2")) == 2
        assert fleet.run(60) == [], "a batch was opened behind the first failure"
        deliverer = Deliverer(services.ledger, services.channels, OwnerReader(services.ledger.credentials))
        while deliverer.step("shop-failures"):
            pass
        events = [event["event"] for _, _, body in receiver.requests for event in json.loads(body)["data"]["events"]]
    assert sorted(events) == ["job.partial_failure", "rollout.stopped"]
