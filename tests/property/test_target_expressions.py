"""Target expressions: printing and parsing are inverse, and evaluation equals a naive one written from the table of
docs/targets.md.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.errors import InvalidTarget
from jobqueue.model.agent import AgentState
from jobqueue.targets.evaluation import Evaluation
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host
from jobqueue.targets.language import spelled, tree
from jobqueue.targets.nodes import (
    And,
    Everything,
    Hosts,
    JobHosts,
    Match,
    Node,
    Not,
    Or,
    Sample,
    Stored,
    conjunction,
    disjunction,
)
from jobqueue.targets.printer import text_of

JOB = "123e4567-e89b-12d3-a456-426614174000"
SEED = "seed"

# --- printing ---------------------------------------------------------------------------------------------------------
patterns = st.sampled_from(["web1", "and", "Not", "3", "web[01-20]", "web*.fra1", "*", "a[1-3,7]-b[a-c]", "x?y", "of"])
keys = st.sampled_from(["group", "os.name", "a/b-c", "cpus", "label.group", "fact.x", "and", "per"])
free = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
values = st.one_of(st.sampled_from(["web", "or", "web.a*", "'", '"', '""', "a b", "\\", "(", "16GiB"]), free)
matches = st.one_of(
    st.builds(Match, keys, st.just(":"), values.filter(lambda text: not set(text) & set("[]"))),
    st.builds(Match, keys, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["8", "16GiB", "1.2", "6.1.0-x"])),
    st.builds(Match, keys, st.just("~"), st.sampled_from([r"^6\.", "a|b", 'x"y', "and", r"\d+", "'"])),
)
leaves = st.one_of(
    st.just(Everything()),
    st.builds(Hosts, st.lists(patterns, min_size=1, max_size=3, unique=True).map(tuple)),
    matches,
    st.builds(JobHosts, st.just(JOB), st.sampled_from(["failed", "changed"])),
    st.builds(Stored, st.sampled_from(["prod", "a.b-c"])),
)


def compounds(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3)
    shares = st.floats(0.001, 100, allow_nan=False).map(lambda share: float(f"{share:.4f}"))
    counts = st.integers(1, 10_000).map(float)
    of = st.sampled_from(["", "zone", "os.name"])
    return st.one_of(
        st.builds(Not, inner),
        several.map(conjunction),
        several.map(disjunction),
        st.builds(Sample, shares, st.just(True), of, inner),
        st.builds(Sample, counts, st.just(False), of, inner),
    )


trees = st.recursive(leaves, compounds, max_leaves=12)


def spelled_or_refused(text: str) -> str | None:
    """The spelling, or None if the text is refused with the character at fault."""
    try:
        return spelled(text)
    except InvalidTarget as error:
        refusal = error.message
    assert re.match(r"The target is not well formed at character \d+", refusal)
    return None


@given(trees)
def test_parsing_what_was_printed_gives_the_same_tree(node: Node) -> None:
    text = text_of(node)
    assert tree(text) == node
    assert spelled(text, len(text)) == text


@given(st.text(alphabet="webandornotfpr019%_,:=<>~!()[]-*@\"' .", max_size=60))
def test_any_text_has_one_spelling_or_is_refused_with_a_place(text: str) -> None:
    canonical = spelled_or_refused(text)
    if canonical is not None:
        assert spelled(canonical) == canonical
        assert tree(canonical) == tree(text)


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    spelled_or_refused(text)


# --- evaluation -------------------------------------------------------------------------------------------------------
names = st.lists(st.from_regex(r"(web|db)[0-3]{1,2}", fullmatch=True), min_size=1, max_size=12, unique=True)
labels = st.dictionaries(
    st.sampled_from(["group", "zone", "cpus"]), st.sampled_from(["web", "web.a", "web.a.b", "db", "8"])
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "cpus": st.sampled_from([(1,), (8,), (32,)]),
        "kernel": st.sampled_from([("6.1.0-13-amd64",), ("6.10.2",), ("5.4",)]),
        "address": st.sampled_from([("10.0.0.1", "10.0.0.2"), ("Web",), ()]),
    },
)


@st.composite
def fleets(draw: st.DrawFn) -> list[Host]:
    return [
        Host(
            hostname,
            draw(st.booleans()),
            draw(st.sampled_from([AgentState.READY, AgentState.DRAINING])),
            draw(labels),
            draw(facts),
            frozenset(),
            draw(st.sampled_from(["0.2", "0.3", "0.10"])),
            draw(st.sampled_from([(), ("HighLoad",), ("HighLoad", "DiskPressure")])),
        )
        for hostname in draw(names)
    ]


questions = st.recursive(
    st.one_of(
        st.just(Everything()),
        st.builds(
            Hosts,
            st.lists(st.sampled_from(["web1", "db[0-2]", "web*", "*1", "web[0-1]?"]), min_size=1, unique=True).map(
                tuple
            ),
        ),
        st.builds(
            Match,
            st.sampled_from(["group", "zone", "cpus", "label.cpus", "fact.cpus", "kernel", "address"]),
            st.just(":"),
            st.sampled_from(["web", "web.a", "w*", "db", "8", "WEB", "web.*b", "10.0.0.2", "?", "5.4"]),
        ),
        st.builds(Match, st.just("condition"), st.just(":"), st.sampled_from(["highload", "DiskPressure"])),
        st.builds(Match, st.just("state"), st.just(":"), st.sampled_from(["ready", "Draining"])),
        st.builds(Match, st.just("version"), st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["0.3", "0.9"])),
        st.builds(Match, st.just("cpus"), st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["8", "1.5"])),
        st.builds(Match, st.just("kernel"), st.sampled_from(["<", ">="]), st.sampled_from(["6.2", "6"])),
        st.builds(Match, st.sampled_from(["kernel", "group"]), st.just("~"), st.sampled_from([r"^6\.", "b$", "web|5"])),
        st.builds(JobHosts, st.just(JOB), st.sampled_from(["failed", "changed"])),
        st.builds(Stored, st.just("stored")),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(conjunction),
        st.lists(inner, min_size=2, max_size=3).map(disjunction),
        st.builds(
            Sample, st.sampled_from([1.0, 10.0, 50.0, 100.0]), st.just(True), st.sampled_from(["", "zone"]), inner
        ),
        st.builds(Sample, st.sampled_from([1.0, 3.0]), st.just(False), st.sampled_from(["", "group"]), inner),
    ),
    max_leaves=8,
)
_STORED = disjunction([Match("group", ":", "db"), Hosts(("web1",))])
_ENDED = {"failed": ["web1", "db2", "gone9"], "changed": ["web2"]}
_COMPARE: dict[str, Callable[[object, object], bool]] = {
    "<": lambda left, right: left < right,  # type: ignore[operator]
    "<=": lambda left, right: left <= right,  # type: ignore[operator]
    ">": lambda left, right: left > right,  # type: ignore[operator]
    ">=": lambda left, right: left >= right,  # type: ignore[operator]
}


class Naive:
    """One host at a time; only the samples need all of them."""

    def __init__(self, hosts: list[Host]) -> None:
        self.hosts = hosts

    def named(self, node: Node) -> set[str]:
        return {host.hostname for host in self.hosts if self.names(node, host)}

    def names(self, node: Node, host: Host) -> bool:
        match node:
            case Everything():
                return True
            case Hosts(patterns):
                return any(self.glob(pattern, host.hostname) for pattern in patterns)
            case Match():
                return self.match(node, host)
            case JobHosts(_, outcome):
                return host.hostname in _ENDED[outcome]
            case Stored():
                return self.names(_STORED, host)
            case Not(of):
                return not self.names(of, host)
            case And(parts):
                return all(self.names(part, host) for part in parts)
            case Or(parts):
                return any(self.names(part, host) for part in parts)
            case Sample():
                return host.hostname in self.sample(node)

    def glob(self, pattern: str, hostname: str) -> bool:
        ranges = re.sub(r"\[(\d)-(\d)\]", lambda match: f"[{match[1]}-{match[2]}]", pattern)
        return fnmatch.fnmatchcase(hostname, ranges)

    def match(self, node: Match, host: Host) -> bool:
        label = host.labels.get(node.key.removeprefix("label."))
        if label is not None and not node.key.startswith("fact."):
            return self.label(node, label)
        if node.key.startswith("label."):
            return False
        if node.key == "state":
            return host.state.value.lower() == node.value.lower()
        if node.key == "condition":
            return node.value.lower() in [name.lower() for name in host.conditions]
        values = (host.version,) if node.key == "version" else host.facts.get(node.key.removeprefix("fact."), ())
        return any(self.fact(node, value) for value in values)

    def label(self, node: Match, value: str) -> bool:
        if node.operator == ":":
            parts = value.split(".")
            return any(fnmatch.fnmatchcase(".".join(parts[: count + 1]), node.value) for count in range(len(parts)))
        if node.operator == "~":
            return bool(re.search(node.value, value))
        return value == "8" and _COMPARE[node.operator](8.0, float(node.value))

    def fact(self, node: Match, value: object) -> bool:
        if node.operator == ":":
            return fnmatch.fnmatchcase(str(value).lower(), node.value.lower())
        if node.operator == "~":
            return bool(re.search(node.value, str(value)))
        if isinstance(value, int):
            return _COMPARE[node.operator](value, float(node.value))
        numbers = [[int(n) for n in re.match(r"[\d.]+", str(text))[0].split(".")] for text in (value, node.value)]  # type: ignore[index]
        left, right = ([*one, 0, 0, 0][:3] for one in numbers)
        return _COMPARE[node.operator](left, right)

    def sample(self, node: Sample) -> set[str]:
        able = [
            host for host in self.hosts if host.live and host.state is AgentState.READY and self.names(node.of, host)
        ]
        groups: dict[str | None, list[str]] = {}
        for host in able:
            groups.setdefault(host.labels.get(node.per) if node.per else None, []).append(host.hostname)
        chosen: set[str] = set()
        for group in groups.values():
            count = math.ceil(node.amount * len(group) / 100) if node.is_percent else int(node.amount)
            order = sorted(group, key=lambda name: blake2b(f"{SEED}\0{name}".encode(), digest_size=8).digest())
            chosen.update(order[:count])
        return chosen


def evaluate(hosts: list[Host], node: Node, seed: str = SEED) -> set[str]:
    fleet = Fleet(hosts)
    evaluation = Evaluation(
        fleet,
        seed=seed,
        eligible=lambda: fleet.taking,
        job_hosts=lambda _, outcome: _ENDED[outcome],
        stored=lambda _: _STORED,
    )
    return {host.hostname for host in fleet.members(evaluation.hosts(node))}


@given(fleets(), questions)
def test_evaluation_equals_the_naive_one(hosts: list[Host], node: Node) -> None:
    assert evaluate(hosts, node) == Naive(hosts).named(node)


@given(st.integers(1, 99), st.text("abc", max_size=3))
def test_a_larger_sample_holds_the_smaller_one(share: int, seed: str) -> None:
    hosts = [Host(f"web{number}") for number in range(50)]
    small = evaluate(hosts, tree(f"{share}% of _all"), seed)
    large = evaluate(hosts, tree(f"{share + 1}% of _all"), seed)
    assert small <= large
    assert len(small) == math.ceil(share * 50 / 100)


def test_samples_of_different_jobs_differ() -> None:
    hosts = [Host(f"web{number}") for number in range(50)]
    chosen = {frozenset(evaluate(hosts, tree("5 of _all"), f"job{number}")) for number in range(20)}
    assert len(chosen) > 15


@pytest.mark.parametrize("text", ["condition:highload", "not condition:highload"])
def test_a_host_with_several_conditions(text: str) -> None:
    both = [Host("a", conditions=("HighLoad", "DiskPressure")), Host("b")]
    assert evaluate(both, tree(text)) == ({"a"} if text.startswith("c") else {"b"})
