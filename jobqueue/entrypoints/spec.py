"""A requested runtime environment: parsed and checked; no key is silently ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.entrypoints.location import ARCHIVES, Location
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.errors import InvalidInput
from jobqueue.model.package import FORMATS

#: Seconds for the set-up before the entrypoint's start, unless ``config`` sets another limit.
DEFAULT_SETUP_SECONDS = 600.0
_MAX_SETUP_SECONDS = 7 * 24 * 3600
_MAX_MODULES = 100
_MAX_VARIABLES_BYTES = 100_000
#: Characters of the JSON text that variables may come as, escapes included.
_MAX_VARIABLES_TEXT = 7 * _MAX_VARIABLES_BYTES
_VARIABLE = re.compile(r"[^=\0]+")

#: Unsupported keys, and the alternative.
_REFUSED: Mapping[str, str] = {
    "conda": "conda is not available; name the packages in 'pip' or 'uv'",
    "container": "entrypoints run as processes of the agent's host, not in containers",
    "image_uri": "entrypoints run as processes of the agent's host, not in containers",
    "java_jars": "Java drivers are not supported",
    "py_executable": "start the interpreter that you want in the entrypoint itself",
    "worker_process_setup_hook": "entrypoints have no worker processes; call the hook in the entrypoint",
    "nsight": "profilers are not supported; start it in the entrypoint",
    "_nsight": "profilers are not supported; start it in the entrypoint",
    "rocprof_sys": "profilers are not supported; start it in the entrypoint",
    "_rocprof_sys": "profilers are not supported; start it in the entrypoint",
    "mpi": "MPI is not supported; start it in the entrypoint",
}
#: Prefix of keys that a client sends for its own server; agents ignore them.
_NOTE = "_"
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class RuntimeEnv:
    """The runtime environment of an entrypoint.

    ``setup_seconds`` bounds the set-up; None means without a bound of its own.
    """

    env_vars: Mapping[str, str] = field(default_factory=dict)
    working_dir: Location | None = None
    py_modules: tuple[Location, ...] = ()
    requirements: Requirements | None = None
    setup_seconds: float | None = DEFAULT_SETUP_SECONDS

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> RuntimeEnv:
        """Parse the ``runtime_env`` of an entrypoint's data.

        It holds ``env_vars`` (an object, or as ``envVars`` JSON in a string), ``working_dir`` and ``py_modules``
        (URIs), ``pip`` or ``uv`` (see ``Requirements.parse``), ``config`` and ``excludes``. A null counts as not given.
        Raises ``InvalidInput`` that names the invalid or unsupported key.
        """
        if not isinstance(raw, Mapping):
            raise InvalidInput("runtime_env must be an object.")
        fields = {key: value for key, value in raw.items() if value is not None}
        for key, value in fields.items():
            _check_known(key, value)
        _check_excludes(fields.get("excludes", []))
        return cls(
            env_vars=_variables(fields),
            working_dir=_working_dir(fields.get("working_dir")),
            py_modules=_modules(fields.get("py_modules", [])),
            requirements=_requirements(fields),
            setup_seconds=_setup_seconds(fields.get("config", {})),
        )

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the uploaded packages that it needs, each once."""
        named = [item.package for item in (self.working_dir, *self.py_modules) if item is not None and item.package]
        return tuple(dict.fromkeys(named))

    @property
    def needs_setup(self) -> bool:
        """Whether anything has to be prepared before the entrypoint can start."""
        return bool(self.working_dir or self.py_modules or self.requirements)


def _check_known(key: Any, value: Any) -> None:
    if key in _REFUSED:
        if value in _EMPTY:
            return  # nothing is requested
        raise InvalidInput(f"runtime_env['{key}'] is not supported: {_REFUSED[key]}.")
    if key in _READERS or str(key).startswith(_NOTE):
        return
    names = ", ".join(sorted(_READERS))
    raise InvalidInput(f"runtime_env has no key {str(key)[:100]!r}; it may have {names}.")


def _variables(fields: Mapping[str, Any]) -> dict[str, str]:
    if "env_vars" in fields and "envVars" in fields:
        raise InvalidInput("runtime_env has both 'env_vars' and 'envVars'; give one of them.")
    key = "envVars" if "envVars" in fields else "env_vars"
    variables = fields.get(key, {})
    if key == "envVars" and isinstance(variables, str):
        if len(variables) > _MAX_VARIABLES_TEXT:
            raise InvalidInput(f"runtime_env['envVars'] is too large: at most {_MAX_VARIABLES_TEXT} characters.")
        try:
            variables = json.loads(variables) if variables.strip() else {}
        except (ValueError, RecursionError):
            raise InvalidInput("runtime_env['envVars'] must be a JSON object in a string.") from None
    if not isinstance(variables, Mapping):
        raise InvalidInput(f"runtime_env['{key}'] must be an object of strings.")
    size = 0
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidInput(f"runtime_env['{key}'][{name!r}] must be a string.")
        if not _VARIABLE.fullmatch(name):
            raise InvalidInput(
                f"runtime_env['{key}'] has the name {name[:100]!r}; it must have no '=' and not be empty."
            )
        if "\0" in value or not _is_text(name + value):
            raise InvalidInput(
                f"runtime_env['{key}'][{name!r}] contains a character that is not allowed in a variable."
            )
        size += len(name.encode()) + len(value.encode())
        if size > _MAX_VARIABLES_BYTES:
            raise InvalidInput(f"runtime_env['{key}'] is too large: at most {_MAX_VARIABLES_BYTES} bytes in all.")
    return dict(variables)


def _working_dir(value: Any) -> Location | None:
    return None if value in (None, "") else Location.parse(value, "runtime_env['working_dir']", ARCHIVES)


def _modules(value: Any) -> tuple[Location, ...]:
    if not isinstance(value, list) or len(value) > _MAX_MODULES:
        raise InvalidInput(f"runtime_env['py_modules'] must be a list of at most {_MAX_MODULES} URIs.")
    return tuple(Location.parse(uri, f"runtime_env['py_modules'][{index}]", FORMATS) for index, uri in enumerate(value))


def _requirements(fields: Mapping[str, Any]) -> Requirements | None:
    tools = [key for key in ("pip", "uv") if fields.get(key) not in _EMPTY]
    if len(tools) == 2:
        raise InvalidInput("runtime_env has both 'pip' and 'uv'; give one of them.")
    return Requirements.parse(tools[0], fields[tools[0]]) if tools else None


def _setup_seconds(config: Any) -> float | None:
    if not isinstance(config, Mapping):
        raise InvalidInput("runtime_env['config'] must be an object.")
    for key in config:
        if key not in ("setup_timeout_seconds", "eager_install", "log_files"):
            raise InvalidInput(f"runtime_env['config'] has no key {str(key)[:100]!r}.")
    if not isinstance(config.get("eager_install", True), bool):  # an environment is always set up before the start
        raise InvalidInput("runtime_env['config']['eager_install'] must be true or false.")
    if config.get("log_files") not in _EMPTY:
        raise InvalidInput(
            "runtime_env['config']['log_files'] is not supported: the set-up's output is in the job's log."
        )
    seconds = config.get("setup_timeout_seconds", DEFAULT_SETUP_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidInput("runtime_env['config']['setup_timeout_seconds'] must be a number.")
    if seconds == -1:
        return None
    if not 0 < seconds <= _MAX_SETUP_SECONDS:
        raise InvalidInput(
            "runtime_env['config']['setup_timeout_seconds'] must be above 0 and at most a week, or -1 for no limit."
        )
    return float(seconds)


def _check_excludes(value: Any) -> None:
    """They took effect when the package was created; only their format is checked."""
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise InvalidInput("runtime_env['excludes'] must be a list of strings.")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


#: The supported keys.
_READERS = ("env_vars", "envVars", "working_dir", "py_modules", "pip", "uv", "config", "excludes")
