"""entrypoint.run: a line for the shell in a runtime environment of its own."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import marshmallow
from marshmallow import ValidationError, validate

from jobqueue.entrypoints import capacity
from jobqueue.entrypoints.failure import COMMAND_FAILED, START_FAILED, failed
from jobqueue.entrypoints.log_tail import LogTail
from jobqueue.errors import InvalidInput, OperationFailed, OperationTimedOut
from jobqueue.model.needs import declared
from jobqueue.operations.base import SHELL, PinPackages, operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.run import ProcessResult
from jobqueue.operations.schema import Entries, Number, Schema, Text, Whole, shape

if TYPE_CHECKING:
    from jobqueue.entrypoints.surroundings import Surroundings

# Archives, packages and environments are imported when an entrypoint is first used: an idle agent needs no memory for
# them.
from jobqueue.plain_text import unix_code

_SHELL = "/bin/sh"
#: Maximum length of a word on a Linux command line (128 KiB with the trailing NUL).
_MAX_ENTRYPOINT_BYTES = 128 * 1024 - 1
_MAX_CPUS = 1_000_000
_MAX_MEMORY_BYTES = 2**60
_NO_ADDRESS = "127.0.0.1"
#: Seconds from SIGTERM to SIGKILL.
_GRACE_SECONDS = 3.0


class _Entrypoint(Text):
    """A line that fits on a command line."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        line = super()._deserialize(value, attr, data, **kwargs)
        if not line.strip():
            raise ValidationError("Must not be empty.")
        if len(line.encode()) > _MAX_ENTRYPOINT_BYTES:
            raise ValidationError(f"Must be at most {_MAX_ENTRYPOINT_BYTES} bytes long; put the rest into a file.")
        return line


def _check_runtime_env(value: Mapping[str, Any]) -> None:
    from jobqueue.entrypoints.spec import RuntimeEnv

    try:
        RuntimeEnv.parse(value)
    except InvalidInput as error:
        raise ValidationError(error.message) from None


class RunSchema(Schema):
    entrypoint = _Entrypoint(required=True, metadata={"description": "A line for /bin/sh -c."})
    runtime_env = Entries(
        keys=Text(),
        validate=_check_runtime_env,
        load_default=dict,
        metadata={"description": "env_vars, working_dir, py_modules, pip or uv, config: see runtime environments."},
    )
    metadata = Entries(
        keys=Text(),
        values=Text(),
        load_default=dict,
        metadata={"description": "The caller's metadata of the job."},
    )
    packages = Entries(
        keys=Text(),
        values=Text(**shape(r"[0-9a-f]{64}", "Must be a sha256 in lower-case hexadecimal.")),
        load_default=dict,
        metadata={"description": "Expected sha256 of uploaded packages, by name."},
    )
    num_cpus = Number(
        load_default=0.0,
        validate=validate.Range(min=0, max=_MAX_CPUS),
        metadata={"description": "CPUs of the agent's host that are reserved for it; fractions are allowed."},
    )
    memory = Whole(
        load_default=0,
        validate=validate.Range(min=0, max=_MAX_MEMORY_BYTES),
        metadata={"description": "Bytes of the host's memory that are reserved for it."},
    )
    resources = Entries(
        keys=Text(),
        values=Number(validate=validate.Range(min=0, max=_MAX_CPUS)),
        load_default=dict,
        metadata={"description": "Reserved amounts of resources, by the name of an agent's numeric label."},
    )

    @marshmallow.pre_load
    def _without_null(self, data: Any, **_kwargs: Any) -> Any:
        """Clients may send null for missing values."""
        optional = ("num_cpus", "memory", "resources", "metadata", "runtime_env", "packages")
        return {name: value for name, value in data.items() if value is not None or name not in optional}


def _with_digests(data: dict[str, Any], pin: PinPackages) -> dict[str, Any]:
    """The data with the digests of all packages that it names; digests from the caller are kept."""
    if not data.get("runtime_env"):
        return data
    from jobqueue.entrypoints.spec import RuntimeEnv

    if not isinstance(data["runtime_env"], Mapping):  # a secret or a fact, perhaps within a list
        raise InvalidInput.of("runtime_env", "Must be an object; its env_vars can name secrets.")
    digests: Mapping[str, str] = data.get("packages", {})
    # no variable names a package, and the values of some are secrets, which only the agent knows
    fields = {name: value for name, value in data["runtime_env"].items() if name not in ("env_vars", "envVars")}
    missing = [name for name in RuntimeEnv.parse(fields).packages if name not in digests]
    return {**data, "packages": {**digests, **pin(missing)}} if missing else data


@operation(
    "entrypoint.run",
    schema=RunSchema,
    changes=True,
    permission="entrypoint:execute",
    takes_facts=False,
    needs_agent_user=True,  # packages, reservations and cached environments are the agent's
    code={"entrypoint": SHELL},
    prepare=_with_digests,
)
def run(data: dict[str, Any], context: Context) -> Outcome:
    """Run a shell command line in a runtime environment; a non-zero exit code fails the job."""
    from jobqueue.entrypoints.spec import RuntimeEnv
    from jobqueue.entrypoints.surroundings import surround

    if context.settings is None:
        raise OperationFailed("The agent passed no settings, so the operation has no folder to run in.")
    runtime_env = RuntimeEnv.parse(data["runtime_env"])
    cpus, memory = data["num_cpus"], data["memory"]
    resources = {name: (amount, declared(context.labels, name)) for name, amount in data["resources"].items()}

    is_prepared = runtime_env.needs_setup

    def waits() -> None:
        nonlocal is_prepared
        is_prepared = True
        context.report({"phase": "waiting", "num_cpus": cpus, "memory": memory})

    with (
        capacity.of_host().reserve(cpus, memory, context.check, waits, resources),
        surround(runtime_env, data["packages"], context, context.settings) as surroundings,
    ):
        if is_prepared:
            context.report({"phase": "starting"})  # from here on it must not be run a second time
        tail = LogTail()
        result = _run(data["entrypoint"], surroundings, context, tail)
    if result.exit_code:
        raise _failed(result, tail.text(context.redactor))
    return Outcome({"exit_code": 0}, changed=True)


def _run(line: str, surroundings: Surroundings, context: Context, tail: LogTail) -> ProcessResult:
    pids: list[int] = []

    def output(stream: str, chunk: bytes) -> None:
        tail.write(chunk)
        context.output(stream, chunk)

    def started(pid: int) -> None:
        pids.append(pid)
        address = context.facts.get("address.primary") or _NO_ADDRESS
        context.report({"phase": "running", "pid": pid, "node_ip_address": address, "node_name": platform.node()})

    try:
        return context.run(
            [_SHELL, "-c", unix_code(line)],
            cwd=str(surroundings.cwd),
            env=surroundings.env,
            pass_fds=surroundings.fds,
            output=output,
            started=started,
            merged=True,  # one stream, to keep the order of writes
            grace=_GRACE_SECONDS,
        )
    except OperationTimedOut:
        raise
    except OperationFailed as error:
        if pids:
            raise
        raise failed(START_FAILED, error.message) from error


def _failed(result: ProcessResult, logs: str) -> OperationFailed:
    signal = f" ({result.signal_name})" if result.signal_name else ""
    return failed(
        COMMAND_FAILED,
        f"The entrypoint exited with code {result.exit_code}{signal}.",
        exit_code=result.exit_code,
        output=logs,
    )
