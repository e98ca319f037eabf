"""Processes that were started with signals ignored or blocked: commands get exit codes and the default actions."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Signals 32 and 33, which the C library keeps for itself: no program can change them.
RESERVED = 0b11 << 31
IGNORED = (
    "import signal\n"
    "for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT): signal.signal(number, signal.SIG_IGN)\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
)
COMMAND = (
    "from jobqueue.operations.context import Context\n"
    "result = Context('web1').run(['sh', '-c', 'grep -E \"Sig(Ign|Blk)\" /proc/self/status; exit 3'])\n"
    "print(result.exit_code, result.stdout.text(1000))\n"
)


def printed(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_a_command_has_its_exit_code_and_its_signals() -> None:
    """As in a shell: `sh -c 'exit 3'` exits with 3, whatever the parent of the shell ignores."""
    code, *status = printed(f"{IGNORED}from jobqueue import inherited_signals\ninherited_signals.restore()\n{COMMAND}")
    assert code == "3"
    assert status[::2] == ["SigBlk:", "SigIgn:"]
    assert [int(mask, 16) & ~RESERVED for mask in status[1::2]] == [0, 0]


def test_what_was_ignored_has_no_effect_here_either() -> None:
    program = (
        f"{IGNORED}import os\nfrom jobqueue import inherited_signals\ninherited_signals.restore()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print(inherited_signals.is_ignored(signal.SIGHUP), inherited_signals.is_ignored(signal.SIGTERM))\n"
    )
    assert printed(program) == ["True", "False"]


@pytest.mark.parametrize("words", [["signing", "--help"], ["worker", "--help"]])
def test_every_command_of_the_program(words: list[str]) -> None:
    program = (
        f"{IGNORED}import sys\nfrom jobqueue.cli.main import main\n"
        f"try:\n    main({words!r}, prog_name='jobqueue')\n"
        "except SystemExit:\n    print()\n    print(signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL)\n"
    )
    assert printed(program)[-1] == "True"
