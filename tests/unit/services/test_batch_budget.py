"""Target expressions and wrong items: what one request may cost, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from jobqueue.errors import InvalidOperationData, InvalidTarget, JobQueueError, UnknownTarget
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.principal import system
from jobqueue.model.submission import Accepted, Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.batch_budget import MOST_EXPLAINED, BatchBudget
from jobqueue.services.targets import parsed
from jobqueue.settings import Settings
from jobqueue.targets import limits
from jobqueue.targets.language import tree
from tests.counted_calls import calls

ALL_MAY = system("test")
HOSTNAME, EXEC = "node.hostname.get", "command.exec.execute"
JOBS = 300
JOB = "123e4567-e89b-12d3-a456-42661417400"


@pytest.fixture(autouse=True, scope="module")
def parser() -> None:
    """The first use loads the grammar."""
    tree("web[1-2]")


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", api_secret="s" * 32)
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    services = Services.over(Ledger(client, settings), settings, Registry.load(()))
    for number in range(1, 4):
        types = (HOSTNAME, EXEC)
        services.agents.register(Registration(f"web{number}", "boot", {"group": "web"}, {"cpus": 8}, types, "0.3", 2))
    return services


def batch(services: Services, targets: Iterable[str]) -> list[Accepted | JobQueueError]:
    return services.submitter.submit_many([Submission(HOSTNAME, {}, target, principal=ALL_MAY) for target in targets])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (",".join(f"{letter}[0000-9999]" for letter in "abc"), "30000 hosts, at most 20000"),
        ("a[" + ",".join(["0000-4999"] * 3) + "]", "more than 10000 hosts"),
        (" or ".join(f"job:{JOB}{number}.failed" for number in range(6)), "6 earlier jobs, at most 5"),
    ],
)
def test_an_expression_that_is_much_work_is_refused_before_it_is_done(text: str, words: str) -> None:
    def refused() -> None:
        with pytest.raises(InvalidTarget, match=words):
            tree(text)

    assert calls(refused) < 5_000


def test_ranges_are_counted_without_making_their_names() -> None:
    assert calls(lambda: tree(f"web[0001-{9_999}] and x[a-c][00-99]")) < 5_000


def test_the_stored_targets_that_a_target_refers_to_count_as_its_own(services: Services) -> None:
    names = [f"many{number}" for number in range(3)]
    for name in names:
        patterns = " or ".join(f"x{number}* or cpus>{number}" for number in range(limits.MAX_SCANNING_TERMS // 2))
        services.stored_targets.put(name, f"group:web or {patterns}", "", ALL_MAY)
    two, three = (" or ".join(f"@{name}" for name in names[:count]) for count in (2, 3))
    assert services.submitter.submit(Submission(HOSTNAME, {}, two, principal=ALL_MAY))
    with pytest.raises(InvalidTarget, match=r"refers to have more than 100 patterns"):
        services.submitter.submit(Submission(HOSTNAME, {}, three, principal=ALL_MAY))


def evaluate(services: Services, target: str, budget: BatchBudget) -> None:
    """As for one job of a batch, which is not stored."""
    with budget.applied():
        services.targets.resolve(parsed(target), "seed", is_patient=False)


def test_a_batch_ends_to_evaluate_when_its_budget_is_used_up(services: Services) -> None:
    budget = BatchBudget()

    def evaluate_many(count: int, first: int) -> None:
        for number in range(count):
            evaluate(services, f"web[0001-{first + number}] or group:web", budget)

    evaluate_many(5, 9_000)
    with pytest.raises(InvalidTarget, match="submit this job in another request"):
        evaluate_many(25, 9_100)


def test_the_jobs_beyond_the_budget_are_refused_one_by_one(services: Services) -> None:
    costly = [f"a{number}[0001-9999],b[0001-9999] or group:web" for number in range(12)]
    first, *_, last = batch(services, costly)
    assert isinstance(first, Accepted)
    assert isinstance(last, InvalidTarget)
    assert list(last.details or {}) == ["target_hostname"]


@pytest.mark.parametrize("target", ["web[1-3]", "group:web and cpus>=4", "1 of group:web"])
def test_ordinary_batches_are_within_it(services: Services, target: str) -> None:
    budget = BatchBudget()
    for _ in range(1_000):
        evaluate(services, target, budget)


@pytest.mark.parametrize("target", ["nohost{} or group:web", "evn{}:prod or group:web", "web{} or or ((("])
def test_wrong_expressions_get_short_answers_after_the_first(services: Services, target: str) -> None:
    few = calls(lambda: batch(services, (target.format(number + 100) for number in range(5))))
    many = calls(lambda: batch(services, (target.format(number + 100) for number in range(1_000))))
    assert many < 1_000 * few / 5 / 3


def test_similar_names_are_looked_for_while_it_is_cheap(services: Services) -> None:
    answers = batch(services, (f"web{number + 10} or group:web" for number in range(20)))
    hints = ["Did you mean" in answer.message for answer in answers if isinstance(answer, UnknownTarget)]
    assert hints[0]
    assert not hints[-1]


def test_only_so_many_items_are_explained(services: Services) -> None:
    wrong: dict[str, Any] = {"argv": ["x"], "env": {f"a{number}": 1 for number in range(20)}}
    answers = services.submitter.submit_many([Submission(EXEC, wrong, principal=ALL_MAY) for _ in range(JOBS)])
    assert all(isinstance(answer, InvalidOperationData) for answer in answers)
    explained = [answer for answer in answers if isinstance(answer, JobQueueError) and answer.details]
    assert answers[: len(explained)] == explained
    assert len(explained) == MOST_EXPLAINED


def test_right_items_behind_many_wrong_ones_are_accepted(services: Services) -> None:
    wrong = Submission(EXEC, {"argv": 1}, principal=ALL_MAY)
    right = [
        Submission(EXEC, {"argv": [{"$secret": "a"}, "@fact.cpus"], "timeout": "@fact.cpus"}, principal=ALL_MAY),
        Submission(EXEC, {"command": "x", "args": ["@fact.cpus"]}, principal=ALL_MAY),
        Submission(HOSTNAME, {}, "web1,web2", principal=ALL_MAY),
    ]
    answers = services.submitter.submit_many([wrong] * JOBS + right)
    assert all(isinstance(answer, Accepted) for answer in answers[-3:]), answers[-3:]
