"""``jobqueue completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from jobqueue.errors import JobQueueError

_PROGRAM = "jobqueue"
_VARIABLE = "_JOBQUEUE_COMPLETE"
#: In place of click's: bash also splits words at : = and @ (COMP_WORDBREAKS), which targets and saved jobs have. The
#: words are joined again where no blank is between them. Bash replaces only what follows the last : or =, but an @ too.
_BASH = r"""_jobqueue_completion() {
    local IFS=$'\n' rest=$COMP_LINE words=() last=-1 index word bare completion type value response
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        bare=${rest#"${rest%%[![:blank:]]*}"}
        if ((last >= 0)) && [[ $bare == "$rest" && -n $rest ]]; then
            words[last]+=$word
        else
            last=$((last + 1))
            words[last]=$word
        fi
        rest=${bare#"$word"}
    done
    word=${words[last]}
    if [[ $word == -*=* ]]; then word=${word#*=}; fi
    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD="$last" _JOBQUEUE_COMPLETE=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == dir ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == file ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == plain ]]; then
            COMPREPLY+=("${value#"${word%"${word##*[:=]}"}"}")
        fi
    done
}
complete -o nosort -F _jobqueue_completion jobqueue
"""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script for commands, options, job ids, hostnames and operations.

    \b
    bash:  echo 'eval "$(jobqueue completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(jobqueue completion zsh)"' >> ~/.zshrc
    fish:  jobqueue completion fish > ~/.config/fish/completions/jobqueue.fish
    """
    if shell == "bash":
        click.echo(_BASH)
        return
    kind = get_completion_class(shell)
    if kind is None:
        raise JobQueueError(f"The installed click does not support completion for {shell}.")
    click.echo(kind(click.Group(_PROGRAM), {}, _PROGRAM, _VARIABLE).source())
