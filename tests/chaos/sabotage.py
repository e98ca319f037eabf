"""``jobqueue`` with one safeguard switched off: proof that the suite notices. Only tests can do this.

``python -m tests.chaos.sabotage <safeguard> worker --hostname a1`` changes the safeguard's code in this one process and
then runs the command. There is no setting for it, and no code in the program that would read one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from jobqueue.ledger import scripts
from jobqueue.ledger.keys import Keys

#: safeguard -> (Lua verb, its code, what stands there without it)
_SCRIPTS = {
    # a message for an execution that runs or has ended starts it once more
    "claim": ("claim", "if state ~= 'submitted' then", "if not state then"),
    # an agent that once ran the execution may end it, also after it was given to another attempt
    "fencing": (
        "finish",
        "if is_barred or record[4] ~= token or record[1] ~= 'started' then",
        "if is_barred or record[1] ~= 'started' then",
    ),
}
#: safeguard -> the maintenance service that does not run. Without the reaper, leases never run out.
_SERVICES = {"leases": "Reaper", "reconciler": "Reconciler"}
SAFEGUARDS = (*_SCRIPTS, *_SERVICES)


def switch_off(safeguard: str) -> None:
    """Change this process; fails if the safeguard's code is not where it is expected."""
    if safeguard in _SCRIPTS:
        _replace_in_script(*_SCRIPTS[safeguard])
    else:
        _leave_out_service(_SERVICES[safeguard])


def _replace_in_script(changed: str, guarded: str, unguarded: str) -> None:
    original: Callable[[str, Keys], str] = scripts.source

    def source(verb: str, keys: Keys) -> str:
        text = original(verb, keys)
        if verb != changed:
            return text
        assert text.count(guarded) == 1, f"{changed}.lua does not guard with: {guarded}"
        return text.replace(guarded, unguarded)

    scripts.source = source


def _leave_out_service(name: str) -> None:
    # by name: the linter's layers are about the program, and only the process that runs maintenance needs this
    service = import_module("workers.maintenance.service")
    original = service.make_services

    def make_services(*arguments: object) -> list[object]:
        made = original(*arguments)
        kept = [one for one in made if type(one).__name__ != name]
        assert len(kept) == len(made) - 1, f"there is no service {name}"
        return kept

    setattr(service, "make_services", make_services)  # noqa: B010 (a module has no such attribute for mypy)


if __name__ == "__main__":
    switch_off(sys.argv.pop(1))
    import_module("jobqueue.cli.main").main(prog_name="jobqueue")
