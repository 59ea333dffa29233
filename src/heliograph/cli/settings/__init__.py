"""`heliograph settings`: what devices are set to, and the careful road to change it."""

from __future__ import annotations

from argparse import SUPPRESS, RawDescriptionHelpFormatter
from importlib import import_module
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_account_options

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

_CODES = """\
exit codes: 0 applied, or nothing to change; 1 refused or unreachable; 2 to be mended by you; 3 pending: the cloud took
it, the device does not show it yet; 4 unknown: nobody can tell what became of it

An account is read-only until its [[account]] table says: writes = ["charge_stop_soc"] or writes = true
"""

_SHOW = """\
  heliograph settings show                                the only device, or which there are
  heliograph settings show ABC1234567
  heliograph settings show "My roof" --json
"""
_SET = """\
  heliograph settings set ABC1234567 charge_stop_soc=90
  heliograph settings set ABC1234567 charge_stop_soc=90 ac_charge=on --dry-run
  heliograph settings set ABC1234567 time_window_1.start=01:00 time_window_1.end=05:00 --yes
"""
_SCHEDULE = """\
  heliograph settings schedule ABC1234567 > day.toml      what it is now
  heliograph settings schedule ABC1234567 day.toml        what it shall be
"""
_UNDO = """\
  heliograph settings undo ABC1234567                     the last order to this device
  heliograph settings undo 3f9a1c                         that order, from heliograph settings log
"""
_LOG = """\
  heliograph settings log
  heliograph settings log "My roof" --json
"""
_CURTAIL = """\
  heliograph settings curtail ABC1234567 --to 50% --until 15:00
  heliograph settings curtail ABC1234567 --to 0% --until "2026-06-21 15:00" --leave --yes
  heliograph settings curtail ABC1234567 export_limit.by=meter export_limit.value=0 --until 15:00
"""
_RECOVER = """\
  heliograph settings recover
"""


def add_settings(commands: Any) -> None:
    """Add the command and what it can do to the command line."""
    sentence = "show and change what devices are set to"
    parser: ArgumentParser = commands.add_parser(
        "settings",
        help=sentence,
        description=sentence.capitalize() + ".",
        epilog=f"examples:\n{_SHOW}{_SET}{_UNDO}\n{_CODES}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    add_account_options(parser)
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)

    show = _add(kinds, "show", "show what a device can be set to, and what it is", _SHOW)
    _device(show, nargs="?")

    change = _add(kinds, "set", "change settings: look, show the difference, ask, send, read back", _SET)
    _device(change)
    change.add_argument("values", nargs="+", metavar="NAME=VALUE", help="a setting, or NAME.PARAMETER=VALUE")
    change.set_defaults(late=("values",))
    _careful(change)

    day = _add(kinds, "schedule", "print a battery's day as TOML, or change it to that of a file", _SCHEDULE)
    _device(day)
    day.add_argument(
        "file", nargs="?", metavar="FILE", help="TOML or JSON, as this command prints it; - is standard input"
    )
    day.set_defaults(late=("file",))
    _careful(day)

    undo = _add(kinds, "undo", "take an order back", _UNDO)
    undo.add_argument("device", metavar="DEVICE|ORDER", help="a device's last order, or an order by its name")
    _careful(undo)

    log = _add(kinds, "log", "list every order: who, when, old, new and what became of it; nothing is sent", _LOG)
    log.add_argument(
        "device", nargs="?", metavar="DEVICE", help="only of what this names: a serial number, a name or a plant"
    )

    less = _add(kinds, "curtail", "limit a device until a moment; then the old value is restored", _CURTAIL)
    _device(less)
    less.add_argument("values", nargs="*", metavar="NAME=VALUE", help="settings of your own choice instead of --to")
    less.set_defaults(late=("values",))
    less.add_argument("--to", metavar="LIMIT", help="the most it may give, like 50%% or 600W")
    less.add_argument("--until", metavar="TIME", required=True, help="the next such time here, or a date and time")
    less.add_argument(
        "--leave",
        action="store_true",
        help="do not wait for the end; `heliograph collect` or the next command that asks the cloud restores",
    )
    _careful(less)

    _add(kinds, "recover", "read back what is not known of orders, and end curtailments that are over", _RECOVER)


def _add(kinds: Any, name: str, sentence: str, examples: str) -> ArgumentParser:
    parser: ArgumentParser = kinds.add_parser(
        name,
        help=sentence,
        description=sentence[:1].upper() + sentence[1:] + ".",
        epilog=f"examples:\n{examples}\n{_CODES}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one object; unknown is null")
    add_account_options(parser)
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to them
        if action.dest in {"config", "server", "account"}:
            # They may also stand before WHAT, and what is not said here must not unsay that.
            action.default = SUPPRESS
    parser.set_defaults(run=_later(name))
    return parser


def _later(name: str) -> Callable[[Namespace], int]:
    """Return the command, which is loaded when it is run: help needs no orders."""

    def run(options: Namespace) -> int:
        if name not in {"log", "recover"} and not getattr(options, "dry_run", False):
            from heliograph.cli.settings.recover import restore_due  # noqa: PLC0415 - as above

            restore_due(options)
        done: int = getattr(import_module(f"heliograph.cli.settings.{_PLACES[name]}"), f"run_{name}")(options)
        return done

    return run


_PLACES = {
    "show": "show",
    "log": "show",
    "set": "change",
    "undo": "change",
    "schedule": "schedule",
    "curtail": "curtail",
    "recover": "recover",
}


def _device(parser: ArgumentParser, **about: Any) -> None:
    parser.add_argument("device", metavar="DEVICE", help="a serial number, a name, or a plant with one device", **about)


def _careful(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="show the difference and what would be sent; send nothing"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before sending")
