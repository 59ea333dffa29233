"""`heliograph doctor`: what stands between an account and its data; it asks the cloud only when told to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_command, chosen_accounts
from heliograph.cli.show import failed, printable
from heliograph.errors import ConfigError, HeliographError

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.config import Account

DOCTORS = {"goodwe": "heliograph.vendors.goodwe.doctor"}
"""The clouds that have something to decide, and the modules that can tell of it."""

_EXAMPLES = """\
  heliograph doctor goodwe
  heliograph doctor goodwe --try
"""


def add_doctor(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "doctor", "tell what stands between an account and its data", _EXAMPLES, doctor)
    parser.add_argument("vendor", choices=DOCTORS, help="the cloud")
    parser.add_argument("--try", action="store_true", dest="tried", help="log in, read one plant, and tell each step")


def doctor(options: Namespace) -> int:
    """Tell of every account of the cloud."""
    accounts = [one for one in chosen_accounts(options) if one.vendor == options.vendor]
    if not accounts:
        raise ConfigError(f"there is no account of {options.vendor} here; heliograph --help tells how to name one")
    return max(examined(one, tried=options.tried) for one in accounts)


def examined(account: Account, *, tried: bool) -> int:
    """Tell of one account; without a trial nothing is sent, and no login is spent."""
    from heliograph.cli.vendors import client  # noqa: PLC0415 - help needs no clouds

    speaker, specialist = client(account), import_module(DOCTORS[account.vendor])
    _say(f"{account.vendor} account {account.name}")
    for label, text in specialist.outlook(speaker.session):
        _say(f"  {label}: {text}")
    if not tried:
        _say("  nothing was sent; --try logs in, reads one plant and tells each step")
        return 0
    _say("  trying:")
    code, found = 0, ""
    try:
        found = _read(speaker)
    except HeliographError as error:
        code = failed(error)
    for sentence in specialist.story(speaker.session):
        _say(f"    {sentence}")
    if found:
        _say(f"  {found}")
    return code


def _read(speaker: Any) -> str:
    """Read one plant and say what came of it."""
    plants = speaker.plants()
    if not plants:
        return "the account can be read, and it has no plants"
    found = speaker.snapshot(plants[0].id)
    known = sum(value is not None for value in found.values.values())
    return f"works: {len(plants)} plants; {found.plant.name or found.plant.id} tells {known} values"


def _say(text: str) -> None:
    print(printable(text))
