"""`heliograph fleet run`, `status`, `doctor`, `drain`, `move` and `egress`: their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.fleet.options import add_fleet_command, add_key_options

if TYPE_CHECKING:
    from argparse import ArgumentParser

_MODULE = "heliograph.cli.fleet.working"
_ADMIN = "heliograph.cli.fleet.administration"

_RUN = """\
  heliograph fleet run --egress fra1                  poll through the address of this machine, named fra1
  heliograph fleet run --egress fra1 --share 64 --metrics 9464

exit codes: 0 all shards handed over; 75 this worker was paused or cut off and others took over: start it again
"""
_STATUS = """\
  heliograph fleet status
  heliograph fleet status --json
"""
_DOCTOR = """\
  heliograph fleet doctor                             exit code 1 if there is a problem
"""
_DRAIN = """\
  heliograph fleet drain fra1-a                       hand over its shards, for an upgrade of its machine
  heliograph fleet drain fra1-a --undo
"""
_MOVE = """\
  heliograph fleet move 1234 --shard 17
"""
_EGRESS = """\
  heliograph fleet egress pause fra1 --for 4h
  heliograph fleet egress resume fra1
  heliograph fleet egress set fra1 --vendor growatt --rate 2.5
"""


def add_commands(subcommands: Any) -> None:
    """Add the subcommands."""
    run = add_fleet_command(
        subcommands, "run", "poll accounts as one of the fleet's workers, until stopped", _RUN, f"{_MODULE}:run_worker"
    )
    run.add_argument(
        "--egress", action="append", metavar="NAME", help="an egress that this machine is (default: default)"
    )
    run.add_argument("--name", help="name in the status (default: host name and process id)")
    run.add_argument("--share", type=int, metavar="N", help="poll at most N shards (default: an even share)")
    run.add_argument("--metrics", type=int, metavar="PORT", help="serve Prometheus metrics on this port of 127.0.0.1")
    run.add_argument(
        "--time-out",
        type=float,
        default=30.0,
        dest="timeout",
        metavar="SECONDS",
        help="others take over the shards of a worker that is silent for so long (default: 30)",
    )
    run.add_argument("--no-backfill", action="store_false", dest="backfill", help="do not fill gaps in past data")
    run.add_argument("--log", metavar="FORMAT", default="text", choices=("text", "json"), help="log format: text, json")
    add_key_options(run)

    add_fleet_command(
        subcommands,
        "status",
        "show workers, shards, accounts and egresses",
        _STATUS,
        f"{_ADMIN}:show_status",
        json=True,
    )
    add_fleet_command(
        subcommands,
        "doctor",
        "find what is wrong with the fleet and how to fix it",
        _DOCTOR,
        f"{_ADMIN}:doctor",
        json=True,
    )
    drain = add_fleet_command(
        subcommands,
        "drain",
        "have a worker hand over its shards and take no others",
        _DRAIN,
        f"{_ADMIN}:drain",
        json=True,
    )
    drain.add_argument("worker", metavar="WORKER", help="name of the worker, from heliograph fleet status")
    drain.add_argument("--undo", action="store_true", help="let it take shards again")
    move = add_fleet_command(
        subcommands, "move", "move an account to another shard of the same egress", _MOVE, f"{_ADMIN}:move", json=True
    )
    move.add_argument("account", metavar="ACCOUNT", type=int, help="id of the account")
    move.add_argument("--shard", metavar="N", type=int, required=True, help="the new shard")
    _add_egress(subcommands)


def _add_egress(subcommands: Any) -> None:
    egress: ArgumentParser = add_fleet_command(
        subcommands,
        "egress",
        "pause, resume or limit the requests of an egress",
        _EGRESS,
        f"{_ADMIN}:egress",
        json=True,
    )
    egress.add_argument("action", choices=("pause", "resume", "set"), help="what to do")
    egress.add_argument("egress", metavar="NAME", help="name of the egress")
    egress.add_argument(
        "--for", metavar="TIME", dest="duration", default="1h", help="length of a pause, like 30m or 4h"
    )
    egress.add_argument("--vendor", metavar="VENDOR", help="the vendor whose limit is set")
    egress.add_argument("--rate", metavar="N", type=float, help="requests per second")
    egress.add_argument("--login-rate", metavar="N", type=float, help="logins per second")
