"""`heliograph demo`: emulates both clouds, reads them over real HTTP into a store, and shows the result live."""

from __future__ import annotations

import signal
from argparse import ArgumentTypeError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from heliograph.cli.demo.page import fetch_history, serve_page
from heliograph.cli.demo.run import open_demo
from heliograph.cli.options import add_command

if TYPE_CHECKING:
    from argparse import Namespace

_EXAMPLES = """\
  heliograph demo
  heliograph demo --speed 600
  heliograph demo --once --json
"""


def add_demo(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "demo", _EXAMPLES, demo, config=False)
    parser.add_argument("--once", action="store_true", help="read every plant once, then exit")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON instead of a table")
    parser.add_argument(
        "--speed", type=_speed, default=60.0, metavar="N", help="simulated seconds per second (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="random seed (default: %(default)s)")


def demo(options: Namespace) -> int:
    """Show the demo until Ctrl-C, with exit code 0."""
    with open_demo(options.speed, options.seed) as run:
        if options.once:
            run.print_once(as_json=options.json)
            return 0
        # SIGTERM ends a demo in the background like Ctrl-C, with exit code 0.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), serve_page(run) as run.page, fetch_history(run, run.fetch()):
            run.show_live(as_json=options.json)
        return 0


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed <= 86_400:
        raise ArgumentTypeError(f"must be from 0 to 86400, got {text}")
    return speed
