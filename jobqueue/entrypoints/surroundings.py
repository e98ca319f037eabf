"""An entrypoint's surroundings: created from its runtime environment and removed afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.entrypoints.archive import unpack, unpack_wheel
from jobqueue.entrypoints.environments import Environment, Environments
from jobqueue.entrypoints.failure import setup_failed
from jobqueue.entrypoints.job_variables import JobVariables
from jobqueue.entrypoints.location import WHEEL, Location
from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.entrypoints.run_context import RunContext
from jobqueue.entrypoints.setup import Setup
from jobqueue.entrypoints.spec import RuntimeEnv
from jobqueue.entrypoints.unpacking import UnpackingLimits
from jobqueue.entrypoints.uv import Uv
from jobqueue.entrypoints.workspace import Workspace, open_workspace
from jobqueue.errors import OperationFailed, OperationTimedOut

if TYPE_CHECKING:
    from jobqueue.settings import Settings

_OWN_SETTINGS = "JOBQUEUE_"
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Surroundings:
    """The directory (``cwd``) and variables of the entrypoint, and descriptors that its processes must keep open."""

    cwd: Path
    env: Mapping[str, str]
    fds: tuple[int, ...]


@contextlib.contextmanager
def surround(
    runtime_env: RuntimeEnv, pins: Mapping[str, str], context: RunContext, settings: Settings
) -> Iterator[Surroundings]:
    """Set up the ``runtime_env`` environment while the block runs. ``pins``: digests (sha256) of packages by name.

    Raises ``OperationFailed`` with the details of a set-up failure, and what ``context.check`` raises.
    """
    with ExitStack() as stack:
        try:
            surroundings = _Making(runtime_env, pins, context, settings, stack).make()
        except OperationTimedOut:
            raise
        except OperationFailed as error:
            raise _worded(error) from error
        except OSError as error:  # the disk cannot be read or written
            problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise setup_failed(f"The runtime environment could not be set up: {problem}") from error
        yield surroundings


class _Making:
    """One set-up; ``stack`` cleans it up."""

    def __init__(
        self,
        runtime_env: RuntimeEnv,
        pins: Mapping[str, str],
        context: RunContext,
        settings: Settings,
        stack: ExitStack,
    ) -> None:
        self._wanted = runtime_env
        self._pins = pins
        self._context = context
        self._settings = settings
        self._stack = stack
        self._setup = Setup(context, runtime_env.setup_seconds)

    def make(self) -> Surroundings:
        if self._wanted.needs_setup:
            self._context.report({"phase": "setting_up"})
        workspace = self._stack.enter_context(open_workspace(self._settings.cache_dir / "runs"))
        cwd = self._working_dir(workspace)
        modules = [
            self._module(location, workspace.path / "modules" / str(index))
            for index, location in enumerate(self._wanted.py_modules)
        ]
        environment = self._environment(self._wanted.requirements, cwd) if self._wanted.requirements else None
        own_path = [cwd, *modules] if self._wanted.working_dir else modules
        return Surroundings(
            cwd=cwd,
            env=_variables(
                self._wanted.env_vars,
                _bin(environment, workspace),
                environment,
                own_path,
                self._context.confinement.environ(os.environ, {}),
            ),
            fds=(workspace.fd, environment.fd) if environment else (workspace.fd,),
        )

    def _working_dir(self, workspace: Workspace) -> Path:
        location = self._wanted.working_dir
        if location is not None and location.path is not None and location.path.is_dir():
            return location.path  # a folder of the host is used as it is
        folder = workspace.folder("work")
        if location is not None:
            self._unpack(location, folder, unpack)
        return folder

    def _module(self, location: Location, folder: Path) -> Path:
        """The folder for PYTHONPATH."""
        folder.mkdir(parents=True)
        if location.path is not None and location.path.is_dir():
            # the folder is the module: exposed alone, without its siblings
            (folder / location.path.name).symlink_to(location.path, target_is_directory=True)
            return folder
        is_wheel = (location.package or str(location.path)).endswith(WHEEL)
        self._unpack(location, folder, unpack_wheel if is_wheel else unpack)
        return folder

    def _unpack(
        self,
        location: Location,
        folder: Path,
        unpack: Callable[[Path, Path, UnpackingLimits, Callable[[], None]], None],
    ) -> None:
        limits = UnpackingLimits(self._settings.max_unpacked_bytes)
        self._setup.check()
        if location.path is not None:
            if not location.path.is_file():
                raise setup_failed(f"{location.path} does not exist on this host, or is neither a file nor a folder.")
            unpack(location.path, folder, limits, self._setup.check)
            return
        if self._context.packages is None:
            raise setup_failed(f"This agent has no access to uploaded packages such as {location.package}.")
        pin = self._pins.get(location.package)
        if pin is None:  # otherwise an attacker with write access to Redis could choose the code
            raise setup_failed(f"The job lacks the checksum of the package {location.package}; submit it again.")
        with self._context.packages.open(location.package, pin, self._setup.check) as archive:
            self._setup.check()
            unpack(archive, folder, limits, self._setup.check)

    def _environment(self, requirements: Requirements, cwd: Path) -> Environment:
        own = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)}
        inherited = self._context.confinement.environ(os.environ, {})
        job = JobVariables.of(_resolved(self._wanted.env_vars, inherited))
        if job.unheeded:
            self._setup.say(f"These variables do not change how packages are installed: {', '.join(job.unheeded)}.")
        uv = Uv(own, job)
        requirements = job.added_to(requirements)
        recipe = Recipe.of(requirements, cwd if self._wanted.working_dir else None, uv.source)
        if requirements.tool_version:
            self._setup.say(
                f"The version {requirements.tool_version} has no effect: the agent's own uv installs the packages."
            )
        if requirements.python and recipe.python == sys.executable and not _is_own_version(requirements.python):
            version = ".".join(map(str, sys.version_info[:2]))
            self._setup.say(f"This host has no Python {requirements.python}; the environment gets Python {version}.")
        environments = Environments(
            self._settings.cache_dir / "environments", self._settings.max_cached_environments_bytes
        )
        return self._stack.enter_context(environments.open(recipe, self._setup, uv))


def _worded(error: OperationFailed) -> OperationFailed:
    """Turn every failure during the set-up into a set-up failure with its details."""
    details = {"timed_out": True} if (error.details or {}).get("timed_out") else {}
    return setup_failed(f"The runtime environment could not be set up: {error.message}", **details)


def _bin(environment: Environment | None, workspace: Workspace) -> Path:
    """The first folder in PATH; it has a ``python``."""
    if environment is not None:
        return environment.bin
    own = Path(sys.executable).parent
    if (own / "python").exists():
        return own
    # a script, not a link: an interpreter finds its virtual environment by its own path
    folder = workspace.folder("bin")
    for name in ("python", "python3"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


def _variables(
    variables: Mapping[str, str],
    first: Path,
    environment: Environment | None,
    own_path: list[Path],
    inherited: Mapping[str, str],
) -> dict[str, str]:
    """Variables to add to the ``inherited`` ones. Requested variables may refer to others as ``${NAME}``."""
    seen = dict(inherited)
    python_path = os.pathsep.join(map(str, own_path))
    added = {
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join((str(first), seen.get("PATH", os.defpath))),
        "PYTHONPATH": python_path,  # without the agent's own
    }
    if environment is not None:
        added["VIRTUAL_ENV"] = str(environment.path)
    seen.update(added)
    added.update(_resolved(variables, seen))
    if "PYTHONPATH" in variables and python_path and not added["PYTHONPATH"].startswith(python_path):
        added["PYTHONPATH"] = os.pathsep.join((python_path, added["PYTHONPATH"]))
    return added


def _resolved(variables: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The requested variables with their references resolved."""
    seen = dict(inherited)
    resolved: dict[str, str] = {}
    for name, text in variables.items():
        seen[name] = resolved[name] = _REFERENCE.sub(lambda reference: _looked_up(reference, seen), text)
    return resolved


def _looked_up(match: re.Match[str], variables: Mapping[str, str]) -> str:
    """The value of a reference: ``${NAME}`` of an unknown name is empty, and ``$NAME`` is kept."""
    return variables.get(match[1] or match[2], "" if match[1] else match[0])


def _is_own_version(version: str) -> bool:
    return version == f"{sys.version_info[0]}.{sys.version_info[1]}"
