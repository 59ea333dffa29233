"""`heliograph emulate`: both clouds in a box, from the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.main import EmulatorOptions

_MOST_ACCOUNTS = 10_000
_CENTURY = range(2000, 2100)

_EPILOG = """\
examples:
  heliograph emulate
      both clouds on a free port; the first line of output says where, and which accounts there are
  heliograph emulate --port 8080 --start 2026-06-21T12:00:00+02:00 --speed 60 --seed 7 --accounts 3
      a summer day on which a minute lasts a second; the same seed gives the same town
  heliograph emulate --start 2026-03-29T00:00:00+01:00 --zone Europe/Berlin --speed 600
      the day the clocks change
  heliograph emulate --fault lock=5 --fault slow=2 --fault "html=*1"
      accounts locked after 5 logins, 2 seconds until every answer, one HTML page instead of the first answer
  heliograph emulate --fault september
      GoodWe as it is since September 2026: the SEMS Portal has almost nothing to say, SEMS+ has it all

while it runs (CONTROL stands in the first line):
  curl CONTROL/log
  curl CONTROL/truth?plant=ID
  curl -d '{"reset": "*1", "slow": null}' CONTROL/faults
  curl -d '{"advance": 3600, "speed": 0}' CONTROL/clock

faults: lock=LOGINS, quota=REQUESTS, expire=SECONDS, idle=SECONDS, flaky=REQUESTS, rival=SECONDS, html,
        block=REQUESTS/SECONDS/HOURS, silent, rate=REQUESTS, region, empty, truncated, slow=SECONDS, reset, outage,
        http500; those that lie: late=HOURS, offline, frozen, replay, glitch; those of orders: unwilling, deaf,
        clamp=LOW/HIGH, sluggish=SECONDS, revert=SECONDS, halfway=ORDERS, unread=CODE
faults of Growatt alone:
  lenient_lock   to try in vain does not make a lock longer
  zero_totals    lifetime totals of classic inverters are 0 from midnight to sunrise
faults of GoodWe alone:
  september   the SEMS Portal answers success without data
  classic     there is no SEMS+ yet
  station2    hybrid plants are known to SEMS+ only
  agreement   a login succeeds without a session, until terms are accepted
  no_api      a login does not say where to go on
  gateway     a login to the SEMS Portal leads to the gateway of SEMS+
  morning_dip lifetime import and export are too low for an hour or more each morning
"""


def add_emulate(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "emulate",
        help="serve emulated Growatt and GoodWe clouds on this machine",
        description="Serve emulated Growatt and GoodWe clouds over one town, a port for each region, until SIGTERM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", default="0", help="port to listen on; 0, the default, takes a free one")
    parser.add_argument("--second-port", default="0", help="port of the second region (default: a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--start", metavar="MOMENT", help="simulated moment to start at (default: now)")
    parser.add_argument("--speed", default="1", help="simulated seconds per second; 0 freezes (default: %(default)s)")
    parser.add_argument("--seed", default="7", help="decides everything that is by chance (default: %(default)s)")
    parser.add_argument("--accounts", default="2", help="how many accounts, clouds in turn (default: %(default)s)")
    parser.add_argument("--zone", help="time zone of the plants, as Europe/Berlin (default: the offset of --start)")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="switch a fault on; VALUE*N for N requests"
    )
    parser.set_defaults(run=emulate)


def emulate(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    from heliograph.emulator import main  # noqa: PLC0415 - other commands need no emulator

    return main.run_emulator(_options(options))


def _options(given: argparse.Namespace) -> EmulatorOptions:
    from heliograph.emulator.control import parse_speed  # noqa: PLC0415
    from heliograph.emulator.main import EmulatorOptions  # noqa: PLC0415
    from heliograph.local_time import parse_zone  # noqa: PLC0415

    return EmulatorOptions(
        port=_whole("--port", given.port, 0, 65535),
        second_port=_whole("--second-port", given.second_port, 0, 65535),
        host=given.host,
        start=None if given.start is None else _start(given.start),
        speed=parse_speed(given.speed),
        seed=_whole("--seed", given.seed, -(2**63), 2**63),
        accounts=_whole("--accounts", given.accounts, 1, _MOST_ACCOUNTS),
        faults=tuple(given.fault),
        zone=None if given.zone is None else parse_zone("--zone", given.zone),
    )


def _start(text: str) -> datetime:
    from heliograph.emulator.control import parse_moment  # noqa: PLC0415

    moment = parse_moment(text)
    if moment.year not in _CENTURY:
        raise ConfigError(f"--start is a moment of this century, not {text}")
    return moment


def _whole(option: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise ConfigError(f"{option} is a whole number, not {text!r}") from error
    if not least <= number <= most:
        raise ConfigError(f"{option} is from {least} to {most}, not {number}")
    return number
