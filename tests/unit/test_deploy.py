"""What is in deploy/ fits the code: commands, settings, paths; and Kubernetes' own schemas."""

from __future__ import annotations

import configparser
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from jobqueue import __version__
from jobqueue.cli.main import main
from jobqueue.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
MANIFESTS = sorted(DEPLOY.glob("kubernetes/*.yaml"))
PLAYBOOK = DEPLOY / "ansible" / "agents.yml"
ROLE = DEPLOY / "ansible" / "roles" / "jobqueue_agent"
COMPOSE = DEPLOY / "docker" / "compose.yaml"
IMAGE = f"jobqueue:{__version__}"
#: The oldest Kubernetes that is meant to take the manifests, and the newest that is known here.
KUBERNETES = ("1.28", "1.33")


def check_command(arguments: list[str]) -> None:
    """``jobqueue <arguments>`` is a command with such options."""
    context = click.Context(main)
    command = main.get_command(context, arguments[0])
    assert command is not None, f"jobqueue has no command {arguments[0]}"
    command.make_parser(click.Context(command)).parse_args(arguments[1:])


def resources() -> list[dict[str, Any]]:
    return [found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]


def pod_specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for found in resources():
        template = found.get("spec", {}).get("template")
        if template:
            yield f"{found['kind']}/{found['metadata']['name']}", template["spec"]


PODS = dict(pod_specs())


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path, encoding="utf-8")
    assert unit.sections() == ["Unit", "Service", "Install"]
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    assert program == "/opt/jobqueue/bin/jobqueue"
    check_command(arguments)
    assert service["EnvironmentFile"] == "/etc/jobqueue/jobqueue.env"
    assert service["Restart"] == "always"
    assert service["StateDirectoryMode"] == "0700"
    assert int(service["TimeoutStopSec"]) >= 30, "a stop takes up to 20 s"


def test_a_unit_for_each_part() -> None:
    assert [path.stem for path in UNITS] == ["jobqueue-agent", "jobqueue-api", "jobqueue-maintenance"]


@pytest.mark.parametrize("commented", [False, True], ids=["as it is", "with all that is commented out"])
def test_the_file_of_settings_is_valid(commented: bool) -> None:
    text = (DEPLOY / "systemd" / "jobqueue.env").read_text(encoding="utf-8")
    pattern = r"^#?(JOBQUEUE_[A-Z0-9_]+)=(.*)$" if commented else r"^(JOBQUEUE_[A-Z0-9_]+)=(.*)$"
    environ = dict(re.findall(pattern, text, re.MULTILINE))
    settings = Settings.from_env(environ)
    assert str(settings.state_dir) == "/var/lib/jobqueue"
    assert settings.labels == ({"group": "web.dev", "site": "berlin"} if commented else {})


# -- Ansible -----------------------------------------------------------------------------------------------------------


def test_the_playbook_is_valid(tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "ansible-playbook", "--syntax-check", "--inventory", "web1,", PLAYBOOK]
    environ = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_LOCAL_TEMP": str(tmp_path), "LC_ALL": "C.UTF-8"}
    checked = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_role_makes_a_bundle_and_joins_with_it() -> None:
    tasks = {task["name"]: task for task in yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8"))}
    steps = {step["name"]: step for step in tasks["Join"]["block"]}
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    given = {**defaults, "jobqueue_agent_labels": ["group=web"], "jobqueue_agent_allow": ["node.*", "read-only"]}
    given |= {"jobqueue_agent_hostname": "web1", "jobqueue_agent_replace": True}
    environment = NativeEnvironment()
    environment.filters |= {"product": itertools.product, "flatten": lambda pairs: list(itertools.chain(*pairs))}

    bundle = steps["Make a bundle for the host"]
    argv = environment.from_string(bundle["ansible.builtin.command"]["argv"]).render(given)
    assert argv[:4] == ["jobqueue", "agent", "bundle", "web1"]
    check_command(argv[1:])

    join = steps["Join with the bundle"]
    argv = [environment.from_string(word).render(given) for word in join["ansible.builtin.command"]["argv"]]
    assert argv[0] == "/opt/jobqueue/bin/jobqueue"
    check_command(argv[1:])
    assert bundle["no_log"] is join["no_log"] is True, "a bundle is a secret"


# -- containers --------------------------------------------------------------------------------------------------------


def test_the_image_is_made_of_what_is_there() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"jobqueue", "workers", "api", "setup.cfg", "pyproject.toml"} <= set(copied)
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^!(.*)$", ignored, re.MULTILINE)) == sorted(copied)
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert ":latest" not in text


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["api", "maintenance", "agent"])
def test_compose_runs_each_part(name: str) -> None:
    service = compose()["services"][name]
    check_command(service["command"])
    assert service["image"] == IMAGE
    assert service["cap_drop"] == ["ALL"]
    assert set(service["depends_on"]) <= set(compose()["services"])
    environ = {key: re.sub(r"\$\{[^}]*\}", "t" * 32, value) for key, value in service["environment"].items()}
    assert Settings.from_env({**environ, "HOME": "/nonexistent"}).redis_url == "redis://redis:6379/0"
    volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
    assert volumes <= set(compose()["volumes"])


def test_compose_keeps_the_private_key_and_the_port_to_itself() -> None:
    services = compose()["services"]
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:8080:8080"]
    holders = {
        name for name, service in services.items() if any(v.startswith("api:") for v in service.get("volumes", []))
    }
    assert holders == {"api", "keys"}
    assert services["agent"]["volumes"] == ["agent1:/var/lib/jobqueue", "trust:/var/lib/jobqueue-trust:ro"]
    check_command(re.findall(r"jobqueue (signing rotate)", services["keys"]["entrypoint"][-1])[0].split()[:1])


# -- Kubernetes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("found", resources(), ids=lambda found: f"{found['kind']}/{found['metadata']['name']}")
def test_manifests_are_valid(found: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(found, version, strict=True)


def test_a_manifest_that_is_wrong_is_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[0], strict=True)


def test_every_part_is_deployed() -> None:
    ours = ["DaemonSet/jobqueue-agent", "Deployment/jobqueue-api", "Deployment/jobqueue-maintenance"]
    assert sorted(name for name in PODS if "jobqueue" in name) == ours


@pytest.mark.parametrize("name", PODS)
def test_pods(name: str) -> None:
    spec = PODS[name]
    assert spec["enableServiceLinks"] is False, "Kubernetes would set JOBQUEUE_API_PORT=tcp://..."
    assert spec["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["image"].endswith(":latest")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted <= volumes | {"data"}
    for container in spec["containers"]:
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", [name for name in PODS if "jobqueue" in name])
def test_pods_run_our_commands_with_valid_settings(name: str) -> None:
    shared = next(found["data"] for found in resources() if found["kind"] == "ConfigMap")
    (container,) = PODS[name]["containers"]
    assert container["image"] == IMAGE
    check_command(container["args"])
    given = {item["name"]: item.get("value", "x" * 32) for item in container.get("env", [])}
    settings = Settings.from_env({**shared, **given, "HOME": "/nonexistent"})
    assert settings.redis_url.startswith("redis://redis.jobqueue.svc")
    assert container.get("envFrom") == [{"configMapRef": {"name": "jobqueue"}}]


def test_only_the_api_gets_the_private_key_and_the_token() -> None:
    for name, spec in PODS.items():
        has_key = any(
            item["key"] == "signing.key"
            for volume in spec.get("volumes", [])
            for item in volume.get("secret", {}).get("items", [])
        )
        assert has_key is (name == "Deployment/jobqueue-api"), name
        secrets = [
            env for container in spec["containers"] for env in container.get("env", []) if "secretKeyRef" in str(env)
        ]
        assert bool(secrets) is (name == "Deployment/jobqueue-api"), name


def test_what_is_referred_to_is_there() -> None:
    services = {found["metadata"]["name"]: found for found in resources() if found["kind"] == "Service"}
    for found in resources():
        if found["kind"] == "Ingress":
            for rule in found["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    backend = path["backend"]["service"]
                    ports = [port["name"] for port in services[backend["name"]]["spec"]["ports"]]
                    assert backend["port"]["name"] in ports
    labels = {name: {**found["spec"]["selector"]} for name, found in services.items()}
    pods = [
        found["spec"]["template"]["metadata"]["labels"] for found in resources() if "template" in found.get("spec", {})
    ]
    assert [name for name, wanted in labels.items() if not any(wanted.items() <= pod.items() for pod in pods)] == []
