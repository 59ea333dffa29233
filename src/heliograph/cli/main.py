"""The entry point: one command is run, and whatever fails becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib import import_module
from typing import TYPE_CHECKING

from heliograph import __version__
from heliograph.cli.options import COMMANDS, take_trailing_arguments
from heliograph.cli.terminal import report_failure, set_encoding_fallback

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

_ASKING = ("now", "call", "backfill")
"""Commands that talk to clouds, and so end curtailments whose time is over."""

_EPILOG = """\
accounts come from `heliograph login`, from the configuration file or from the environment:
  HELIOGRAPH_GROWATT_USERNAME, HELIOGRAPH_GROWATT_PASSWORD
  HELIOGRAPH_GOODWE_USERNAME, HELIOGRAPH_GOODWE_PASSWORD
HELIOGRAPH_HOME is the folder of everything kept between runs; without it the system's own folders are used.

examples:
  heliograph demo                    both clouds in a box, live in this terminal
  heliograph now                     what every plant does at this moment
  heliograph now --json
  heliograph call growatt plant_list
"""


def build_parser(command: str | None = None) -> ArgumentParser:
    """Return the argument parser. Only the module of `command` is imported; the other commands are listed by name."""
    whole = ArgumentParser(
        prog="heliograph",
        description="Your solar data out of the Growatt and GoodWe clouds.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"heliograph {__version__}")
    commands = whole.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, sentence in COMMANDS.items():
        if name == command:
            getattr(import_module(f"heliograph.cli.{name}"), f"add_{name}")(commands)
        else:
            commands.add_parser(name, help=sentence)
    return whole


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 to be fixed by the person, 130 stopped."""
    _have_streams()
    set_encoding_fallback()
    words = sys.argv[1:] if argv is None else argv
    grammar = build_parser(next((word for word in words if not word.startswith("-")), None))
    options, rest = grammar.parse_known_args(argv)
    if rest and not take_trailing_arguments(options, rest):
        grammar.error(f"unrecognized arguments: {' '.join(rest)}")
    return run_guarded(lambda: _done(options))


def _have_streams() -> None:
    """Let who closed a stream (`>&-`) hear nothing; Python leaves None in its place."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _done(options: Namespace) -> int:
    if options.command in _ASKING:
        from heliograph.cli.settings.recover import restore_due  # noqa: PLC0415 - help needs no orders

        restore_due(options)
    return int(options.run(options))


def run_guarded(command: Callable[[], int]) -> int:
    """Run a command; a failure is one line on stderr, never a traceback and never a secret."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has left (`| head`); Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the edge of the program: nothing may end in a traceback
        return report_failure(error)
    return code
