"""`heliograph emulate`: serves emulated versions of both clouds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import COMMANDS
from heliograph.cli.terminal import WrappedHelp
from heliograph.emulator.control import parse_moment, parse_speed
from heliograph.emulator.main import EmulatorOptions, run_emulator, serve_until_stopped
from heliograph.errors import ConfigError
from heliograph.local_time import parse_zone

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

_MAX_ACCOUNTS = 10_000
_YEARS = range(2000, 2100)

_EPILOG = """\
examples:
  heliograph emulate
      both clouds on a free port; the first line of output has the URLs and the accounts
  heliograph emulate --port 8080 --start 2026-06-21T12:00:00+02:00 --speed 60 --seed 7 --accounts 3
      a summer day, one simulated minute per second; the same seed creates the same world
  heliograph emulate --start 2026-03-29T00:00:00+01:00 --zone Europe/Berlin --speed 600
      the day daylight saving time begins
  heliograph emulate --fault lock=5 --fault slow=2 --fault "html=*1"
      accounts locked after 5 logins, responses delayed by 2 seconds, an HTML page as the first response
  heliograph emulate --extra-plant nexa
      each Growatt account has a NEXA balcony battery, too
  heliograph emulate --fault september
      GoodWe since September 2026: the SEMS Portal answers without data, SEMS+ has all of it
  heliograph emulate --replay my-recording/growatt-password
      the recorded responses of `heliograph record`, at the recorded time

while it runs (the first line of output has the CONTROL URL):
  curl CONTROL/log
  curl CONTROL/truth?plant=ID
  curl -d '{"reset": "*1", "slow": null}' CONTROL/faults
  curl -d '{"advance": 3600, "speed": 0}' CONTROL/clock

faults: lock=LOGINS, quota=REQUESTS, expire=SECONDS, idle=SECONDS, flaky=REQUESTS, rival=SECONDS, html,
        block=REQUESTS/SECONDS/HOURS, silent, rate=REQUESTS, region, empty, truncated, slow=SECONDS, reset, outage,
        http500
data faults: late=HOURS, offline, faulty=CODE, undated, frozen, replay, glitch, new_family
device faults: unwilling, deaf, clamp=LOW/HIGH, sluggish=SECONDS, revert=SECONDS, halfway=COMMANDS, unread=CODE
faults of Growatt only:
  lenient_lock   a login attempt while locked does not extend the lock
  no_classic_login  the server no longer has the classic login, only the app's
  no_app_login   the server does not have the app's login
  zero_power     the plant list reports no power
  zero_totals    lifetime totals of classic inverters are 0 from midnight to sunrise
  too_often      the token API refuses every read as too frequent
  no_permission  tokens list plants and devices, but may not read devices
  token_replaced tokens are no longer valid, as if new ones had been created
  empty_devices  device lists of the token API are empty, with a count of 1
  write_reports_error  a write by token reports a system error although it is applied
  portal_refuses the web portal refuses logins that the app accepts
faults of GoodWe only:
  september   the SEMS Portal answers success without data
  classic     SEMS+ does not exist yet
  station2    hybrid plants exist in SEMS+ only
  agreement   a login succeeds without a session, until terms are accepted
  no_api      a login response does not name the API address
  visitor     SEMS+ refuses the measurements of devices
  gateway     a login to the SEMS Portal redirects to the gateway of SEMS+
  morning_dip lifetime import and export are too low for an hour or more each morning
"""


def add_emulate(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "emulate",
        help=COMMANDS["emulate"],
        description="Serve emulated Growatt and GoodWe clouds of one simulated world, until SIGTERM.",
        epilog=_EPILOG,
        formatter_class=WrappedHelp,
    )
    parser.add_argument("--port", default="0", help="port to listen on; 0 takes a free one (default: 0)")
    parser.add_argument("--second-port", default="0", help="port of the second region (default: a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--start", metavar="TIME", help="simulated start time (default: now)")
    parser.add_argument("--speed", default="1", help="simulated seconds per second; 0 stops it (default: %(default)s)")
    parser.add_argument("--seed", default="7", help="random seed (default: %(default)s)")
    parser.add_argument(
        "--accounts", default="2", help="number of accounts, of both clouds in turn (default: %(default)s)"
    )
    parser.add_argument(
        "--extra-plant",
        action="append",
        default=[],
        metavar="FAMILY",
        help="add a plant of a family that accounts do not have otherwise: nexa, max, sph-s, wit",
    )
    parser.add_argument("--zone", help="time zone of the plants, like Europe/Berlin (default: offset of --start)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="switch a fault on; VALUE*N: for N requests",
    )
    parser.add_argument(
        "--replay",
        metavar="FOLDER",
        type=Path,
        help="serve this recording instead; of the other options, only ports, host and speed apply",
    )
    parser.set_defaults(run=emulate)


def emulate(options: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parsed = _options(options)
    if options.replay is None:
        return run_emulator(parsed)
    from heliograph.emulator.recording.bundle import read_bundle  # noqa: PLC0415 - only for a recording
    from heliograph.emulator.recording.replay import Replay  # noqa: PLC0415

    return serve_until_stopped(Replay(read_bundle(options.replay), parsed.speed), parsed)


def _options(given: Namespace) -> EmulatorOptions:
    return EmulatorOptions(
        port=_parse_integer("--port", given.port, 0, 65535),
        second_port=_parse_integer("--second-port", given.second_port, 0, 65535),
        host=given.host,
        start=None if given.start is None else _parse_start(given.start),
        speed=parse_speed(given.speed),
        seed=_parse_integer("--seed", given.seed, -(2**63), 2**63),
        accounts=_parse_integer("--accounts", given.accounts, 1, _MAX_ACCOUNTS),
        faults=tuple(given.fault),
        zone=None if given.zone is None else parse_zone("--zone", given.zone),
        extra_plants=tuple(given.extra_plant),
    )


def _parse_start(text: str) -> datetime:
    moment = parse_moment(text)
    if moment.year not in _YEARS:
        raise ConfigError(f"--start must be a time in the years 2000 to 2099, got {text}")
    return moment


def _parse_integer(option: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise ConfigError(f"{option} must be a whole number, got {text!r}") from error
    if not least <= number <= most:
        raise ConfigError(f"{option} must be from {least} to {most}, got {number}")
    return number
