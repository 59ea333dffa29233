"""`heliograph call`: any declared call of a cloud by its name, its answer as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_command, chosen_accounts
from heliograph.cli.show import print_json
from heliograph.cli.vendors import CLIENTS
from heliograph.errors import ConfigError, Refused

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.config import Account
    from heliograph.endpoint import Method

_IDS = {"plant_id", "serial_num"}

_EXAMPLES = """\
  heliograph call growatt --list
  heliograph call growatt plant_list
  heliograph call growatt plant_detail 1234567 month date=2026-06
  heliograph call goodwe GetMonitorDetailByPowerstationId 6ef5…
  heliograph call growatt --allow-commands update_tlx_inverter_setting TLX0001 charge_power 90
"""


def add_call(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "call", "make one call to a cloud and print its answer as JSON", _EXAMPLES, call)
    parser.add_argument("vendor", choices=CLIENTS, help="the cloud")
    parser.add_argument("method", nargs="?", help="a method's name, or the cloud's own name of the call")
    parser.add_argument(
        "arguments", nargs="*", default=[], metavar="ARGUMENT", help="in order, or name=value; JSON where it fits"
    )
    parser.set_defaults(late=("method", "arguments"))
    parser.add_argument("--list", action="store_true", help="list the cloud's methods and what they give")
    parser.add_argument("--allow-commands", action="store_true", help="allow calls that change settings")
    parser.add_argument("--show-secrets", action="store_true", help="do not mask tokens and names in a login's answer")


def call(options: Namespace) -> int:
    """Make the call, or list what there is."""
    from heliograph.cli.answer import hidden, plain  # noqa: PLC0415 - help needs no clouds
    from heliograph.cli.methods import changes, find, opens, print_methods  # noqa: PLC0415
    from heliograph.cli.vendors import client_type  # noqa: PLC0415

    cloud = client_type(options.vendor)
    if options.list or options.method is None:
        print_methods(cloud)
        return 0
    method = find(cloud, options.method)
    if changes(cloud, method) and not options.allow_commands:
        raise ConfigError(f"{method.name} changes something; say --allow-commands to send it")
    account = _account(options)
    arguments = _arguments(method, options.arguments, account)
    answer = plain(_made(method, arguments, account, allow_commands=options.allow_commands))
    print_json(hidden(answer) if opens(method) and not options.show_secrets else answer)
    return 0


def _arguments(method: Method[..., Any], typed: list[str], account: Account) -> dict[str, Any]:
    """Read what was typed; a login that names nobody is the account's own."""
    from heliograph.cli.arguments import bound  # noqa: PLC0415
    from heliograph.cli.methods import opens  # noqa: PLC0415

    others = list(method.signature.parameters)[2:]
    own = opens(method) and all(text.partition("=")[0] in others for text in typed)
    return bound(method, typed, (account.username, account.password.reveal()) if own else ())


def _made(method: Method[..., Any], arguments: dict[str, Any], account: Account, *, allow_commands: bool) -> Any:
    """Make the call; what a cloud answers for a plant the account does not have is not believed."""
    from heliograph.cli.apart import apart  # noqa: PLC0415
    from heliograph.cli.vendors import client  # noqa: PLC0415

    speaker = client(account, allow_commands=allow_commands)
    answer = apart(lambda: getattr(speaker, method.name)(**arguments))
    plants = speaker.session.facts.get("plants") or {}
    # A device's serial number may stand alone in the plant's place; such a call has room for both.
    plant = arguments.get("plant_id", "") if arguments.keys() >= method.signature.parameters.keys() & _IDS else ""
    if plants and plant and plant not in plants:
        raise Refused(f"this account has no plant {plant!r}", call=method.name, advice=f"It has: {', '.join(plants)}")
    return answer


def _account(options: Namespace) -> Account:
    chosen = chosen_accounts(options)
    accounts = [one for one in chosen if one.vendor == options.vendor]
    if len(accounts) == 1:
        return accounts[0]
    if accounts:
        names = ", ".join(one.name for one in accounts)
        raise ConfigError(f"there are several accounts of {options.vendor}; choose one with --account: {names}")
    if options.account is not None:
        raise ConfigError(f"account {options.account} is one of {chosen[0].vendor}, not of {options.vendor}")
    keys = " and ".join(f"HELIOGRAPH_{options.vendor.upper()}_{part}" for part in ("USERNAME", "PASSWORD"))
    raise ConfigError(f"there is no account of {options.vendor}; set {keys}, or add it to the configuration")
