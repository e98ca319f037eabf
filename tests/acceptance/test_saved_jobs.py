"""A saved job from a file to the output of an agent, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.support.stack import Stack

FILE = """\
kind: saved-job
name: greet
title: Greet
operation:
  type: script.shell.execute
  data:
    script: 'printf "%s\\n" "$WHO" {{ words | quote }} {{ count }}'
    env: {WHO: "{{ who }}"}
target_hostname: agent1
parameters:
  who: {description: Whom to greet.}
  words: {type: array, default: []}
  count: {type: integer, default: 3}
"""


def test_a_saved_job_from_a_file_to_its_output(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text(FILE)
    applied = stack.run("apply", "-f", str(tmp_path))
    assert (applied.returncode, applied.stdout.splitlines()[-1]) == (0, "1 created, 0 changed, 0 unchanged, 0 deleted")
    hostile = "$(id); `id` 'x' \"y\""
    done = stack.run("run", "@greet", "-p", f"who={hostile}", "-p", f"words:={json.dumps([hostile, 'b c'])}")
    assert (done.returncode, done.stdout) == (0, f"{hostile}\n{hostile}\nb c\n3\n")
    refused = stack.run("run", "@greet", "-p", "count=five")
    assert refused.returncode == 2
    assert 'parameters.count: Must be an integer, not "five".' in refused.stderr
    listed = json.loads(stack.run("job", "list", "--saved", "greet", "--json").stdout)
    assert [(job["title"], job["saved"]) for job in listed["items"]] == [("Greet", {"name": "greet", "version": 1})]
    assert stack.run("apply", "-f", str(tmp_path)).stdout == "0 created, 0 changed, 1 unchanged, 0 deleted\n"
    assert stack.run("saved", "delete", "greet").returncode == 0
