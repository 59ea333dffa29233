"""What a call gave as JSON-ready data."""

from __future__ import annotations

import builtins
import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_command, load_accounts
from heliograph.cli.terminal import print_json
from heliograph.core.endpoint import Endpoint, endpoints, operations
from heliograph.core.parsing import parse_flag
from heliograph.core.payload import Payload
from heliograph.core.redact import MASK, mask_secrets
from heliograph.errors import ConfigError, RequestRefused
from heliograph.model import PeriodEnergy, Plant, Sample, Snapshot
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from inspect import Parameter

    from heliograph.config import Account
    from heliograph.core.endpoint import Operation


def to_json_data(answer: Any) -> Any:
    """Return what a call gave as JSON-ready data: a cloud's own words as sent, ours as objects."""
    if isinstance(answer, Payload):
        return answer.raw
    if isinstance(answer, Snapshot):
        return answer.as_dict()
    if isinstance(answer, Plant):
        return {"vendor": answer.vendor, "plant": answer.id, "name": answer.name}
    if isinstance(answer, PeriodEnergy):
        return {"period": answer.period, **answer.values}
    if isinstance(answer, Sample):
        return {"moment": answer.moment.isoformat(timespec="seconds"), **answer.values}
    return [to_json_data(one) for one in answer] if isinstance(answer, list | tuple) else answer


def mask_json(data: Any) -> Any:
    """Mask secrets and private data in JSON-ready data, which stays JSON."""
    if isinstance(data, list):
        return [mask_json(one) for one in data]
    if not isinstance(data, dict):
        return mask_secrets(data) if isinstance(data, str) else data
    return {key: _member(key, value) for key, value in data.items()}


def _member(key: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        return mask_json(value)
    text = json.dumps({key: value})
    return value if mask_secrets(text) == text else MASK


def find_method(cloud: type, name: str) -> Operation[..., Any]:
    """Return the method of this name, or the one call the cloud itself names so."""
    declared = {row.name: row for row in operations(cloud)}
    if name in declared:
        return declared[name]
    aliases = [row for row in declared.values() if name.lower().replace("_", "") in cloud_names(row)]
    if len(aliases) == 1:
        return aliases[0]
    if aliases:
        raise ConfigError(f"{name!r} may be any of: {', '.join(row.name for row in aliases)}")
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    close = get_close_matches(name.lower(), declared, n=3)
    meant = f"did you mean {', '.join(close)}?" if close else "--list shows what there is"
    raise ConfigError(f"there is no call {name!r}; {meant}")


def cloud_names(method: Operation[..., Any]) -> set[str]:
    """Return what the cloud calls this in its own address, in lower case and without underscores."""
    if not isinstance(method, Endpoint):
        return set()
    last = method.route.path.rstrip("/").rpartition("/")[2].lower()
    names = (last, last.removesuffix(".do"), *(value.lower() for value in method.route.fixed.values()))
    return {name.replace("_", "") for name in names}


def method_usage(method: Operation[..., Any]) -> str:
    """Return a method's name, arguments and defaults as a person reads them."""
    return f"{method.name}({', '.join(_told(one) for one in method.signature.parameters.values())})"


def _told(parameter: Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    default = parameter.default
    return f"{parameter.name}={default.name if isinstance(default, Enum) else default!r}"


def is_login(method: Operation[..., Any]) -> bool:
    """Tell whether a call is the login, whose answer holds secrets."""
    return isinstance(method, Endpoint) and method.route.is_login


def is_command(cloud: type, method: Operation[..., Any]) -> bool:
    """Tell whether a method is a command, or plans one."""
    if isinstance(method, Endpoint):
        return method.route.command
    commands = {row.name for row in endpoints(cloud) if row.route.command}
    return not commands.isdisjoint(method.function.__code__.co_names)


def print_methods(cloud: type) -> None:
    """Print every method with its arguments and its sentence."""
    for method in operations(cloud):
        sentence = (method.__doc__ or "").partition("\n")[0]
        note = " (needs --allow-commands)" if is_command(cloud, method) else ""
        print(f"{method_usage(method)}\n    {sentence}{note}")


_NUMBERS = {int: "a whole number", float: "a number"}


def bind_arguments(method: Operation[..., Any], typed: Sequence[str], first: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of a method by name; `first` are taken as they are, before the typed ones."""
    parameters = method.signature.parameters
    positional: list[str] = []
    named: dict[str, str] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        # Only a parameter's name makes it a named one: ids and passwords may hold an equals sign.
        if equals and name in parameters:
            named[name] = value
        else:
            positional.append(text)
    try:
        found = method.signature.bind(*first, *positional, **named)
        arguments = found.arguments
        for name in list(arguments)[len(first) :]:
            arguments[name] = _value(arguments[name], parameters[name], method.function.__globals__)
        method.flow(*found.args, **found.kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{method.name}: {error}. It is called as {method_usage(method)}") from None
    return arguments


def _value(text: str, parameter: Parameter, scope: dict[str, Any]) -> Any:
    """Read one typed argument as its parameter's annotation wants it."""
    names = re.findall(r"\w+", str(parameter.annotation))
    kinds = [scope.get(name, getattr(builtins, name, None)) for name in names]
    if text[:1] in "{[" and text and {"Mapping", "list", "dict"} & set(names):
        return _json(text, parameter)
    if bool in kinds:
        if (value := parse_flag(text)) is None:
            raise ValueError(f"{parameter.name} must be true or false, not {text!r}")
        return value
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum) and not text.isdecimal():
            if text not in kind.__members__:
                raise ValueError(f"{parameter.name} must be one of {', '.join(kind.__members__)}, not {text!r}")
            return kind[text]
    for kind, wanted in _NUMBERS.items():
        if kind in kinds and str not in kinds:
            return _number(text, kind, f"{parameter.name} must be {wanted}, not {text!r}")
    return text


def _json(text: str, parameter: Parameter) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{parameter.name} is not JSON ({error})") from None


def _number(text: str, kind: type, problem: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(problem) from None


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
    parser = add_command(commands, "call", _EXAMPLES, call)
    parser.add_argument("vendor", choices=tuple(VENDORS), help="the cloud")
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
    from heliograph.cli.clients import client_class  # noqa: PLC0415

    cloud = client_class(options.vendor)
    if options.list or options.method is None:
        print_methods(cloud)
        return 0
    method = find_method(cloud, options.method)
    if is_command(cloud, method) and not options.allow_commands:
        raise ConfigError(f"{method.name} changes something; say --allow-commands to send it")
    account = _account(options)
    arguments = _arguments(method, options.arguments, account)
    answer = to_json_data(_made(method, arguments, account, allow_commands=options.allow_commands))
    print_json(mask_json(answer) if is_login(method) and not options.show_secrets else answer)
    return 0


def _arguments(method: Operation[..., Any], typed: list[str], account: Account) -> dict[str, Any]:
    """Read what was typed; a login that names nobody is the account's own."""
    others = list(method.signature.parameters)[2:]
    own = is_login(method) and all(text.partition("=")[0] in others for text in typed)
    return bind_arguments(method, typed, (account.username, account.password.reveal()) if own else ())


def _made(method: Operation[..., Any], arguments: dict[str, Any], account: Account, *, allow_commands: bool) -> Any:
    """Make the call; what a cloud answers for a plant the account does not have is not believed."""
    from heliograph.cli.clients import create_client  # noqa: PLC0415
    from heliograph.cli.concurrency import run_in_thread  # noqa: PLC0415

    speaker = create_client(account, allow_commands=allow_commands)
    answer = run_in_thread(lambda: getattr(speaker, method.name)(**arguments))
    plants = speaker.session.facts.get("plants") or {}
    # A device's serial number may stand alone in the plant's place; such a call has room for both.
    plant = arguments.get("plant_id", "") if arguments.keys() >= method.signature.parameters.keys() & _IDS else ""
    if plants and plant and plant not in plants:
        raise RequestRefused(
            f"this account has no plant {plant!r}", call=method.name, advice=f"It has: {', '.join(plants)}"
        )
    return answer


def _account(options: Namespace) -> Account:
    chosen = load_accounts(options)
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
