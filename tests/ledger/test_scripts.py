"""The Lua files keep their word, and the scripts survive what happens to a Redis."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from jobqueue import ledger
from jobqueue.ledger.keys import KINDS, Keys
from jobqueue.ledger.scripts import VERBS, source
from jobqueue.model.states import FINAL_STATES, ExecutionState
from jobqueue.model.target import ANY
from tests.ledger.world import World

LUA = files("jobqueue.ledger") / "lua"
FOLDERS = [folder for folder in LUA.iterdir() if folder.is_dir() and folder.name != "include"]
FILES = {file.name.removesuffix(".lua"): file.read_text("utf-8") for folder in FOLDERS for file in folder.iterdir()}
INCLUDES = {file.name.removesuffix(".lua"): file.read_text("utf-8") for file in (LUA / "include").iterdir()}


def split(text: str) -> tuple[str, str]:
    """The comment at the top of a file, without its dashes, and the code."""
    lines = text.splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(line.removeprefix("--").strip() for line in lines[:end]), "\n".join(lines[end:])


def code_of(text: str) -> str:
    return re.sub(r"--.*", "", split(text)[1])


def includes(header: str) -> list[str]:
    """The names of the includes, also of those that are built when they are called: ``function<include,include>``."""
    if "include: " not in header:
        return []
    return [
        name for text in section(header, "include").split() for name in re.sub(r"[\w|]+<(.*)>", r"\1", text).split(",")
    ]


def section(header: str, name: str) -> str:
    """What follows ``name:`` up to the next section."""
    match = re.search(rf"^{name}: (.*?)(?=^\w+: |\Z)", header, re.MULTILINE | re.DOTALL)
    assert match, f"the header has no {name!r}"
    return match[1]


def test_every_file_is_a_verb_and_every_verb_a_file() -> None:
    assert sorted(VERBS) == sorted(FILES)
    assert len(set(VERBS)) == len(VERBS)


@pytest.mark.parametrize("verb", sorted(FILES))
class TestHeader:
    def test_says_what_it_does(self, verb: str) -> None:
        header, _ = split(FILES[verb])
        assert re.match(r"[A-Z].*\.", header.partition("include: ")[0].partition("KEYS: ")[0].replace("\n", " "))
        assert section(header, "KEYS").strip() == "none"
        assert section(header, "returns").strip()

    def test_documents_every_argument_that_the_code_uses(self, verb: str) -> None:
        header, code = split(FILES[verb])
        documented = section(header, "ARGV").replace("\n", " ")
        rest = re.search(r"(\d+)\.\.|, then ", documented)
        numbers = [int(number) for number in re.findall(r"(?:^|, )(\d+)(?:\.\.)? ", documented)]
        assert numbers == list(range(1, len(numbers) + 1)), f"documented: {numbers}"
        used = {int(number) for number in re.findall(r"ARGV\[(\d+)\]", code_of(FILES[verb]))}
        if rest is None:
            assert used == set(numbers), f"documented {numbers}, used {sorted(used)}"
            assert "#ARGV" not in code
        else:
            assert used <= set(numbers)
            assert "#ARGV" in code

    def test_includes_exactly_what_the_code_uses(self, verb: str) -> None:
        header, _ = split(FILES[verb])
        included = includes(header)
        code = code_of(FILES[verb]) + "".join(code_of("--\n" + INCLUDES[name]) for name in included)
        for name in included:
            functions = re.findall(r"^local function (\w+)", INCLUDES[name], re.MULTILINE)
            uses = sum(len(re.findall(rf"\b{function}\b", code)) for function in functions)
            assert uses > len(functions), f"{name} is included and not used"


@pytest.mark.parametrize("name", [*sorted(FILES), *(f"include/{name}" for name in sorted(INCLUDES))])
class TestCode:
    def test_spells_no_key(self, name: str) -> None:
        """Names of keys come from the table K only."""
        code = code_of("--\n" + (FILES | {f"include/{n}": text for n, text in INCLUDES.items()})[name])
        assert set(re.findall(r"\bK\.(\w+)", code)) <= KINDS.keys()
        for command, argument in re.findall(r"redis\.call\('(\w+)'(?:, (.))?", code):
            assert argument not in ("'", '"'), f"{command} is called with a literal key"
        starts = tuple(start for start, _, _ in KINDS.values() if start.endswith(":"))
        literals = re.findall(r"'([^']*)'", code)
        assert [text for text in literals if text.startswith(starts)] == []


def test_all_processes_make_the_same_scripts() -> None:
    """Redis knows a script by the digest of its source. Maintenance loads them for agents, which may not."""
    code = "from tests.ledger.test_scripts import *; print([source(verb, Keys('jobqueue:')) for verb in sorted(VERBS)])"
    environments = ({**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2"))
    one, other = (subprocess.check_output([sys.executable, "-c", code], env=env) for env in environments)
    assert one == other


def test_every_include_is_used_by_a_verb() -> None:
    headers = [split(text)[0] for text in FILES.values()]
    used = {name for header in headers for name in includes(header)}
    assert used | {"damage_guard"} == set(INCLUDES)  # the guard stands in front of every script


def test_every_kind_of_key_is_used() -> None:
    text = "\n".join([*FILES.values(), *INCLUDES.values()])
    code = "\n".join(path.read_text("utf-8") for path in Path(ledger.__file__).parent.glob("*.py"))
    assert {kind for kind in KINDS if f"K.{kind}" not in text and f'.kind("{kind}")' not in code} == set()
    assert all(meaning for _, _, meaning in KINDS.values())


def test_no_key_can_be_taken_for_one_of_another_kind() -> None:
    starts = sorted(start for start, _, _ in KINDS.values())
    assert not any(longer.startswith(shorter) for shorter, longer in pairwise(starts) if shorter.endswith(":"))


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_defines_only_functions_that_it_calls(verb: str) -> None:
    """Redis builds each of them with every call."""
    code = source(verb, Keys("x:"))
    defined = re.findall(r"^local function (\w+)\(", code, re.MULTILINE)
    words = re.findall(r"\w+", code)
    assert [name for name in defined if words.count(name) == 1] == []


def test_the_steps_of_a_rollout_are_built_only_when_they_are_taken() -> None:
    before, rest = source("claim", Keys("x:")).split("local function deferred_notice(name, ...)\n")
    inside, after = re.split(r"\nreturn \({notice = notice, .*}\)\[name\]\(\.\.\.\)\nend\n", rest)
    assert "local function end_rest(" in inside
    assert "end_rest" not in before + after
    assert "deferred_notice('advance', id, at, counts, op)" in after
    assert re.search(r"\badvance\(", after) is None


def test_a_table_that_only_deferred_functions_use_is_built_with_them() -> None:
    before, rest = source("claim", Keys("x:")).split("local function deferred_notice(name, ...)\n")
    assert "local function bucket_of(" in before
    assert "local STATES =" not in before
    assert "local FINAL_STATES =" not in before
    assert rest.startswith("local STATES = {")
    assert "\nlocal FINAL = {" in rest


def test_the_states_that_have_not_ended_are_the_first() -> None:
    """``transition`` reads the counts of those first, and of the others when it needs them."""
    states = list(ExecutionState)
    assert [state in FINAL_STATES for state in states] == [False] * 3 + [True] * (len(states) - 3)
    code = source("claim", Keys("x:"))
    assert "'plain', 'n.submitted', 'n.acknowledged', 'n.started', ...)" in code
    assert "local FIRST_COUNT, FIRST_OWN = 7, 10" in code
    unfinished = " and ".join(f"state ~= '{state}'" for state in states[:3])
    assert f"local is_final = {unfinished}\n" in code


def test_the_prefix_is_in_one_place() -> None:
    for verb in VERBS:
        assert "jobqueue:" not in source(verb, Keys("other:")).replace("jobqueue.", "")


def test_two_prefixes_share_one_redis(world: World) -> None:
    world.register("a")
    job_id = world.create(ANY)
    assert all(name.startswith("jobqueue:") for name in world.client.keys("*"))
    world.run(job_id, ANY, "a")


class TestScriptCache:
    def test_after_script_flush_a_call_still_works(self, world: World) -> None:
        world.register("a")
        world.client.script_flush()
        job_id = world.create("a")
        world.client.script_flush()
        world.run(job_id, "a")

    def test_after_script_flush_many_calls_still_work(self, world: World) -> None:
        world.register("a")
        jobs = [world.new_job("a") for _ in range(3)]
        world.client.script_flush()
        world.new_jobs.create_many(jobs, world.template)
        world.client.script_flush()
        assert len(world.jobs.get_many([job.id for job in jobs])) == 3

    def test_loaded_scripts_are_the_ones_that_are_called(self, world: World) -> None:
        world.client.script_flush()
        world.ledger.scripts.load()
        shas = [world.ledger.scripts._of(verb).sha for verb in VERBS]
        assert world.client.script_exists(*shas) == [True] * len(VERBS)
