"""Variables of a job that pip and uv would heed: they govern the environment, and are part of its key."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobqueue.entrypoints.job_variables import JobVariables
from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.entrypoints.spec import RuntimeEnv
from jobqueue.entrypoints.surroundings import surround
from jobqueue.entrypoints.uv import Uv
from tests.unit.entrypoints.archives import make_wheel
from tests.unit.entrypoints.conftest import Run

MakeRun = Callable[..., Run]
HOST = {"PIP_CONFIG_FILE": "/dev/null", "HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"}


def _source(asked: dict[str, str], **host: str) -> dict[str, str]:
    return Uv({**HOST, **host}, JobVariables.of(asked)).source


def test_an_index_replaces_all_of_the_hosts() -> None:
    host = {"UV_DEFAULT_INDEX": "https://host/a", "UV_INDEX": "https://host/b", "UV_EXTRA_INDEX_URL": "https://host/c"}
    found = _source({"PIP_INDEX_URL": "https://job/simple"}, **host)
    assert found == {"UV_INDEX_URL": "https://job/simple", "UV_NO_CONFIG": "1", "arguments": ""}
    host = {"PIP_INDEX_URL": "https://host/a", "PIP_EXTRA_INDEX_URL": "https://host/b"}
    found = _source({"UV_DEFAULT_INDEX": "https://job/simple"}, **host)
    assert found == {"UV_DEFAULT_INDEX": "https://job/simple", "UV_NO_CONFIG": "1", "arguments": ""}


def test_a_further_index_stands_beside_the_hosts() -> None:
    found = _source({"PIP_EXTRA_INDEX_URL": "https://job/b"}, PIP_INDEX_URL="https://host/a")
    assert found == {"UV_INDEX_URL": "https://host/a", "UV_EXTRA_INDEX_URL": "https://job/b", "arguments": ""}


def test_connections_and_switches() -> None:
    asked = {"PIP_CERT": "/job.pem", "HTTPS_PROXY": "http://proxy", "PIP_NO_INDEX": "1", "OTHER": "x", "PIP_PRE": "0"}
    assert _source(asked) == {"SSL_CERT_FILE": "/job.pem", "HTTPS_PROXY": "http://proxy", "arguments": "--no-index"}


def test_options_become_uvs() -> None:
    found = JobVariables.of(
        {
            "PIP_NO_BINARY": ":all:",
            "PIP_PRE": "true",
            "PIP_CONSTRAINT": "a.txt b.txt",
            "UV_CONSTRAINT": "c.txt",
            "PIP_QUIET": "1",
            "PIP_TARGET": "/elsewhere",
            "UV_CACHE_DIR": "/elsewhere",
            "UV_PYTHON": "3.9",
        }
    )
    assert found.options == ("--no-binary", ":all:", "--prerelease", "allow")
    assert found.lines == ("-c a.txt", "-c b.txt", "-c c.txt")
    assert found.unheeded == ("PIP_TARGET", "UV_CACHE_DIR", "UV_PYTHON")
    assert found.variables == {}


def test_the_key_follows_the_index() -> None:
    def key(asked: dict[str, str]) -> str:
        return Recipe.of(Requirements(("x",)), None, Uv(HOST, JobVariables.of(asked)).source).key

    keys = {key({"PIP_INDEX_URL": f"https://{name}/simple"}) for name in ("a", "b")} | {key({})}
    assert len(keys) == 3
    assert key({"UNRELATED": "1"}) == key({})
    assert key({"HTTPS_PROXY": "http://x"}) != key({})  # who answers for the index is another


@contextmanager
def _index(folder: Path) -> Iterator[str]:
    """An index (PEP 503) of the wheels in ``folder/simple/<name>/``."""
    handler = partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_packages_come_from_the_jobs_index_and_environments_are_not_shared(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One name in two indexes: who names the private one gets that one's, whatever the host's has, and in any order."""
    monkeypatch.delenv("UV_OFFLINE")
    addresses = {}
    for name in ("public", "private"):
        place = tmp_path / name / "simple" / "corp"
        place.mkdir(parents=True)
        make_wheel(place, name="corp", code=f"WHO = '{name}'\n")
    with _index(tmp_path / "public") as public, _index(tmp_path / "private") as private:
        addresses = {"public": public, "private": private}
        monkeypatch.setenv("PIP_INDEX_URL", public)
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", public)
        run = make_run()
        for variables, expected in (
            ({}, "public"),
            ({"PIP_INDEX_URL": private}, "private"),
            ({"HOST": private, "PIP_INDEX_URL": "${HOST}"}, "private"),
            ({}, "public"),
        ):
            wanted = RuntimeEnv.parse({"pip": ["corp"], "env_vars": variables})
            with surround(wanted, {}, run.context, run.settings) as found:
                (module,) = Path(found.env["VIRTUAL_ENV"]).glob("lib/python*/site-packages/corp.py")
                assert module.read_text() == f"WHO = '{expected}'\n", (variables, addresses)


def test_what_has_no_effect_is_said(tmp_path: Path, make_run: MakeRun) -> None:
    wheel = make_wheel(tmp_path)
    run = make_run()
    environment = {
        "pip": {"packages": [str(wheel)], "pip_version": "==23.3.2", "pip_install_options": ["--no-index"]},
        "env_vars": {"PIP_TARGET": "/x"},
    }
    with surround(RuntimeEnv.parse(environment), {}, run.context, run.settings):
        pass
    assert "These variables do not change how packages are installed: PIP_TARGET." in run.said()
    assert "The version pip==23.3.2 has no effect" in run.said()
