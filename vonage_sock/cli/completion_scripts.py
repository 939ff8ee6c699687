"""
Shell completion as scripts that hold all there is to complete: at a Tab no process is started.

``describe`` says what there is, the three functions write it as each shell wants it. bash may be 3.2, which macOS has.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import Final

from vonage_sock import __version__
from vonage_sock.cli.describe import Described, Parameter, Values

_BASH: Final = r"""# Completion of vsock @VERSION@ for bash, written by: vsock completion bash

_vsock_words() {  # Sets words to the commands that may follow, and options.
    case $1 in
@WORDS@
    esac
}

_vsock_takes() {  # Sets values to what follows an option; without one, to what the command's arguments are.
    case $1 in
@TAKES@
        *) return 1 ;;
    esac
}

_vsock_files() {
    # bash's own way knows of spaces, ~ and the slash behind a directory; before bash 4 there was no asking for it.
    compopt -o "$1" 2>/dev/null || COMPREPLY=($(compgen "$2" -- "$cur"))
}

_vsock() {
    local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD i
    local command='' option='' behind='' words='' options='' values=''
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case '|@COMMANDS@|' in
            *"|${command:+$command }${COMP_WORDS[i]}|"*) command="${command:+$command }${COMP_WORDS[i]}" ;;
        esac
    done
    # To bash --then=echo is three words, and --on-dtmf 1=menu.wav four.
    if [ "$cur" = '=' ]; then
        cur='' behind=1
    elif [ "$at" -gt 1 ] && [ "${COMP_WORDS[at - 1]}" = '=' ]; then
        at=$((at - 1)) behind=1
    fi
    option=${COMP_WORDS[at - 1]}
    while [ -n "$behind" ] && [ "$at" -gt 2 ] && [ "${option:0:1}" != '-' ] && [ "$behind" -lt 3 ]; do
        at=$((at - 1)) behind=$((behind + 1)) option=${COMP_WORDS[at - 1]}
    done
    if [ "${option:0:1}" = '-' ] && _vsock_takes "${command:+$command }$option"; then
        :
    elif [ "${cur:0:1}" = '-' ]; then
        _vsock_words "$command"
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        return
    else
        _vsock_words "$command"
        _vsock_takes "${command:+$command }" || values=''
        values="$words $values"
    fi
    case $values in
        *@file) _vsock_files default -f ;;
        *@directory) _vsock_files dirnames -d ;;
        *@pair) [ -z "$behind" ] || _vsock_files default -f ;;
        *) COMPREPLY=($(compgen -W "$values" -- "$cur")) ;;
    esac
}

complete -F _vsock vsock
"""

_ZSH: Final = r"""#compdef vsock
# Completion of vsock @VERSION@ for zsh, written by: vsock completion zsh
@FUNCTIONS@

if [ "${funcstack[1]}" = _vsock ]; then
    _vsock "$@"
else
    compdef _vsock vsock
fi
"""

_FISH: Final = r"""# Completion of vsock @VERSION@ for fish, written by: vsock completion fish

function __vsock_is --description 'Is the command that has been typed so far this one?'
    set --local command
    for word in (commandline --tokenize --cut-at-cursor --current-process)[2..-1]
        set --local longer (string join ' ' $command $word)
        contains -- "$longer" @COMMANDS@
        and set command "$longer"
    end
    test "$command" = "$argv"
end

complete --command vsock --no-files
@LINES@
"""


def bash(commands: list[Described]) -> str:
    """The script for bash."""
    words: list[str] = []
    takes: dict[str, list[str]] = {}
    for command in commands:
        path = " ".join(command.path)
        names = " ".join(name for option in command.options for name in option.names)
        words.append(f"        '{path}') words='{' '.join(command.commands)}' options='{names}' ;;")
        for place, values in _places(command):
            takes.setdefault(_bash_values(values), []).append(f"'{place}'")
    return _filled(
        _BASH,
        WORDS="\n".join(words),
        TAKES="\n".join(f"        {'|'.join(places)}) values='{values}' ;;" for values, places in takes.items()),
        COMMANDS="|".join(" ".join(command.path) for command in commands if command.path),
    )


def _places(command: Described) -> Iterable[tuple[str, Values]]:
    """Where something of ``command`` is taken: its path and an option's name, or none for arguments."""
    path = "".join(f"{word} " for word in command.path)
    for option in command.options:
        if option.values.kind != "flag":
            yield from ((f"{path}{name}", option.values) for name in option.names)
    if command.arguments:
        yield path, command.arguments[0].values


def _bash_values(values: Values) -> str:
    return " ".join(values.words) if values.kind == "words" else "" if values.kind == "text" else f"@{values.kind}"


def zsh(commands: list[Described]) -> str:
    """The script for zsh: a file of ``fpath`` with the name ``_vsock``, or evaluated after ``compinit``."""
    return _filled(_ZSH, FUNCTIONS="\n".join(_zsh_function(command, commands) for command in commands))


def _zsh_function(command: Described, commands: list[Described]) -> str:
    specs = [spec for option in command.options for spec in _zsh_option(option)]
    name = "_".join(("_vsock", *command.path))
    if not command.commands:
        specs += [
            f"'{'*' if item.repeatable else ''}:{_zsh_text(item.metavar)}:{_zsh_action(item.values)}'"
            for item in command.arguments
        ]
        return f"\n{name}() {{\n    _arguments -s {_continued(specs)}\n}}"
    below = command.below(commands)
    told = "\n".join(f"                {_quoted(f'{other.path[-1]}:{other.summary}')}" for other in below)
    calls = "\n".join(f"                {other.path[-1]}) {name}_{other.path[-1]} ;;" for other in below)
    return f"""
{name}() {{
    local context state state_descr line
    local -A opt_args
    _arguments -C {_continued([*specs, "'1: :->command'", "'*:: :->arguments'"])}
    case $state in
        command)
            local -a commands=(
{told}
            )
            _describe -t commands 'vsock command' commands
            ;;
        arguments)
            case $words[1] in
{calls}
            esac
            ;;
    esac
}}"""


def _zsh_option(option: Parameter) -> Iterable[str]:
    told = f"[{_zsh_text(option.short_help)}]"
    others = "*" if option.repeatable else f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    value = "" if option.values.kind == "flag" else f":{_zsh_text(option.metavar)}:{_zsh_action(option.values)}"
    for name in option.names:
        equals = "=" if value and name.startswith("--") else ""
        yield f"'{others}{name}{equals}{told}{value}'"


def _zsh_action(values: Values) -> str:
    match values.kind:
        case "words":
            return f"({' '.join(values.words)})"
        case "file":
            return "_files"
        case "directory":
            return "_files -/"
        case "pair":
            return '{ compset -P "*=" && _files }'
        case _:
            return " "


def _zsh_text(text: str) -> str:
    """Within the single quotes of a spec of ``_arguments``."""
    for special in "\\[]:":
        text = text.replace(special, f"\\{special}")
    return text.replace("'", "'\\''")


def _continued(specs: list[str]) -> str:
    return "".join(f"\\\n        {spec} " for spec in specs).rstrip()


def fish(commands: list[Described]) -> str:
    """The script for fish."""
    lines = [line for command in commands for line in _fish_lines(command, commands)]
    paths = (_quoted(" ".join(command.path)) for command in commands if command.path)
    return _filled(_FISH, COMMANDS=" ".join(paths), LINES="\n".join(lines))


def _fish_lines(command: Described, commands: list[Described]) -> Iterable[str]:
    here = f"complete --command vsock --condition {_quoted(' '.join(('__vsock_is', *command.path)))}"
    for other in command.below(commands):
        yield f"{here} --arguments {other.path[-1]} --description {_quoted(other.summary)}"
    for option in command.options:
        names = " ".join(
            f"--long-option {name[2:]}" if name.startswith("--") else f"--short-option {name[1:]}"
            for name in option.names
        )
        yield f"{here} {names} --description {_quoted(option.short_help)}{_fish_values(option.values)}"
    for argument in command.arguments[:1]:
        if wanted := _fish_values(argument.values).replace(" --require-parameter", "").replace(" --exclusive", ""):
            yield f"{here}{wanted}"


def _fish_values(values: Values) -> str:
    match values.kind:
        case "flag":
            return ""
        case "words":
            return f" --exclusive --arguments {_quoted(' '.join(values.words))}"
        case "directory":
            return " --exclusive --arguments '(__fish_complete_directories)'"
        case "file" | "pair":
            return " --require-parameter --force-files"
        case _:
            return " --exclusive"


def _quoted(text: str) -> str:
    return shlex.quote(text).replace("'\"'\"'", r"'\''")


def _filled(template: str, **parts: str) -> str:
    for name, text in {"VERSION": __version__, **parts}.items():
        template = template.replace(f"@{name}@", text)
    return template


SCRIPTS: Final[dict[str, Callable[[list[Described]], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
