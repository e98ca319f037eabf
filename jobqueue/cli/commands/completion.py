"""``jobqueue completion``."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from jobqueue.errors import JobQueueError

_PROGRAM = "jobqueue"
_VARIABLE = "_JOBQUEUE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script for commands, options, job ids, hostnames and operations.

    \b
    bash:  echo 'eval "$(jobqueue completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(jobqueue completion zsh)"' >> ~/.zshrc
    fish:  jobqueue completion fish > ~/.config/fish/completions/jobqueue.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise JobQueueError(f"The installed click does not support completion for {shell}.")
    # of the base class: bash's own would start a bash here to learn its version
    click.echo(ShellComplete.source(kind(click.Group(_PROGRAM), {}, _PROGRAM, _VARIABLE)))
