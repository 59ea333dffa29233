"""`heliograph settings`: show device settings and change them safely."""

from __future__ import annotations

from argparse import SUPPRESS
from importlib import import_module
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import COMMANDS, add_account_options, add_parser

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

_CODES = """\
exit codes: 0 applied, or nothing to change; 1 refused or unreachable; 2 usage or configuration error; 3 pending:
accepted by the cloud, but the device does not show it yet; 4 outcome unknown

Accounts are read-only by default. To allow writes, set in the [[account]] table: writes = ["charge_stop_soc"], or
writes = true for all settings
"""

_SHOW = """\
  heliograph settings show                                the only device, or a list of devices
  heliograph settings show ABC1234567
  heliograph settings show "My roof" --json
"""
_SET = """\
  heliograph settings set ABC1234567 charge_stop_soc=90
  heliograph settings set ABC1234567 charge_stop_soc=90 ac_charge=on --dry-run
  heliograph settings set ABC1234567 time_window_1.start=01:00 time_window_1.end=05:00 --yes
"""
_SCHEDULE = """\
  heliograph settings schedule ABC1234567 > day.toml      print the current schedule
  heliograph settings schedule ABC1234567 day.toml        change it to the desired schedule
"""
_UNDO = """\
  heliograph settings undo ABC1234567                     the latest change of this device
  heliograph settings undo 3f9a1c                         a change by id, from heliograph settings log
"""
_LOG = """\
  heliograph settings log
  heliograph settings log "My roof" --json
"""
_CURTAIL = """\
  heliograph settings curtail ABC1234567 --to 50% --until 15:00
  heliograph settings curtail ABC1234567 --to 0% --until "2026-06-21 15:00" --detach --yes
  heliograph settings curtail ABC1234567 export_limit.by=meter export_limit.value=0 --until 15:00
"""
_CHECK = """\
  heliograph settings check
"""


def add_settings(commands: Any) -> None:
    """Add the command and its subcommands to the command line."""
    parser = add_parser(commands, "settings", COMMANDS["settings"], f"{_SHOW}{_SET}{_UNDO}\n{_CODES}")
    add_account_options(parser)
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)

    show = _add(subcommands, "show", "show the settings of a device: values, allowed values, latest change", _SHOW)
    _add_device(show, nargs="?")
    show.add_argument("--all", action="store_true", help="also empty windows and grid code settings")

    change = _add(subcommands, "set", "change settings: show the difference, confirm, send, read back", _SET)
    _add_device(change)
    change.add_argument("values", nargs="+", metavar="NAME=VALUE", help="a setting, or NAME.PARAMETER=VALUE")
    change.set_defaults(late=("values",))
    _add_write_options(change)

    schedule = _add(subcommands, "schedule", "print the charge schedule as TOML, or write one from a file", _SCHEDULE)
    _add_device(schedule)
    schedule.add_argument(
        "file", nargs="?", metavar="FILE", help="TOML or JSON as printed by this command; - is standard input"
    )
    schedule.set_defaults(late=("file",))
    _add_write_options(schedule)

    undo = _add(subcommands, "undo", "undo a change", _UNDO)
    undo.add_argument("device", metavar="DEVICE|CHANGE", help="a device, to undo its latest change, or a change id")
    _add_write_options(undo)

    log = _add(subcommands, "log", "list all changes: user, time, old and new values, result; sends nothing", _LOG)
    log.add_argument(
        "device", nargs="?", metavar="DEVICE", help="a serial number, a device name or a plant; default: all"
    )

    curtail = _add(subcommands, "curtail", "limit a device until a given time, then restore the old value", _CURTAIL)
    _add_device(curtail)
    curtail.add_argument("values", nargs="*", metavar="NAME=VALUE", help="settings to change instead of --to")
    curtail.set_defaults(late=("values",))
    curtail.add_argument("--to", metavar="LIMIT", help="maximum output power, like 50%% or 600W")
    curtail.add_argument(
        "--until", metavar="TIME", required=True, help="local time of day (its next occurrence), or a date and time"
    )
    curtail.add_argument(
        "--detach",
        action="store_true",
        help="do not wait for the end; `heliograph collect` or the next command that sends requests restores the value",
    )
    curtail.add_argument("--leave", action="store_true", dest="detach", help=SUPPRESS)
    _add_write_options(curtail)

    _add(
        subcommands,
        "check",
        "read back changes with an open outcome, and end curtailments that are due",
        _CHECK,
        "recover",
    )


def _add(subcommands: Any, name: str, sentence: str, examples: str, *aliases: str) -> ArgumentParser:
    parser = add_parser(subcommands, name, sentence, f"{examples}\n{_CODES}")
    for alias in aliases:
        subcommands.choices[alias] = parser  # unlike argparse's `aliases`, not listed in the help
    parser.add_argument("--json", action="store_true", help="print one JSON object; unknown values are null")
    add_account_options(parser)
    for action in parser._actions:  # noqa: SLF001 - argparse has no public access
        if action.dest in {"config", "server", "account"}:
            # The option may also precede the subcommand; its default must not override that.
            action.default = SUPPRESS
    parser.set_defaults(run=_lazy(name))
    return parser


def _lazy(name: str) -> Callable[[Namespace], int]:
    """Return the command; its module is imported when it runs, to keep --help fast."""

    def run(options: Namespace) -> int:
        if name not in {"log", "check"} and not getattr(options, "dry_run", False):
            from heliograph.cli.settings.recover import restore_due  # noqa: PLC0415 - as above

            restore_due(options)
        code: int = getattr(import_module(f"heliograph.cli.settings.{_MODULES[name]}"), f"run_{name}")(options)
        return code

    return run


_MODULES = {
    "show": "show",
    "log": "show",
    "set": "change",
    "undo": "change",
    "schedule": "schedule",
    "curtail": "curtail",
    "check": "recover",
}


def _add_device(parser: ArgumentParser, **kwargs: Any) -> None:
    parser.add_argument(
        "device", metavar="DEVICE", help="a serial number, a device name, or a plant with one device", **kwargs
    )


def _add_write_options(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the difference and the requests; send nothing")
    parser.add_argument("--yes", action="store_true", help="send without confirmation")
