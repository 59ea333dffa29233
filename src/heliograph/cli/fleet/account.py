"""`heliograph fleet account`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.fleet.options import add_fleet_command, add_key_options

if TYPE_CHECKING:
    from argparse import ArgumentParser

_WORK = "heliograph.cli.fleet.account_commands"
_STATES = ("new", "active", "paused", "needs_person", "removed")
_EXAMPLES = """\
  heliograph fleet account list --state needs_person
  heliograph fleet account show 1234
  heliograph fleet account password 1234                  asks for the new password
  heliograph fleet account resume acme/roof
"""
_LIST = """\
  heliograph fleet account list --state needs_person
  heliograph fleet account list --tenant acme --json
"""
_SHOW = """\
  heliograph fleet account show 1234
  heliograph fleet account show acme/roof --json
"""
_CHANGE = """\
  heliograph fleet account password 1234                          asks at the terminal, without echo
  pass show acme/roof | heliograph fleet account password acme/roof --password-stdin
  heliograph fleet account password 1234 --password-file /run/secrets/roof
  heliograph fleet account password 1234 --token-stdin < token    an API token

The password is sealed with the fleet's key. This command sends nothing: the worker of the account's egress logs in. An
account that needs a person is resumed.
"""
_RESUME = """\
  heliograph fleet account resume 1234                    the terms are accepted, or the region is corrected
  heliograph fleet account resume acme/roof acme/barn

Waits after failed logins end, and a password that was refused is tried once more. Locks and blocks of the vendor, and
the limits of the account, stay. With a new password: heliograph fleet account password
"""
_PAUSE = """\
  heliograph fleet account pause 1234                     poll it no more until: heliograph fleet account resume 1234
"""


def add_commands(subcommands: Any) -> None:
    """Add the subcommands."""
    parser: ArgumentParser = add_fleet_command(
        subcommands,
        "account",
        "show, pause and resume accounts, and change passwords",
        _EXAMPLES,
        f"{_WORK}:",
        database=False,
    )
    actions = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    listing = add_fleet_command(actions, "list", "list accounts", _LIST, f"{_WORK}:list_accounts", json=True)
    listing.add_argument("--state", choices=_STATES, help="only those of this state")
    listing.add_argument("--tenant", metavar="NAME", help="only those of this tenant")
    show = add_fleet_command(
        actions, "show", "show state, waits and limits of an account", _SHOW, f"{_WORK}:show_account", json=True
    )
    password = add_fleet_command(
        actions,
        "password",
        "store a new password or API token of an account",
        _CHANGE,
        f"{_WORK}:change_password",
        json=True,
    )
    for one in (show, password):
        one.add_argument("account", metavar="ACCOUNT", help="its id, or TENANT/NAME")
    source = password.add_mutually_exclusive_group()
    source.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    source.add_argument("--password-file", metavar="FILE", type=Path, help="read the password from a file's first line")
    source.add_argument("--token", action="store_true", help="enter an API token instead of a password")
    source.add_argument("--token-stdin", action="store_true", help="read the API token from standard input")
    add_key_options(password)
    for name, sentence, examples in (
        ("resume", "poll accounts again that need a person or are paused", _RESUME),
        ("pause", "poll accounts no more until they are resumed", _PAUSE),
    ):
        one = add_fleet_command(actions, name, sentence, examples, f"{_WORK}:{name}_accounts", json=True)
        one.add_argument("accounts", metavar="ACCOUNT", nargs="+", help="id, or TENANT/NAME")
