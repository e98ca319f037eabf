"""The options that make a job on the command line, for ``jobqueue run`` and for the jobs of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import click

from jobqueue.cli.candidates import targets_like
from jobqueue.cli.option_group import add_options
from jobqueue.cli.parameters import data_option, data_pair, duration, pair
from jobqueue.cli.rollout import rollout_options
from jobqueue.cli.saved_run import saved_name
from jobqueue.cli.submission import different_tags

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--on",
        "--target",
        "targets",
        metavar="TARGET",
        multiple=True,
        shell_complete=targets_like,
        help="Where the job runs; may be repeated.",
    ),
    click.option(
        "--script",
        metavar="FILE",
        help="Run this local file on the hosts; - reads standard input. Words after -- are its arguments.",
    ),
    click.option(
        "--steps",
        "steps_file",
        metavar="FILE",
        help="Run the steps of this YAML or JSON file, one after another on each host; - reads standard input.",
    ),
    data_option,
    click.option(
        "-p",
        "values",
        type=data_pair,
        metavar="KEY=VALUE",
        multiple=True,
        help="A parameter of a saved job (@NAME): key=value, or key:=JSON.",
    ),
    click.option(
        "--shell", "as_shell", is_flag=True, help="The words are a shell command, even if they look like an operation."
    ),
    click.option("--title", help="A title for the job; default: the first line of the command."),
    click.option(
        "--tag", "tags", type=pair, metavar="KEY=VALUE", multiple=True, help="A tag to find the job by; key:value, too."
    ),
    click.option("--timeout", type=duration, metavar="DURATION", help="Maximum run time on a host, such as 30s."),
)


@dataclass(frozen=True)
class JobOptions:
    """The values of the options, except those of the rollout."""

    targets: Sequence[str]
    script: str | None
    steps_file: str | None
    pairs: Sequence[tuple[str, Any]]
    values: Sequence[tuple[str, Any]]
    as_shell: bool
    title: str | None
    tags: Sequence[tuple[str, str]]
    timeout: float | None

    @classmethod
    def take(cls, options: dict[str, Any]) -> JobOptions:
        """Take the options of a job out of ``options``."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls)})

    @property
    def terms(self) -> dict[str, Any]:
        """The terms of the job as the client takes them. Raises ``UsageError`` for two tags with the same key."""
        return {"title": self.title, "tags": different_tags(self.tags), "timeout_seconds": self.timeout}

    @property
    def own_of_saved(self) -> dict[str, Any]:
        """The values of the options that a saved job has itself, by the option."""
        return {"-d": self.pairs, "--title": self.title, "--tag": self.tags, "--timeout": self.timeout}

    def saved_name(self, words: Sequence[str], usage: str) -> str | None:
        """The name of the saved job that the words mean, or None.

        Raises ``UsageError`` for -p without one, and for words after the name.
        """
        name = None if self.script is not None or self.steps_file is not None or self.as_shell else saved_name(words)
        if self.values and name is None:
            raise click.UsageError(f"-p gives a parameter of a saved job: {usage} -p KEY=VALUE.")
        if name is not None and words[1:]:
            raise click.UsageError(
                f"A saved job takes no words ({words[1]!r}); -p gives a value to a parameter: {usage} -p KEY=VALUE."
            )
        return name


def job_options(command: _F) -> _F:
    """Give a command the options of a job and of its rollout."""
    return add_options(rollout_options(command), _OPTIONS)
