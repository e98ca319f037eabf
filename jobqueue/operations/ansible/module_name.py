"""Names of modules: those of ansible-core in one word, those of collections as namespace.collection.name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jobqueue.operations.ansible.boolean import boolean
from jobqueue.operations.schema import Match

#: One spelling for each module, so that a host's policy cannot be passed by another one.
MODULE_NAME = Match(
    r"(?!ansible\.(?:builtin|legacy)\.)[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)?",
    "Must be the name of a module: lineinfile for one of ansible-core (without ansible.builtin.), or one of a "
    "collection, such as ansible.posix.sysctl.",
)

_CONTROLLER = "it runs on Ansible's controller, and jobqueue has no controller"
#: Modules that cannot run by themselves: why, and what to use instead.
_REFUSED: Mapping[str, str] = {
    "add_host": f"{_CONTROLLER}; targets choose hosts",
    "assert": f"{_CONTROLLER}; use rollouts with a verification",
    "async_status": "jobs are asynchronous by themselves",
    "async_wrapper": "jobs are asynchronous by themselves",
    "debug": _CONTROLLER,
    "fail": _CONTROLLER,
    "fetch": f"{_CONTROLLER}; use slurp, or file.status.get for a digest",
    "gather_facts": f"{_CONTROLLER}; use setup",
    "group_by": f"{_CONTROLLER}; targets choose hosts",
    "import_playbook": _CONTROLLER,
    "import_role": _CONTROLLER,
    "import_tasks": _CONTROLLER,
    "include_role": _CONTROLLER,
    "include_tasks": _CONTROLLER,
    "include_vars": _CONTROLLER,
    "meta": _CONTROLLER,
    "package": f"{_CONTROLLER}; use node.package.install, or the module of the host's package manager (apt, dnf)",
    "pause": "it needs a terminal",
    "raw": f"{_CONTROLLER}; use command.shell.execute",
    "reboot": f"{_CONTROLLER}; use node.power.reboot, which can wait for the host",
    "script": f"{_CONTROLLER}; use script.shell.execute",
    "set_fact": _CONTROLLER,
    "set_stats": _CONTROLLER,
    "shell": f"{_CONTROLLER}; use command.shell.execute",
    "template": f"{_CONTROLLER}; render the text and use file.deploy.execute",
    "validate_argument_spec": _CONTROLLER,
    "wait_for_connection": _CONTROLLER,
    "yum": "dnf has taken its place; use dnf",
}
_OF_HOST = "set remote_src to true for files of the host"
#: Modules whose source is on the controller with some arguments.
_FROM_CONTROLLER_IF: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "assemble": lambda arguments: boolean(arguments.get("remote_src", True)) is False,
    "uri": lambda arguments: "src" in arguments and not boolean(arguments.get("remote_src")),
}
#: Modules whose source is on the controller unless ``remote_src`` says otherwise.
_FROM_CONTROLLER: Mapping[str, str] = {
    "copy": "use file.deploy.execute, which takes the content, or set remote_src to true for a file of the host",
    "unarchive": "set remote_src to true for an archive of the host or a URL",
}


def refusal(module: str, arguments: Mapping[str, Any]) -> str | None:
    """Why ``module`` cannot be run with these arguments, as a part of a sentence; None if it can."""
    if module in _REFUSED:
        return _REFUSED[module]
    if module in _FROM_CONTROLLER_IF and _FROM_CONTROLLER_IF[module](arguments):
        return f"its source is on Ansible's controller, and jobqueue has no controller; {_OF_HOST}"
    if module in _FROM_CONTROLLER and not boolean(arguments.get("remote_src")):
        return f"its source is on Ansible's controller, and jobqueue has no controller; {_FROM_CONTROLLER[module]}"
    return None


def python_name(module: str) -> str:
    """The Python module behind a name."""
    namespace, _, rest = module.partition(".")
    if not rest:
        return f"ansible.modules.{module}"
    collection, _, name = rest.partition(".")
    return f"ansible_collections.{namespace}.{collection}.plugins.modules.{name}"
