"""uv, which creates environments and installs packages into them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from jobqueue import excerpt
from jobqueue.entrypoints.failure import setup_failed
from jobqueue.entrypoints.job_variables import JobVariables
from jobqueue.entrypoints.pip_settings import uv_settings
from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.removal import remove_tree
from jobqueue.entrypoints.setup import Setup
from jobqueue.extras import lack

#: Variables that uv reads to trust an index and to log in; processes do not inherit them otherwise.
_OF_CONNECTIONS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "NETRC")

#: Length of uv's last output that an error carries.
_MAX_OUTPUT_CHARACTERS = 4000
_NOT_FOUND = re.compile(r"Because (\S+) was not found in |there (?:is|are) no versions? of (\S+)", re.IGNORECASE)


class Uv:
    """The agent's uv, configured by a job's variables.

    ``source``: the variables and arguments for the package sources.
    """

    def __init__(self, environ: Mapping[str, str], job: JobVariables | None = None) -> None:
        job = job or JobVariables({})
        if job.skips_pips_files:
            environ = {**environ, "PIP_CONFIG_FILE": os.devnull}
        variables, arguments = uv_settings(environ)
        # processes inherit few variables, and not these
        own = {name: value for name, value in environ.items() if name.startswith("UV_")}
        self._connections = {name: environ[name] for name in _OF_CONNECTIONS if environ.get(name)}
        self._has_cache = "UV_CACHE_DIR" in own
        self._variables = job.over({**own, **variables})
        self._arguments = list(dict.fromkeys((*arguments, *job.arguments)))
        self.source = {**self._variables, "arguments": " ".join(self._arguments)}

    def build(self, recipe: Recipe, folder: Path, venv: Path, setup: Setup, fd: int) -> None:
        """Create ``venv`` with the packages of ``recipe``. ``folder`` is for other files; ``fd`` is passed to uv.

        Raises ``OperationFailed``, its details with uv's last output, and what ``setup.check`` raises.
        """
        binary = find_uv()
        cache = folder / "cache"
        env = {
            **self._connections,
            **self._variables,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "NO_COLOR": "1",
            "UV_NO_PROJECT": "1",
            "PYTHONPATH": "",  # the agent's
            "VIRTUAL_ENV": "",
            "TMPDIR": str(_made(folder / "tmp")),
        }
        if not self._has_cache:  # beside the environment, so that files are linked rather than copied; removed below
            env["UV_CACHE_DIR"] = str(cache)

        def run(purpose: str, *arguments: str) -> None:
            result = setup.run([binary, *arguments], env=env, cwd=str(folder), pass_fds=[fd])
            if result.exit_code:
                output = _words(result.stderr.text() or result.stdout.text())
                message = f"{purpose} (uv exited with {result.exit_code}): {output}{_in_pips_words(output)}"
                raise setup_failed(message, output=output)

        python = str(venv / "bin" / "python")
        run("The environment could not be created", "venv", "--quiet", "--python", recipe.python, str(venv))
        files = ["-r", _written(folder / "requirements.txt", recipe.lines)]
        if recipe.constraints:
            files += ["-c", _written(folder / "constraints.txt", recipe.constraints)]
        options = [*self._arguments, *recipe.options]
        run("The packages could not be installed", "pip", "install", "--python", python, *files, *options)
        if recipe.check:
            run("The packages are incompatible", "pip", "check", "--python", python)
        for leftover in (cache, folder / "tmp"):
            remove_tree(leftover)


def find_uv() -> str:
    """Path of uv: the one installed with jobqueue, else one on PATH. Raises ``OperationFailed`` without any."""
    missing = lack("An environment with Python packages", "environments")
    if not missing:
        from uv import find_uv_bin

        with contextlib.suppress(FileNotFoundError):
            return find_uv_bin()
    path = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if path is None:
        raise setup_failed(missing or "The package uv on this host contains no program; reinstall it: pip install uv")
    return path


def _words(text: str) -> str:
    """uv's output, without the line that only names the environment."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("Using Python ")]
    return excerpt.end("\n".join(lines), _MAX_OUTPUT_CHARACTERS)


def _in_pips_words(message: str) -> str:
    """pip's sentence for a package that no index has, which scripts look for, if uv reports that; else empty."""
    match = _NOT_FOUND.search(" ".join(message.split()))
    return f"\nNo matching distribution found for {match[1] or match[2]}" if match else ""


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _written(path: Path, lines: tuple[str, ...]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)
