"""`heliograph demo`: both clouds in a box, read over real HTTP, kept in a store and shown live."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

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
    parser.add_argument("--once", action="store_true", help="read every plant once, then end")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON instead of a table")
    parser.add_argument("--speed", type=_speed, default=60.0, metavar="N", help="simulated seconds per second (60)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="decides the weather and the homes (7)")


def demo(options: Namespace) -> int:
    """Show the demo until it is stopped; stopping is how it ends well."""
    from heliograph.cli.demo.run import open_demo  # noqa: PLC0415 - help needs no emulator

    with open_demo(options.speed, options.seed) as box:
        if options.once:
            box.print_once(as_json=options.json)
            return 0
        with suppress(KeyboardInterrupt):
            box.show_live(as_json=options.json)
        return 0


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed <= 86_400:
        raise ArgumentTypeError(f"is from 0 to 86400, not {text}")
    return speed
