"""The variables of a job that affect how its environment is built, as pip and uv read them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jobqueue.entrypoints.pip_options import translate
from jobqueue.entrypoints.pip_settings import uv_settings_of_job
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.errors import InvalidInput

#: How an index is reached and trusted, and how to log in there.
CONNECTIONS = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "NETRC",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)
#: Package sources: a job that names its index does not use the host's.
_INDEXES = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE")
_CHOICES = ("UV_INDEX_URL", "UV_DEFAULT_INDEX")
#: Variables that the agent decides, and files whose content is not part of the environment's key.
_NOT_OF_A_JOB = re.compile(
    r"UV_(?:CACHE_DIR|NO_CACHE|CONFIG_FILE|NO_CONFIG|PYTHON|PYTHON_\w+|PROJECT\w*|WORKING_\w+|TOOL_\w+|LINK_MODE|OVERRIDE"
    r"|BUILD_CONSTRAINT|EXCLUDE|ENV_FILE|TARGET|PREFIX)"
)
_CONSTRAINTS = "UV_CONSTRAINT"
#: Options of pip that are read as settings rather than given as arguments: some hold passwords.
_SETTINGS = frozenset(
    {
        "index-url",
        "extra-index-url",
        "find-links",
        "trusted-host",
        "timeout",
        "default-timeout",
        "cert",
        "no-index",
        "config-file",
    }
)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class JobVariables:
    """``variables`` and ``arguments`` are for uv. ``lines`` and ``options`` belong to the requirements.

    ``unheeded`` are the names of those that have no effect on the environment. ``skips_pips_files``: the host's pip
    configuration files are ignored.
    """

    variables: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    unheeded: tuple[str, ...] = ()
    skips_pips_files: bool = False

    @classmethod
    def of(cls, requested: Mapping[str, str]) -> JobVariables:
        """Select from all variables of a job. Those that pip and uv do not read are left out."""
        settings, arguments = uv_settings_of_job(requested)
        variables = {name: requested[name] for name in CONNECTIONS if requested.get(name)} | settings
        lines: list[str] = []
        options: list[str] = []
        unheeded: list[str] = []
        for name, value in requested.items():
            if name.startswith("PIP_"):
                option = _option(name, value)
                if option is None:
                    unheeded.append(name)
                else:
                    lines += option[0]
                    options += option[1]
            elif name == _CONSTRAINTS:
                lines += [f"-c {path}" for path in value.split()]
            elif name.startswith("UV_"):
                if _NOT_OF_A_JOB.fullmatch(name):
                    unheeded.append(name)
                else:
                    variables[name] = value
        skips = requested.get("PIP_CONFIG_FILE") == os.devnull
        return cls(variables, tuple(arguments), tuple(lines), tuple(options), tuple(unheeded), skips)

    def over(self, host: Mapping[str, str]) -> dict[str, str]:
        """``host``'s variables for uv, overridden by the job's."""
        if any(self.variables.get(name) for name in _CHOICES):
            host = {name: value for name, value in host.items() if name not in _INDEXES}
            return {**host, **self.variables, "UV_NO_CONFIG": "1"}
        return {**host, **self.variables}

    def added_to(self, requirements: Requirements) -> Requirements:
        """``requirements`` with the options and constraint files that the variables name."""
        return replace(
            requirements,
            lines=(*requirements.lines, *self.lines),
            # the requirements' own options come last and take precedence
            options=(*self.options, *requirements.options),
        )


def _option(name: str, value: str) -> tuple[list[str], list[str]] | None:
    """A variable of pip's as requirement lines and arguments for uv; None if uv has nothing like it."""
    long_name = name.removeprefix("PIP_").lower().replace("_", "-")
    if long_name in _SETTINGS or value.lower() in _FALSE:
        return [], []
    if long_name == "constraint":
        return [f"-c {path}" for path in value.split()], []
    flag = f"--{long_name}" if value.lower() in _TRUE else ""
    for word in (flag, f"--{long_name}={value}"):
        if word:
            try:
                return translate([word], name)
            except InvalidInput:
                continue
    return None
