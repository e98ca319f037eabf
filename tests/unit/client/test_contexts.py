"""Contexts: the file, where tokens come from, and what wins over what."""

from __future__ import annotations

import stat
import sys
import time
import tomllib
from pathlib import Path

import pytest

from jobqueue.client import contexts as module
from jobqueue.client.address import Address, resolve
from jobqueue.client.contexts import Context, Contexts
from jobqueue.errors import InvalidInput, InvalidSettings, NotFound


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "JOBQUEUE_STATE_DIR": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    return path


def save(environ: dict[str, str], *items: Context, current: str = "") -> Path:
    found = Contexts.load(environ)
    for item in items:
        found = found.with_context(item)
    found.using(current).save()
    return found.path


def test_the_file(environ: dict[str, str], tmp_path: Path) -> None:
    odd = Context("a.b", 'https://x/ü"\\', token_command="sh -c 'echo \"$HOME\"'")
    prod = Context("prod", "https://prod.example", token_file="/t", ca="/ca.pem")
    path = save(environ, odd, prod, current="prod")
    assert path == tmp_path / ".config/jobqueue/contexts.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert tomllib.loads(path.read_text()) == {
        "current": "prod",
        "contexts": {
            "a.b": {"url": odd.url, "token_command": odd.token_command},
            "prod": {"url": "https://prod.example", "token_file": "/t", "ca": "/ca.pem"},
        },
    }
    assert Contexts.load(environ) == Contexts(path, {"a.b": odd, "prod": prod}, "prod")
    assert Contexts.load({**environ, "XDG_CONFIG_HOME": str(tmp_path / "other")}).items == {}


def test_removing_the_current_one(environ: dict[str, str]) -> None:
    save(environ, Context("a", "http://a"), Context("b", "http://b"), current="a")
    left = Contexts.load(environ).without("a")
    assert (list(left.items), left.current) == (["b"], "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("current = ", "cannot be read"),
        ("\xff", "cannot be read"),
        ("other = 1", "other"),
        ("contexts = []", "a list"),
        ("[contexts.a]", "has no url"),
        ('[contexts.a]\nurl = "http://a"\nport = "1"', "does not know port"),
        ("[contexts.a]\nurl = 7", "strings only"),
        ('[contexts.a]\nurl = "http://a"\ntoken_file = "f"\ntoken_command = "c"', "keep one of them"),
        ('[contexts.a]\nurl = "http://a"\ntoken_command = "\'"', "cannot be read"),
        ('[contexts."a b"]\nurl = "http://a"', "Invalid context name"),
    ],
)
def test_a_damaged_file(environ: dict[str, str], text: str, said: str) -> None:
    path = save(environ)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match=said):
        Contexts.load(environ)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_of_windows_saved(environ: dict[str, str], encoding: str) -> None:
    path = save(environ, Context("prod", "https://prod.example", token_command="pass show ü"))
    before = Contexts.load(environ)
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert Contexts.load(environ) == before


def test_a_file_that_others_may_write(environ: dict[str, str]) -> None:
    save(environ).chmod(0o666)
    with pytest.raises(InvalidInput, match="chmod 600"):
        Contexts.load(environ)


def test_one_that_is_not_there(environ: dict[str, str]) -> None:
    with pytest.raises(NotFound, match=r"no context 'prod'; create one with `jobqueue context create`"):
        resolve(environ=environ, context="prod")
    save(environ, Context("production", "http://p"), Context("x", "http://x"))
    with pytest.raises(NotFound, match="did you mean 'production'"):
        resolve(environ=environ, context="producton")
    with pytest.raises(NotFound, match="there are production, x"):
        resolve(environ={**environ, "JOBQUEUE_CONTEXT": "other"})


def test_what_wins(environ: dict[str, str], token_file: Path, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    prod = Context("prod", "https://prod.example/", token_file=str(token_file), ca=str(ca))
    save(environ, prod, Context("dev", "https://dev.example"), current="prod")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/api.url").write_text("http://127.0.0.1:9999")
    (tmp_path / "state/admin.token").write_text("of-the-state-directory")

    # the context, over the state directory
    of_prod = Address("https://prod.example", "from-file", str(ca))
    assert resolve(environ=environ) == of_prod
    # the environment, over the context
    assert resolve(environ={**environ, "JOBQUEUE_CONTEXT": "dev"}) == Address("https://dev.example")
    assert resolve(environ={**environ, "JOBQUEUE_URL": "http://u"}) == Address("http://u")
    found = resolve(environ={**environ, "JOBQUEUE_TOKEN": "of-the-environment"})
    assert found == Address("https://prod.example", "of-the-environment", str(ca))
    # arguments, over the environment
    loaded = {**environ, "JOBQUEUE_URL": "http://u", "JOBQUEUE_TOKEN": "of-the-environment", "JOBQUEUE_CONTEXT": "dev"}
    assert resolve(environ=loaded, context="prod") == of_prod
    assert resolve(token="argument", environ=loaded, context="prod") == Address(prod.url[:-1], "argument", str(ca))
    assert resolve("http://v", environ=environ) == Address("http://v")
    # none is chosen: the state directory
    Contexts.load(environ).using("").save()
    assert resolve(environ=environ) == Address("http://127.0.0.1:9999", "of-the-state-directory")


def test_a_contexts_token_goes_to_its_own_address_only(environ: dict[str, str], token_file: Path) -> None:
    save(environ, Context("prod", "https://prod.example", token_file=str(token_file)), current="prod")
    assert resolve("https://other.example", environ=environ).token is None
    with pytest.raises(InvalidInput, match="give one of them"):
        resolve("https://other.example", environ=environ, context="prod")


def test_the_token_of_the_state_directory_does_not_go_to_a_context(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/admin.token").write_text("of-the-state-directory")
    save(environ, Context("prod", "https://prod.example"), current="prod")
    assert resolve(environ=environ).token is None


def test_a_token_is_not_read_if_it_is_not_needed(environ: dict[str, str]) -> None:
    save(environ, Context("prod", "https://prod.example", token_file="/none"), current="prod")
    assert resolve(token="t", environ=environ).token == "t"
    assert resolve("http://u", environ=environ).url == "http://u"


def test_unknown_settings_do_not_pass(environ: dict[str, str]) -> None:
    save(environ, Context("prod", "https://prod.example"), current="prod")
    with pytest.raises(InvalidSettings, match="JOBQUEUE_CONTEXTS"):
        resolve(environ={**environ, "JOBQUEUE_CONTEXTS": "prod"})


def test_token_files_that_cannot_be_read(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\x00\xfe")
    for path, said in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "is empty"),
        (binary, "is not text"),
    ):
        with pytest.raises(InvalidInput, match=f"'prod'.*{said}"):
            Context("prod", "http://p", token_file=str(path)).token()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "exit code 1$"),
        ("sh -c 'echo locked >&2; exit 3'", "exit code 3: locked"),
        ("true", "printed nothing"),
        ("no-such-program-here x", "cannot be run: No such file"),
        ("/", "cannot be run"),
    ],
)
def test_commands_that_fail(command: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Context("prod", "http://p", token_command=command).token()


def test_a_command_gets_its_arguments_without_a_shell() -> None:
    command = f"""{sys.executable} -c 'import sys; print("-".join(sys.argv[1:]))' '$HOME' ';' a"""
    assert Context("prod", "http://p", token_command=command).token() == "$HOME-;-a"


def test_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.2)
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match=r"did not end within 0\.2 s"):
        Context("prod", "http://p", token_command="sleep 60").token()
    assert time.monotonic() - begun < 30


def test_an_authority_that_cannot_be_read(environ: dict[str, str]) -> None:
    save(environ, Context("prod", "https://p", ca="/none.pem"), current="prod")
    with pytest.raises(InvalidInput, match=r"CA certificate of context 'prod' cannot be read: /none\.pem"):
        resolve(environ=environ)
