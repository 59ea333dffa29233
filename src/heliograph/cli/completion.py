"""`heliograph completion`: prints a completion script, derived from the argument parsers of all commands."""

from __future__ import annotations

import shlex
from argparse import Action, ArgumentParser, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.options import COMMANDS, add_command

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

SHELLS = ("bash", "zsh", "fish")
_EXAMPLES = """\
  eval "$(heliograph completion bash)"                      in ~/.bashrc
  eval "$(heliograph completion zsh)"                       in ~/.zshrc, after compinit
  heliograph completion fish > ~/.config/fish/completions/heliograph.fish
"""
_FILE_METAVARS = ("FILE", "FOLDER", "WHERE")


def add_completion(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "completion", _EXAMPLES, completion, config=False)
    parser.add_argument("shell", choices=SHELLS, help="the shell that will read the script")


class CompletionWord(NamedTuple):
    """One word that can be completed, with its help."""

    text: str
    help: str
    values: tuple[str, ...] = ()
    """The choices of an option's value."""
    takes: str = ""
    """"file" or "value" if an option takes an argument, else empty."""


def completion(options: Namespace) -> int:
    """Print the script of one shell."""
    from heliograph.cli.main import build_parser  # noqa: PLC0415 - `main` imports the commands

    words: dict[str, list[CompletionWord]] = {"": [CompletionWord(*row) for row in COMMANDS.items()]}
    for name in COMMANDS:
        top = build_parser(name)
        if not words[""][len(COMMANDS) :]:
            words[""] += _words(top)
        _collect_words(_subparsers(top)[name], name, words)
    print("\n".join({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](words)))
    return 0


def _collect_words(parser: ArgumentParser, path: str, words: dict[str, list[CompletionWord]]) -> None:
    """Add the words after a command, and recursively those after its subcommands."""
    subparsers = _subparsers(parser)
    sentences = {one.dest: one.help for action in _sub_actions(parser) for one in action._choices_actions}  # noqa: SLF001
    words[path] = [CompletionWord(name, sentences[name] or "") for name in subparsers if name in sentences]
    words[path] += _words(parser)
    for name in sentences:
        _collect_words(subparsers[name], f"{path} {name}", words)


def _words(parser: ArgumentParser) -> list[CompletionWord]:
    """Return the options and the positional choices of a parser."""
    found = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public access
        if action.help == "==SUPPRESS==" or isinstance(action, _SubParsersAction):
            continue
        sentence = (action.help or "").split(";")[0].split(" (default")[0].replace("%%", "%")
        sentence = " ".join(sentence.replace("%(default)s", "").split())
        choices = tuple(map(str, action.choices or ()))
        if not action.option_strings:
            found += [CompletionWord(choice, sentence) for choice in choices]
        for option in action.option_strings:
            if option.startswith("--"):
                found.append(CompletionWord(option, sentence, choices, _takes(action)))
    return found


def _takes(action: Action) -> str:
    if action.nargs == 0:
        return ""
    return "file" if action.metavar in _FILE_METAVARS or action.type is Path else "value"


def _sub_actions(parser: ArgumentParser) -> list[_SubParsersAction[ArgumentParser]]:
    return [action for action in parser._actions if isinstance(action, _SubParsersAction)]  # noqa: SLF001


def _subparsers(parser: ArgumentParser) -> Mapping[str, ArgumentParser]:
    return {name: child for action in _sub_actions(parser) for name, child in action.choices.items()}


Words = dict[str, list[CompletionWord]]


def _bash(words: Words) -> Iterator[str]:
    first = 'local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"'
    yield from _shell_function(words, first)
    yield '  if [ "$values" = "@file" ]; then compopt -o default 2>/dev/null; COMPREPLY=(); return; fi'
    yield '  COMPREPLY=($(compgen -W "$values" -- "$current"))'
    yield "}"
    yield "complete -F _heliograph heliograph"


def _zsh(words: Words) -> Iterator[str]:
    yield "#compdef heliograph"
    # `words` of zsh is the line; the arrays of bash are set so that both shells share the rest.
    first = 'local current="${words[CURRENT]}" previous="${words[CURRENT-1]}"; local -a COMP_WORDS; local COMP_CWORD'
    yield from _shell_function(words, f'{first}; COMP_WORDS=("${{words[@]}}"); COMP_CWORD=$((CURRENT-1))')
    yield '  if [ "$values" = "@file" ]; then _files; return; fi'
    yield "  compadd -- ${=values}"
    yield "}"
    yield "compdef _heliograph heliograph"


def _shell_function(words: Words, first: str) -> Iterator[str]:
    """Yield the function that sets `values` to the words that may follow; its end differs by shell."""
    yield "_heliograph() {"
    yield f"  {first}"
    yield '  local word command="" values="" number=0'
    yield '  for word in "${COMP_WORDS[@]}"; do'
    yield '    if [ "$number" -gt 0 ] && [ "$number" -lt "$COMP_CWORD" ]; then'
    yield '      case "${command:+$command }$word" in'
    yield f'        {_alternatives(path for path in words if path)}) command="${{command:+$command }}$word" ;;'
    yield "      esac"
    yield "    fi"
    yield "    number=$((number + 1))"
    yield "  done"
    yield '  case "$command $previous" in'
    for path, found in words.items():
        for word in found:
            if word.takes:
                values = " ".join(word.values) or ("@file" if word.takes == "file" else "@none")
                yield f"    {shlex.quote(f'{path} {word.text}')}) values={shlex.quote(values)} ;;"
    yield "  esac"
    yield '  [ "$values" = "@none" ] && return'
    yield '  if [ -z "$values" ]; then case "$command" in'
    for path, found in words.items():
        yield f"    {shlex.quote(path)}) values={shlex.quote(' '.join(word.text for word in found))} ;;"
    yield "  esac; fi"


def _alternatives(paths: Iterator[str]) -> str:
    return "|".join(shlex.quote(path) for path in paths)


def _fish(words: Words) -> Iterator[str]:
    yield "complete -c heliograph -f"
    for path, found in words.items():
        condition = _fish_condition(path, words)
        for word in found:
            about = f" -d {_fish_quote(word.help)}" if word.help else ""
            if not word.text.startswith("--"):
                yield f"complete -c heliograph -n {_fish_quote(condition)} -a {_fish_quote(word.text)}{about}"
                continue
            value = ""
            if word.takes:
                value = f" -x -a {_fish_quote(' '.join(word.values))}" if word.values else " -x"
                value = " -r -F" if word.takes == "file" else value
            yield f"complete -c heliograph -n {_fish_quote(condition)} -l {word.text[2:]}{value}{about}"


def _fish_condition(path: str, words: Words) -> str:
    """Return the test for the command line of a path: its words have been typed, and none of its subcommands."""
    if not path:
        return "__fish_use_subcommand"
    seen = [f"__fish_seen_subcommand_from {word}" for word in path.split()]
    children = [other.rpartition(" ")[2] for other in words if other.rpartition(" ")[0] == path]
    if children:
        seen.append(f"not __fish_seen_subcommand_from {' '.join(children)}")
    return "; and ".join(seen)


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
