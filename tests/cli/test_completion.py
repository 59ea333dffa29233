"""`heliograph completion`: the scripts, loaded by the shells that are installed."""

import shutil
import subprocess
import sys

import pytest

from heliograph.cli.main import run
from heliograph.cli.options import COMMANDS

PROGRAM = [sys.executable, "-m", "heliograph", "completion"]

_BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_heliograph
printf '%s\\n' "${COMPREPLY[@]}"
"""
_ZSH = """
compdef() { }; compadd() { shift; print -l -- "$@" }; _files() { print FILES }
source "$1"; shift
words=("$@"); CURRENT=$#
_heliograph
"""
_FISH = """
set script $argv[1]; set -e argv[1]
source $script
complete -C "$argv"
"""


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Return what a shell offers for the words of a command line, of which the last one is completed."""
    folder = tmp_path_factory.mktemp("completion")

    def complete(shell, *words):
        program = shutil.which(shell)
        if program is None:
            pytest.skip(f"{shell} is not installed")
        script = folder / shell
        if not script.exists():
            script.write_bytes(subprocess.run([*PROGRAM, shell], capture_output=True, check=True).stdout)
        harness = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]
        clean = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        typed = [" ".join(words)] if shell == "fish" else list(words)
        name = [] if shell == "fish" else [shell]
        done = subprocess.run(
            [program, *clean, "-c", harness, *name, str(script), *typed], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
        return {word for word in found if word.startswith(words[-1])}

    return complete


shells = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


@shells
def test_completion_offers_commands(complete, shell):
    assert set(COMMANDS) <= complete(shell, "heliograph", "")
    assert complete(shell, "heliograph", "no") == {"now"}


@shells
def test_completion_offers_options_choices_and_subcommands(complete, shell):
    assert complete(shell, "heliograph", "collect", "--no") == {"--no-backfill"}
    assert complete(shell, "heliograph", "login", "g") == {"growatt", "goodwe"}
    assert complete(shell, "heliograph", "export", "--format", "") >= {"csv", "jsonl", "parquet"}
    assert complete(shell, "heliograph", "settings", "s") == {"show", "set", "schedule"}
    assert "--dry-run" in complete(shell, "heliograph", "settings", "set", "--d")


def test_completion_omits_old_names(complete, capsys):
    for shell in ("bash", "zsh", "fish"):
        assert run(["completion", shell]) == 0
        out = capsys.readouterr().out
        assert "no-heal" not in out
        assert "recover" not in out
