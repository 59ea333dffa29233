"""Entry point of the command line: runs one command; errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn

from heliograph import __version__
from heliograph.cli.options import COMMANDS, MODULES, move_global_options, take_trailing_arguments
from heliograph.cli.terminal import WrappedHelp, printable, report_failure, set_encoding_fallback, wrap

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

_CONTACTING = ("now", "call", "backfill", "record")
"""Commands that contact clouds, and therefore first restore curtailments that are due."""

_EPILOG = """\
--config, --server, --account, --store and --json may be given before or after the command.

accounts come from `heliograph setup`, `heliograph login`, the configuration file or the environment:
  HELIOGRAPH_GROWATT_USERNAME, HELIOGRAPH_GROWATT_PASSWORD
  HELIOGRAPH_GOODWE_USERNAME, HELIOGRAPH_GOODWE_PASSWORD
HELIOGRAPH_HOME is the folder for all data and configuration (default: the system's standard folders).

examples:
  heliograph setup                   set up accounts, page, MQTT and service, step by step
  heliograph run                     collect everything and serve the page
  heliograph demo                    both clouds emulated, live in this terminal
  heliograph now                     current values of every plant
  heliograph now --json
  heliograph call growatt plant_list
"""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with the usage and the error, wrapped at words at a terminal; also for commands."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{wrap(f'{self.prog}: error: {message}', sys.stderr)}\n")


def build_parser(command: str | None = None) -> ArgumentParser:
    """Return the argument parser. Only the module of `command` is imported; the other commands are listed by name."""
    parser = _Parser(
        prog="heliograph",
        description="Export and store solar data from the Growatt and GoodWe clouds.",
        epilog=_EPILOG,
        formatter_class=WrappedHelp,
    )
    parser.add_argument("--version", action="version", version=f"heliograph {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, sentence in COMMANDS.items():
        if name == command:
            getattr(import_module(f"heliograph.cli.{MODULES.get(name, name)}"), f"add_{name}")(commands)
        else:
            commands.add_parser(name, help=sentence)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line; exit code 0 success, 1 failure, 2 usage or configuration error, 130 interrupted."""
    _replace_closed_streams()
    set_encoding_fallback()
    words = move_global_options(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser(command)
    if not words:
        parser.print_help()
        return 2
    if command is not None and command not in COMMANDS:
        from heliograph.config.table import did_you_mean  # noqa: PLC0415 - for a misspelt command only

        guess = did_you_mean(command, tuple(COMMANDS))
        parser.error(f"{printable(command[:60])!r} is not a command{guess or '; heliograph --help lists them'}")
    if _has_token_value(words):
        parser.error(
            "--token takes no value, because other users could read it in the process list; the token is asked for, or "
            "read from standard input with --token-stdin"
        )
    options, rest = parser.parse_known_args(words)
    if rest and not take_trailing_arguments(options, rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return run_guarded(lambda: _run_command(options))


_LONGEST_NAME = 20
"""Length of an argument from which it may be a token."""


def _has_token_value(words: Sequence[str]) -> bool:
    """Return whether a token was typed after --token, where no error may repeat it."""
    pairs = pairwise(words)
    return any(word.startswith("--token=") for word in words) or any(
        option == "--token" and len(value) > _LONGEST_NAME for option, value in pairs
    )


def _replace_closed_streams() -> None:
    """Discard output to a closed stream (`>&-`), for which Python leaves None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _run_command(options: Namespace) -> int:
    if options.command in _CONTACTING:
        from heliograph.cli.settings.recover import restore_due  # noqa: PLC0415 - keeps --help fast

        restore_due(options)
    return int(options.run(options))


def run_guarded(command: Callable[[], int]) -> int:
    """Run a command; a failure prints one line on stderr, without traceback and secrets."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`); Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - no command may end in a traceback
        return report_failure(error)
    return code
