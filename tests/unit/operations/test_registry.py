"""The catalogue: built-in operations, plugins, validation."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, InvalidSettings, UnknownOperation
from jobqueue.operations import builtin
from jobqueue.operations.base import Operation, operation
from jobqueue.operations.context import Context
from jobqueue.operations.registry import GROUP, Registry

BUILTIN = {
    "aggregation.run": ("spark:execute", True, True),
    "ansible.module": ("ansible:execute", True, False),
    "certificate.ca.create": ("certificate:write", True, True),
    "certificate.ca.delete": ("certificate:write", True, True),
    "certificate.ca.list": ("agent:read", False, True),
    "certificate.ca.update": ("certificate:write", True, True),
    "command.exec.execute": ("command:execute", True, False),
    "command.shell.execute": ("shell:execute", True, False),
    "docker.create.execute": ("docker:write", True, False),
    "docker.exec.execute": ("docker:execute", True, False),
    "docker.imageRemove.execute": ("docker:write", True, True),
    "docker.inspect.get": ("docker:read", False, True),
    "docker.list.get": ("docker:read", False, True),
    "docker.pull.execute": ("docker:write", True, True),
    "docker.remove.execute": ("docker:write", True, True),
    "docker.start.execute": ("docker:write", True, True),
    "docker.stop.execute": ("docker:write", True, True),
    "entrypoint.run": ("entrypoint:execute", True, False),
    "file.deploy.execute": ("file:write", True, True),
    "file.fetch": ("file:fetch", False, True),
    "file.status.get": ("file:read", False, True),
    "file.undeploy.execute": ("file:write", True, True),
    "network.dns.delete": ("network:write", True, True),
    "network.dns.get": ("agent:read", False, True),
    "network.dns.update": ("network:write", True, True),
    "network.interface.create": ("network:write", True, True),
    "network.interface.delete": ("network:write", True, True),
    "network.interface.get": ("agent:read", False, True),
    "network.interface.list": ("agent:read", False, True),
    "network.interface.update": ("network:write", True, True),
    "network.ping.do": ("agent:read", False, True),
    "network.route.create": ("network:write", True, True),
    "network.route.delete": ("network:write", True, True),
    "network.route.get": ("agent:read", False, True),
    "network.route.list": ("agent:read", False, True),
    "network.route.update": ("network:write", True, True),
    "node.disk.get": ("agent:read", False, True),
    "node.group.create": ("user:write", True, True),
    "node.group.delete": ("user:write", True, True),
    "node.group.get": ("agent:read", False, True),
    "node.group.list": ("agent:read", False, True),
    "node.group.update": ("user:write", True, True),
    "node.hostname.get": ("agent:read", False, True),
    "node.hostname.update": ("node:write", True, True),
    "node.load.get": ("agent:read", False, True),
    "node.log.query": ("log:read", False, True),
    "node.log.queryUnit": ("log:read", False, True),
    "node.log.sources": ("log:read", False, True),
    "node.memory.get": ("agent:read", False, True),
    "node.ntp.create": ("ntp:write", True, True),
    "node.ntp.delete": ("ntp:write", True, True),
    "node.ntp.get": ("agent:read", False, True),
    "node.ntp.update": ("ntp:write", True, True),
    "node.os.get": ("agent:read", False, True),
    "node.package.get": ("agent:read", False, True),
    "node.package.install": ("package:write", True, True),
    "node.package.list": ("agent:read", False, True),
    "node.package.listUpdates": ("agent:read", False, True),
    "node.package.remove": ("package:write", True, True),
    "node.package.update": ("package:write", True, True),
    "node.power.reboot": ("power:execute", True, True),
    "node.power.shutdown": ("power:execute", True, False),
    "node.process.get": ("agent:read", False, True),
    "node.process.list": ("agent:read", False, True),
    "node.process.signal": ("process:execute", True, False),
    "node.service.create": ("service:write", True, True),
    "node.service.delete": ("service:write", True, True),
    "node.service.disable": ("service:write", True, True),
    "node.service.enable": ("service:write", True, True),
    "node.service.get": ("agent:read", False, True),
    "node.service.list": ("agent:read", False, True),
    "node.service.restart": ("service:write", True, True),
    "node.service.start": ("service:write", True, True),
    "node.service.stop": ("service:write", True, True),
    "node.service.update": ("service:write", True, True),
    "node.sshKey.add": ("user:write", True, True),
    "node.sshKey.list": ("agent:read", False, True),
    "node.sshKey.remove": ("user:write", True, True),
    "node.status.get": ("agent:read", False, True),
    "node.sysctl.create": ("sysctl:write", True, True),
    "node.sysctl.delete": ("sysctl:write", True, True),
    "node.sysctl.get": ("agent:read", False, True),
    "node.sysctl.list": ("agent:read", False, True),
    "node.sysctl.update": ("sysctl:write", True, True),
    "node.timezone.get": ("agent:read", False, True),
    "node.timezone.update": ("timezone:write", True, True),
    "node.uptime.get": ("agent:read", False, True),
    "node.user.create": ("user:write", True, True),
    "node.user.delete": ("user:write", True, True),
    "node.user.get": ("agent:read", False, True),
    "node.user.list": ("agent:read", False, True),
    "node.user.password": ("user:write", True, True),
    "node.user.update": ("user:write", True, True),
    "python.call": ("python:execute", True, False),
    "schedule.cron.create": ("cron:write", True, True),
    "schedule.cron.delete": ("cron:write", True, True),
    "schedule.cron.get": ("cron:read", False, True),
    "schedule.cron.list": ("cron:read", False, True),
    "schedule.cron.update": ("cron:write", True, True),
    "script.python.execute": ("python:execute", True, False),
    "script.shell.execute": ("shell:execute", True, False),
    "steps.run": ("job:write", True, True),
}


def _noop(data: dict[str, Any], context: Context) -> None:
    """Do nothing."""


@pytest.fixture
def plugin_module() -> Iterator[types.ModuleType]:
    """A module that an entry point can name."""
    module = types.ModuleType("plugin_for_tests")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def _entry(value: str = "plugin_for_tests", name: str = "it") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_every_built_in_operation_and_what_it_declares(registry: Registry) -> None:
    found = {info.type: (info.permission, info.changes, info.idempotent) for info in registry.infos()}
    assert found == BUILTIN
    assert registry.types() == tuple(sorted(BUILTIN))
    assert all(info.summary and info.plugin == "jobqueue" for info in registry.infos())
    assert len(registry) == len(list(registry)) == len(BUILTIN)
    assert "python.call" in registry
    assert registry.problems == ()


def test_its_own_plugins_are_missed_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("jobqueue.operations.registry.distribution", not_installed)
    found = Registry.load(plugins=())
    assert "aggregation.run" not in found
    assert len(found) == len(BUILTIN) - 1
    assert found.problems == (
        "jobqueue is not installed, so its own plugins cannot be found: pip install -e . (in a clone).",
    )


def test_schemas_are_json_schemas_that_refuse_unknown_fields(registry: Registry) -> None:
    for info in registry.infos():
        assert json.loads(json.dumps(info.schema)) == info.schema
        assert info.schema["type"] == "object"
        # the configuration of an aggregation is the launcher's, with whatever else it has
        assert info.schema["additionalProperties"] is (info.type == "aggregation.run")
    by_type = {info.type: info.schema for info in registry.infos()}
    assert by_type["file.deploy.execute"]["required"] == ["path"]  # and either content or object
    assert by_type["file.deploy.execute"]["properties"]["encoding"]["enum"] == ["text", "base64"]
    assert by_type["command.exec.execute"]["properties"]["timeout"]["exclusiveMinimum"] == 0
    assert by_type["node.process.list"]["properties"]["limit"] == {
        "type": "integer", "default": 100, "minimum": 1, "maximum": 1000, "description": "Maximum number of processes.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type", "hint"),
    [
        ("node.hostnam.get", "Did you mean node.hostname.get"),
        ("file.deploy", "Did you mean file.deploy.execute"),
        ("zzz", "jobqueue operation list"),
        ("x" * 100_000, "jobqueue operation list"),
        ("a\ud800\0", "jobqueue operation list"),
    ],
    ids=["typo", "short", "strange", "long", "surrogate"],
)
def test_an_unknown_type_names_its_neighbours(registry: Registry, type: str, hint: str) -> None:
    for ask in (registry.get, lambda name: registry.validate(name, {})):
        with pytest.raises(UnknownOperation, match=hint) as caught:
            ask(type)
        assert len(caught.value.message) < 300
        caught.value.message.encode()
        assert caught.value.details == {"operation.type": [caught.value.message]}


def test_validation_gives_back_what_was_sent(registry: Registry) -> None:
    assert registry.validate("node.hostname.get", None) == {}
    data = {"path": "/a", "content": "@fact.x", "mode": "0600"}
    assert registry.validate("file.deploy.execute", data) == data


@pytest.mark.parametrize("data", [[], "x", 5, True])
def test_data_must_be_an_object(registry: Registry, data: Any) -> None:
    with pytest.raises(InvalidOperationData, match="Must be an object"):
        registry.validate("node.hostname.get", data)


@pytest.mark.parametrize(
    "value", ["a\ud800", {"\udfff": 1}, float("nan"), object()], ids=["text", "key", "nan", "object"]
)
def test_invalid_json_is_refused_even_in_free_fields(registry: Registry, value: Any) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("python.call", {"function": "a.f", "args": [value]})
    caught.value.message.encode()


def test_deep_nesting_is_refused(registry: Registry) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidOperationData, match="nested too deeply"):
        registry.validate("python.call", {"function": "a.f", "args": deep})
    while deep:  # taken apart step by step: freeing it in one go would recurse
        deep = deep[0]


def test_fields_with_facts_wait_for_the_agent(registry: Registry) -> None:
    data = {"limit": "@fact.cpus"}
    assert registry.validate("node.process.list", data) == data
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("node.process.list", {"limit": "@fact.cpus", "sort": "x"})
    assert list(caught.value.details or ()) == ["sort"]
    with pytest.raises(InvalidOperationData, match=r"colour: Unknown field\."):
        registry.validate("node.process.list", {"colour": "@fact.cpus"})


def test_a_misspelt_field_of_the_data(registry: Registry) -> None:
    with pytest.raises(InvalidOperationData, match=r"limti: Unknown field; did you mean limit\?"):
        registry.validate("node.process.list", {"limti": 1})


def test_many_errors_make_a_short_sentence(registry: Registry) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("node.hostname.get", {f"field{n}": n for n in range(50)})
    assert len(caught.value.details or ()) == 20
    assert caught.value.message.endswith("(and 47 more).")


def test_a_hostile_field_name_is_made_harmless(registry: Registry) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("node.hostname.get", {"x\0" * 10_000: 1})
    assert len(caught.value.message) < 500
    assert "\0" not in caught.value.message


def test_a_module_gives_all_its_operations(plugin_module: types.ModuleType) -> None:
    plugin_module.first = plugin_module.alias = operation("my.first.get")(_noop)  # type: ignore[attr-defined]
    plugin_module.second = operation("my.second.do", changes=True)(_noop)  # type: ignore[attr-defined]
    plugin_module.borrowed = Registry.load(()).get("node.os.get")  # type: ignore[attr-defined]
    registry = Registry.load([_entry(), _entry("plugin_for_tests:second", "again")])
    assert registry.problems == ()
    assert {"my.first.get", "my.second.do"} == set(registry.types()) - set(BUILTIN)
    assert registry.get("my.first.get").plugin == "it (plugin_for_tests)"
    assert registry.get("my.first.get").summary == "Do nothing."
    assert registry.get("node.os.get").plugin == "jobqueue"


def test_an_object_or_a_list_can_be_named(plugin_module: types.ModuleType) -> None:
    plugin_module.one = operation("my.one.get")(_noop)  # type: ignore[attr-defined]
    plugin_module.more = [operation("my.two.get")(_noop), operation("my.three.get")(_noop)]  # type: ignore[attr-defined]
    registry = Registry.load([_entry("plugin_for_tests:one"), _entry("plugin_for_tests:more")])
    assert {"my.one.get", "my.two.get", "my.three.get"} <= set(registry.types())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_plugin", "ModuleNotFoundError: No module named 'no_such_plugin'"),
        ("plugin_for_tests:missing", "AttributeError"),
        ("plugin_for_tests", "ValueError: it contains no operation"),
        ("plugin_for_tests:number", "TypeError"),
    ],
)
def test_a_broken_plugin_is_reported_and_the_rest_works(
    plugin_module: types.ModuleType, value: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    plugin_module.number = 5  # type: ignore[attr-defined]
    registry = Registry.load([_entry(value)])
    assert registry.types() == tuple(sorted(BUILTIN))
    assert len(registry.problems) == 1
    assert f"Plugin it ({value}) could not be loaded: {message}" in registry.problems[0]
    assert registry.problems[0] in caplog.text


def test_a_plugin_that_exits_at_import_is_reported(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(1)")
    monkeypatch.syspath_prepend(tmp_path)
    assert "SystemExit: 1" in Registry.load([_entry("plugin_that_exits")]).problems[0]


def test_one_type_twice_names_both(plugin_module: types.ModuleType) -> None:
    plugin_module.mine = operation("node.os.get")(_noop)  # type: ignore[attr-defined]
    with pytest.raises(InvalidSettings) as caught:
        Registry.load([_entry()])
    assert "node.os.get is defined twice" in caught.value.message
    assert "jobqueue.operations.builtin.node.os_get" in caught.value.message
    assert "it (plugin_for_tests)" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "one"}, "must be words joined by dots"),
        ({"type": "a..b"}, "must be words joined by dots"),
        ({"type": "a.b c"}, "must be words joined by dots"),
        ({"type": "a." + "b" * 200}, "must be words joined by dots"),
        ({"permission": "everything"}, "must be resource:verb"),
        ({"schema": dict}, "must be a Schema class"),
        ({"schema": None}, "must be a Schema class"),
    ],
)
def test_a_bad_declaration_is_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Operation(**{"type": "a.b", "run": _noop, **fields})


def test_what_the_decorator_assumes() -> None:
    reading = operation("my.thing.get")(_noop)
    assert (reading.changes, reading.idempotent, reading.isolated) == (False, True, False)
    assert reading.permission == "operation:execute"
    changing = operation("my.thing.do", changes=True, summary="Own words")(_noop)
    assert (changing.changes, changing.idempotent, changing.summary) == (True, False, "Own words")
    assert operation("my.thing.do", changes=True, idempotent=True)(_noop).idempotent is True


def test_a_file_of_builtin_is_all_that_a_new_family_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fresh.py").write_text(
        "from jobqueue.operations.base import operation\n\n\n"
        '@operation("fresh.thing.get", permission="agent:read")\n'
        'def fresh(data, context):\n    """A thing."""\n'
    )
    monkeypatch.setattr(builtin, "__path__", [*builtin.__path__, str(tmp_path)])
    try:
        assert "fresh.thing.get" in Registry.load([])
    finally:
        sys.modules.pop(f"{builtin.__name__}.fresh", None)
