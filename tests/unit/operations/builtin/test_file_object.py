"""Deploying objects: content, templates, checks, validation, backups, and what is recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.builtin.file import deploy_execute, status_get, undeploy_execute
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from tests.unit.operations.stored_objects import Log

FACTS = {"interface.primary": "eth0", "os.family": "debian", "cpus": 4}


class Packages:
    """One package as a file; another digest is refused, as the agent's cache does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self, name: str, digest: str | None, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        if sha256(self.path.read_bytes()).hexdigest() != digest:
            raise OperationFailed(f"The package {name} is damaged")
        yield self.path


class Host:
    """A host with one object in the store."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "package"
        self.path = str(folder / "motd")
        self.log = Log()
        self.context = Context(
            "web1",
            labels={"group": "web"},
            facts=FACTS,
            job_id="job",
            packages=Packages(self.package),
            deployments=self.log,
        )

    def data(self, content: bytes, content_type: str = "raw", **fields: Any) -> dict[str, Any]:
        self.package.write_bytes(content)
        digest = sha256(content).hexdigest()
        source = {"version": 1, "sha256": digest, "content_type": content_type, "package": "p"}
        return {"object": "motd", "version": 1, "source": source, "path": self.path, **fields}

    def deploy(self, content: bytes, content_type: str = "raw", **fields: Any) -> Outcome:
        outcome = deploy_execute(deploy_execute.load(self.data(content, content_type, **fields)), self.context)
        assert isinstance(outcome, Outcome)
        return outcome

    def rendered(self, template: str, **variables: Any) -> str:
        self.deploy(template.encode(), "template", vars=variables)
        return Path(self.path).read_text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_object_is_deployed_once(host: Host) -> None:
    content = os.urandom(3_000_000)
    first = host.deploy(content, mode="0600")
    assert (first.changed, Path(host.path).read_bytes()) == (True, content)
    assert first.data["sha256"] == sha256(content).hexdigest()
    assert host.deploy(content, mode="0600").changed is False
    recorded = host.log.paths[host.path]
    assert (recorded.object, recorded.version, recorded.sha256) == ("motd", 1, first.data["sha256"])
    assert (recorded.provider, recorded.job_id) == ("file", "job")
    assert host.deploy(content[:-1] + b"!").changed is True


def test_another_digest_is_refused(host: Host) -> None:
    data = host.data(b"one")
    host.package.write_bytes(b"two")
    with pytest.raises(OperationFailed, match="damaged"):
        deploy_execute(deploy_execute.load(data), host.context)
    assert not Path(host.path).exists()
    assert not host.log.paths


def test_an_object_needs_the_agents_own_user(host: Host) -> None:
    with pytest.raises(OperationFailed, match="by the agent's own user only"):
        deploy_execute(deploy_execute.load(host.data(b"one")), Context("web1"))


def test_a_check_changes_nothing_and_shows_the_difference(host: Host) -> None:
    outcome = host.deploy(b"one\n", check=True)
    assert outcome.changed is False
    assert (outcome.data["would_change"], "+one" in outcome.data["diff"]) == (True, True)
    assert not Path(host.path).exists()
    assert not host.log.paths
    host.deploy(b"one\n", mode="0644")
    outcome = host.deploy(b"two\n", mode="0600", check=True)
    assert "-one\n+two\n" in outcome.data["diff"]
    assert "-mode: 0644" in outcome.data["diff"]
    assert "+mode: 0600" in outcome.data["diff"]
    assert host.deploy(b"one\n", mode="0644", check=True).data["would_change"] is False
    assert "not compared" in host.deploy(b"\xff\xfe", check=True).data["diff"]
    assert "-one\n+two\n" in host.deploy(b"two\n", diff=True).data["diff"]
    assert Path(host.path).read_bytes() == b"two\n"


def test_a_template_gets_variables_facts_and_labels(host: Host) -> None:
    template = "{{ hostname }} {{ labels.group }} {{ facts.interface.primary }} {{ facts.cpus }} {{ port }}\n"
    assert host.rendered(template, port=80) == "web1 web eth0 4 80\n"
    recorded = host.log.paths[host.path]
    assert recorded.object_sha256 != recorded.sha256 == sha256(b"web1 web eth0 4 80\n").hexdigest()


def test_inline_content_can_be_a_template(host: Host) -> None:
    data = {"path": host.path, "content": "{{ hostname }}", "content_type": "template"}
    deploy_execute(deploy_execute.load(data), host.context)
    assert Path(host.path).read_text() == "web1"


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("{{ missing }}", "UndefinedError"),
        ("{% if %}", "TemplateSyntaxError"),
        ("line\n{{ 1 / 0 }}", "ZeroDivisionError"),
        # out of the sandbox
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "SecurityError"),
        ("{{ self._TemplateReference__context }}{{ lipsum.__globals__ }}", "Error"),
        ("{{ '{0.__class__.__base__}'.format(1) }}", "SecurityError"),
        ("{{ facts.update({'x': 1}) }}", "SecurityError"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        # more than it may take
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "larger than"),
        ("{{ 'x' * 10 ** 10 }}", "memory"),
        ("{{ '%9999999999d' % 1 }}", "memory"),
        ("{{ '{:>9999999999}'.format(1) }}", "memory"),
        ("{{ range(100000000) | list }}", "OverflowError"),
    ],
)
def test_a_template_that_fails_leaves_the_file(host: Host, template: str, word: str) -> None:
    host.deploy(b"old")
    with pytest.raises(OperationFailed, match=f"The template was not rendered: .*{word}"):
        host.rendered(template)
    assert Path(host.path).read_bytes() == b"old"


def test_a_template_must_be_text(host: Host) -> None:
    with pytest.raises(OperationFailed, match="not UTF-8"):
        host.deploy(b"\xff", "template")


def test_validation_decides(host: Host) -> None:
    host.deploy(b"old", validate="grep -q old %s")
    with pytest.raises(OperationFailed, match="was left as it was: grep refused the new file"):
        host.deploy(b"new", validate="grep -q old %s")
    assert Path(host.path).read_bytes() == b"old"
    assert [path.name for path in Path(host.path).parent.iterdir() if path.name.startswith(".")] == []


def test_validation_gets_no_shell(host: Host, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    host.deploy(b"x", validate=f"echo %s ; touch {marker}")
    assert not marker.exists()


def test_a_backup_is_the_old_file(host: Host) -> None:
    assert "backup" not in host.deploy(b"old", backup=True).data
    outcome = host.deploy(b"new", backup=True)
    assert Path(outcome.data["backup"]).read_bytes() == b"old"
    assert outcome.data["backup"].startswith(f"{host.path}.")
    assert "backup" not in host.deploy(b"new", backup=True).data
    assert Path(host.path).read_bytes() == b"new"


def test_a_link_is_not_followed(host: Host, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("target")
    Path(host.path).symlink_to(target)
    with pytest.raises(OperationFailed, match="is a link"):
        host.deploy(b"new", backup=True)
    assert target.read_text() == "target"


def test_status_compares_with_what_was_deployed(host: Host) -> None:
    def status(**data: Any) -> Any:
        return status_get(status_get.load({"path": host.path, **data}), host.context)

    assert "sync" not in status()
    host.rendered("{{ hostname }}")
    assert (status()["sync"], status()["object"], status()["version"]) == ("in-sync", "motd", 1)
    Path(host.path).write_text("changed by hand")
    assert status()["sync"] == "drifted"
    Path(host.path).unlink()
    assert (status()["sync"], status()["exists"]) == ("missing", False)
    reference = {key: value for key, value in host.data(b"raw").items() if key != "path"}
    Path(host.path).write_bytes(b"raw")
    assert status(**reference)["sync"] == "in-sync"
    Path(host.path).write_bytes(b"other")
    assert status(**reference)["sync"] == "drifted"


def test_what_replaces_or_removes_it_is_no_deployment(host: Host) -> None:
    host.deploy(b"one")
    deploy_execute(deploy_execute.load({"path": host.path, "content": "by hand"}), host.context)
    assert not host.log.paths
    host.deploy(b"one")
    undeploy_execute({"path": host.path}, host.context)
    assert not host.log.paths


def test_a_deployment_that_is_not_recorded_is_reported(host: Host) -> None:
    host.log.trouble = "the deployment was not recorded"
    assert host.deploy(b"one").data["notice"] == "the deployment was not recorded"
