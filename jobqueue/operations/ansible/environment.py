"""The Python environment with ansible-core on an agent's host: one that the host has, or one that the agent builds.

ansible-core is GPL, so it is a program of its own and is never imported here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobqueue.errors import OperationNotSupported
from jobqueue.extras import lack
from jobqueue.operations.context import Context
from jobqueue.setting_checks import BUILD
from jobqueue.settings import Settings

#: What the agent installs. Newer versions may change how a module is started.
REQUIREMENT = "ansible-core>=2.18,<2.21"
_HOW = (
    "install ansible-core into a virtual environment of its own and set JOBQUEUE_ANSIBLE to its Python, or set "
    f"JOBQUEUE_ANSIBLE={BUILD}, so that the agent builds one"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python that has ansible-core. Pass ``fds`` to its processes: they keep the environment from being removed."""

    python: str
    fds: tuple[int, ...] = ()


def lack_of_ansible(settings: Settings) -> str | None:
    """A sentence that says what an agent with these settings lacks to run modules; None if it lacks nothing."""
    if not settings.ansible:
        return f"This agent has no ansible-core: {_HOW}."
    if settings.ansible == BUILD:
        return lack("An environment with ansible-core", "environments")
    if not os.access(settings.ansible, os.X_OK) or not Path(settings.ansible).is_file():
        return f"JOBQUEUE_ANSIBLE names {settings.ansible}, which is not a program on this host: {_HOW}."
    return None


@contextlib.contextmanager
def open_interpreter(context: Context) -> Iterator[Interpreter]:
    """The interpreter while the block runs; built by the first run that needs it.

    Raises ``OperationNotSupported`` without one, ``OperationFailed`` if it cannot be built.
    """
    settings = context.settings
    missing = f"This agent has no ansible-core: {_HOW}." if settings is None else lack_of_ansible(settings)
    if missing or settings is None:
        raise OperationNotSupported(missing)
    if settings.ansible != BUILD:
        yield Interpreter(settings.ansible)
        return
    with _built(context, settings) as interpreter:
        yield interpreter


@contextlib.contextmanager
def _built(context: Context, settings: Settings) -> Iterator[Interpreter]:
    # imported here: an agent that builds nothing starts without it
    from jobqueue.entrypoints.environments import Environments
    from jobqueue.entrypoints.recipe import Recipe
    from jobqueue.entrypoints.requirements import Requirements
    from jobqueue.entrypoints.setup import Setup
    from jobqueue.entrypoints.uv import Uv

    uv = Uv({name: value for name, value in os.environ.items() if not name.startswith("JOBQUEUE_")})
    recipe = Recipe.of(Requirements((REQUIREMENT,)), None, uv.source)
    environments = Environments(settings.cache_dir / "environments", settings.max_cached_environments_bytes)
    with environments.open(recipe, Setup(context, None), uv) as environment:
        yield Interpreter(str(environment.bin / "python"), (environment.fd,))
