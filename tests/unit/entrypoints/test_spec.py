"""RuntimeEnv.parse: what Ray's client and openYuanrong's callers send, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.entrypoints.location import Location
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.entrypoints.spec import DEFAULT_SETUP_SECONDS, RuntimeEnv
from jobqueue.errors import InvalidInput

ZIP = "gcs://_ray_pkg_0123456789abcdef.zip"
WHEEL = "gcs://tiny-1.0-py3-none-any.whl"


def test_nothing() -> None:
    env = RuntimeEnv.parse({})
    assert env == RuntimeEnv()
    assert not env.needs_setup
    assert env.packages == ()


def test_everything_that_rays_client_sends() -> None:
    env = RuntimeEnv.parse(
        {
            "env_vars": {"A": "b", "PATH": "/x:${PATH}"},
            "working_dir": ZIP,
            "py_modules": ["gcs://_ray_pkg_fedcba9876543210.tar.gz", WHEEL, ZIP],
            "pip": {"packages": ["requests==2.0", "numpy"], "pip_check": False},
            "config": {"setup_timeout_seconds": 30, "eager_install": True, "log_files": []},
            "excludes": ["*.log"],
            "_ray_commit": "0123",
            "_ray_release": "2.60.0",
            "_inject_current_ray": True,
        }
    )
    assert env.env_vars == {"A": "b", "PATH": "/x:${PATH}"}
    assert env.working_dir == Location(package="_ray_pkg_0123456789abcdef.zip")
    assert env.requirements == Requirements(("requests==2.0", "numpy"))
    assert env.setup_seconds == 30.0
    assert env.packages == (
        "_ray_pkg_0123456789abcdef.zip",
        "_ray_pkg_fedcba9876543210.tar.gz",
        "tiny-1.0-py3-none-any.whl",
    )
    assert env.needs_setup


def test_uv_as_rays_client_sends_it() -> None:
    uv = {"packages": ["requests"], "uv_check": False, "uv_pip_install_options": ["--no-cache"]}
    assert RuntimeEnv.parse({"uv": uv}).requirements == Requirements(("requests",))


def test_openyuanrongs_example() -> None:
    """The values of its documentation, word for word."""
    env = RuntimeEnv.parse(
        {
            "envVars": '{"DEPLOY_REGION":"suzhou_std","SOURCE_REGION":"suzhou_std"}',
            "pip": "pip3.9 install numpy==1.24 scipy==1.11.0 && pip3.9 check",
            "working_dir": "file:///home/disk/tk/file.zip",
        }
    )
    assert env.env_vars == {"DEPLOY_REGION": "suzhou_std", "SOURCE_REGION": "suzhou_std"}
    assert env.requirements == Requirements(("numpy==1.24", "scipy==1.11.0"), check=True, python="3.9")
    assert env.working_dir == Location(path=Path("/home/disk/tk/file.zip"))


def test_null_means_not_given() -> None:
    keys = ("env_vars", "working_dir", "py_modules", "pip", "uv", "config", "conda", "container", "image_uri")
    assert RuntimeEnv.parse(dict.fromkeys(keys)) == RuntimeEnv()
    assert RuntimeEnv.parse({"pip": [], "uv": [], "envVars": "", "conda": {}}) == RuntimeEnv()


@pytest.mark.parametrize(
    ("config", "seconds"),
    [({}, DEFAULT_SETUP_SECONDS), ({"setup_timeout_seconds": -1}, None), ({"setup_timeout_seconds": 0.5}, 0.5)],
)
def test_the_limit_of_the_set_up(config: dict[str, Any], seconds: float | None) -> None:
    assert RuntimeEnv.parse({"config": config}).setup_seconds == seconds


@pytest.mark.parametrize(
    ("uri", "path"),
    [("file:///a/b.zip", "/a/b.zip"), ("file://localhost/a%20b", "/a b"), ("local:///srv/code", "/srv/code")],
)
def test_paths_on_the_host(uri: str, path: str) -> None:
    assert RuntimeEnv.parse({"working_dir": uri}).working_dir == Location(path=Path(path))


NOT_SUPPORTED = [
    "conda", "container", "image_uri", "java_jars", "py_executable", "worker_process_setup_hook", "nsight", "_nsight",
    "_rocprof_sys",
]  # fmt: skip


@pytest.mark.parametrize("key", NOT_SUPPORTED)
def test_what_is_not_supported_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^runtime_env\['{key}'\] is not supported: \w"):
        RuntimeEnv.parse({key: "something"})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"pipp": []}, "runtime_env has no key 'pipp'"),
    ({"env_vars": []}, "'env_vars'"),
    ({"env_vars": {"A": 1}}, r"\['env_vars'\]\['A'\] must be a string"),
    ({"env_vars": {"A": None}}, "must be a string"),
    ({"env_vars": {"A=B": "1"}}, "'A=B'"),
    ({"env_vars": {"": "1"}}, "must not be empty|not be empty"),
    ({"env_vars": {"A": "\0"}}, "not allowed in a variable"),
    ({"env_vars": {"A": "\ud800"}}, "not allowed in a variable"),
    ({"env_vars": {"A": "x" * 200_000}}, "too large"),
    ({"envVars": "not json"}, "'envVars'.* JSON object"),
    ({"envVars": "[1]"}, "'envVars'"),
    ({"envVars": "[" * 100_000}, "'envVars'"),
    ({"envVars": "{}", "env_vars": {}}, "both 'env_vars' and 'envVars'"),
    ({"working_dir": 5}, "'working_dir'"),
    ({"working_dir": "."}, "is not a URI"),
    ({"working_dir": "/home/me"}, "is not a URI.*file:///path"),
    ({"working_dir": "https://h/x.zip"}, "cannot be fetched.*https://"),
    ({"working_dir": "s3://b/x.zip"}, "cannot be fetched"),
    ({"working_dir": "gs://b/x.zip"}, "cannot be fetched"),
    ({"working_dir": "git+https://h/x"}, "cannot be fetched"),
    ({"working_dir": "file://other/x.zip"}, "names the host 'other'"),
    ({"working_dir": "file:///a/../b.zip"}, r"without '\.\.'"),
    ({"working_dir": "file:///a/%2e%2e/b.zip"}, r"without '\.\.'"),
    ({"working_dir": "file:///a%00b"}, "absolute path"),
    ({"working_dir": "file:///a?x=1"}, "query"),
    ({"working_dir": "gcs://../../etc/passwd"}, "not the name of a package"),
    ({"working_dir": "gcs://_ray_pkg_XYZ.zip"}, "not the name of a package"),
    ({"working_dir": WHEEL}, r"must be one of \.zip"),
    ({"working_dir": "gcs://_ray_pkg_0123456789abcdef.jar"}, "not the name of a package"),
    ({"working_dir": "gcs://" + "a" * 9000}, "too long"),
    ({"py_modules": ZIP}, "'py_modules'.* list"),
    ({"py_modules": [ZIP, None]}, r"'py_modules'\]\[1\]"),
    ({"py_modules": [ZIP] * 101}, "at most 100"),
    ({"pip": ["a"], "uv": ["b"]}, "both 'pip' and 'uv'"),
    ({"config": []}, "'config'"),
    ({"config": {"timeout": 1}}, "no key 'timeout'"),
    ({"config": {"setup_timeout_seconds": 0}}, "setup_timeout_seconds"),
    ({"config": {"setup_timeout_seconds": -2}}, "setup_timeout_seconds"),
    ({"config": {"setup_timeout_seconds": "30"}}, "must be a number"),
    ({"config": {"setup_timeout_seconds": True}}, "must be a number"),
    ({"config": {"setup_timeout_seconds": float("nan")}}, "setup_timeout_seconds"),
    ({"config": {"eager_install": "yes"}}, "eager_install"),
    ({"config": {"log_files": ["x.log"]}}, "log_files"),
    ({"excludes": "*.log"}, "'excludes'"),
]


@pytest.mark.parametrize(("raw", "complaint"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_input_names_what_is_wrong(raw: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        RuntimeEnv.parse(raw)
    assert "runtime_env" in caught.value.message
    assert len(caught.value.message) < 600
    json.dumps(caught.value.message).encode()


@pytest.mark.parametrize("raw", [None, [], "x", 5])
def test_it_must_be_an_object(raw: Any) -> None:
    with pytest.raises(InvalidInput, match="must be an object"):
        RuntimeEnv.parse(raw)
