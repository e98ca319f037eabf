"""A program that is called as a Python with ansible-core is, and plays the protocol of its modules."""

from __future__ import annotations

import sys
from pathlib import Path

_SOURCE = """#!{python}
import json, os, sys, time
name = sys.argv[-1].rpartition(".")[2]
arguments = json.loads(sys.stdin.read())["ANSIBLE_MODULE_ARGS"]
answer = lambda **fields: print("\\n" + json.dumps({{"invocation": {{"module_args": arguments}}, **fields}}))
if name == "echo":
    folder = os.listdir(arguments["_ansible_remote_tmp"])
    answer(changed=False, argv=sys.argv[1:-2], module=sys.argv[-1], arguments=arguments, folder=folder)
elif name == "write":
    first = {{"before": "a\\n", "after": "b\\n", "before_header": "/etc/x"}}
    answer(changed=True, msg="written", diff=[first, {{"before": "", "after": ""}}])
elif name == "prepared":
    answer(changed=True, diff={{"prepared": "+one"}})
elif name == "fails":
    answer(failed=True, msg="no package matching " + arguments["name"], rc=100, exception="Traceback ...")
    sys.exit(1)
elif name == "cannot_check":
    answer(skipped=True, msg="remote module (cannot_check) does not support check mode")
elif name == "garbage_first":
    print("perl: warning: setting locale failed\\n{{not json")
    answer(changed=True)
    print("bye")
elif name == "garbage":
    print("hello")
    print("Traceback\\nOSError: /dev/tty cannot be opened", file=sys.stderr)
    sys.exit(3)
elif name == "list":
    print("[1]")
elif name == "silent":
    pass
elif name == "killed":
    os.kill(os.getpid(), 9)
elif name == "long":
    answer(changed=False, text="x" * 5000)
elif name == "sleeps":
    time.sleep(60)
elif name == "no_ansible":
    sys.exit(90)
else:
    sys.exit(91)
"""


def make_fake_python(folder: Path) -> str:
    """The path of the program, in ``folder``."""
    program = folder / "fake-python"
    program.write_text(_SOURCE.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return str(program)
