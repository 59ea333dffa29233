"""`heliograph call`: makes any declared call of a cloud by name and prints the response as JSON."""

from __future__ import annotations

import builtins
import json
import re
from difflib import get_close_matches
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import client_class, create_client
from heliograph.cli.concurrency import run_in_thread
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


_IDS = {"plant_id", "serial_num"}
_NUMBERS = {int: "a whole number", float: "a number"}

_EXAMPLES = """\
  heliograph call growatt --list
  heliograph call growatt plant_list
  heliograph call growatt plant_detail 1234567 month date=2026-06
  heliograph call growatt portal_spa_status 1234567 SPA0001
  heliograph call goodwe GetMonitorDetailByPowerstationId 6ef5…
  heliograph call growatt --allow-commands update_tlx_inverter_setting TLX0001 charge_power 90
"""


def add_call(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "call", _EXAMPLES, call)
    parser.add_argument("vendor", choices=tuple(VENDORS), help="the cloud")
    parser.add_argument("method", nargs="?", help="name of a method, or the cloud's own name of the call")
    parser.add_argument(
        "arguments",
        nargs="*",
        default=[],
        metavar="ARGUMENT",
        help="positional or name=value; JSON for objects and lists",
    )
    parser.set_defaults(late=("method", "arguments"))
    parser.add_argument("--list", action="store_true", help="list the cloud's methods with descriptions")
    parser.add_argument("--allow-commands", action="store_true", help="allow calls that change settings")
    parser.add_argument("--show-secrets", action="store_true", help="do not mask secrets in a login's response")


def call(options: Namespace) -> int:
    """Make the call, or list the available ones."""
    cloud, token_api = client_class(options.vendor), _token_class(options.vendor)
    if options.list or options.method is None:
        print_methods(cloud)
        for other in (token_api, _portal_class(options.vendor)):
            if other is not None:
                print_methods(other)
        return 0
    if (portal := _portal_class(options.vendor)) is not None and options.method in _names(portal) - _names(cloud):
        return _call_portal(options, portal)
    by_token = token_api is not None and options.method in _names(token_api) - _names(cloud)
    chosen = token_api if token_api is not None and by_token else cloud
    method = find_method(chosen, options.method)
    if is_command(chosen, method) and not options.allow_commands:
        raise ConfigError(f"{method.name} changes settings; pass --allow-commands to send it")
    account = _select_account(options)
    if by_token and account.token is None:
        raise ConfigError(f"{method.name} is a call of the token API; run: heliograph login {options.vendor} --token")
    if by_token:
        account = account.token_account()
    elif token_api is not None and not account.has_password:
        if method.name not in _names(token_api):
            raise ConfigError(f"{method.name} is a call of the password API; account {account.name} has a token only")
        method = find_method(token_api, method.name)
    arguments = _parse_arguments(method, options.arguments, account)
    response = to_json_data(_send(method, arguments, account, allow_commands=options.allow_commands))
    print_json(mask_json(response) if is_login(method) and not options.show_secrets else response)
    return 0


def _call_portal(options: Namespace, portal: type) -> int:
    """Make a call of the web portal, within the limits of the account."""
    method, account = find_method(portal, options.method), _select_account(options)
    if not account.portal:
        raise ConfigError(f"{method.name} is a call of the web portal; add portal = true to account {account.name}")
    client: Any = create_client(account)
    arguments = _parse_arguments(method, options.arguments, account)
    response = to_json_data(run_in_thread(partial(client.portal_api.perform, partial(method.flow, **arguments))))
    print_json(mask_json(response) if is_login(method) and not options.show_secrets else response)
    return 0


def _portal_class(vendor: str) -> type | None:
    """Return the blocking client of a vendor's web portal, if it has one."""
    info = VENDORS[vendor]
    found: type | None = info.portal_client_class() if info.portal_client else None
    return found


def _token_class(vendor: str) -> type | None:
    """Return the blocking client of a vendor's token API, if it has one."""
    info = VENDORS[vendor]
    found: type | None = info.token_client_class(asynchronous=False) if info.token_client else None
    return found


def _names(cloud: type) -> set[str]:
    return {method.name for method in operations(cloud)}


def _parse_arguments(method: Operation[..., Any], typed: list[str], account: Account) -> dict[str, Any]:
    """Parse the typed arguments; a login without user name uses the account's own."""
    other_parameters = list(method.signature.parameters)[2:]
    own_login = is_login(method) and all(text.partition("=")[0] in other_parameters for text in typed)
    return bind_arguments(method, typed, (account.username, account.password.reveal()) if own_login else ())


def _send(method: Operation[..., Any], arguments: dict[str, Any], account: Account, *, allow_commands: bool) -> Any:
    """Make the call; reject the response if the plant is not one of the account's."""
    client: Any = create_client(account, allow_commands=allow_commands)
    # A call is always sent, and its result is not stored, unless it has a `max_age`.
    flow = method.flow if "max_age" not in arguments else partial(method.flow_of, client)
    response = run_in_thread(partial(client.perform, partial(flow, **arguments)))
    plants = client.session.facts.get("plants") or {}
    # A call with both ids also accepts a serial number in place of the plant.
    plant = arguments.get("plant_id", "") if arguments.keys() >= method.signature.parameters.keys() & _IDS else ""
    if plants and plant and plant not in plants:
        raise RequestRefused(
            f"this account has no plant {plant!r}", call=method.name, advice=f"Its plants: {', '.join(plants)}"
        )
    return response


def _select_account(options: Namespace) -> Account:
    selected = load_accounts(options)
    accounts = [account for account in selected if account.vendor == options.vendor]
    if len(accounts) == 1:
        return accounts[0]
    if accounts:
        names = ", ".join(account.name for account in accounts)
        raise ConfigError(f"several {options.vendor} accounts are configured; choose one with --account: {names}")
    if options.account is not None:
        raise ConfigError(f"account {options.account} belongs to {selected[0].vendor}, not {options.vendor}")
    keys = " and ".join(f"HELIOGRAPH_{options.vendor.upper()}_{part}" for part in ("USERNAME", "PASSWORD"))
    login = f"heliograph login {options.vendor}"
    raise ConfigError(f"no {options.vendor} account is configured; run: {login}, or set {keys}")


def to_json_data(response: Any) -> Any:
    """Return a result as JSON-ready data: payloads as the cloud sent them, model types as objects."""
    if isinstance(response, Payload):
        return response.raw
    if isinstance(response, Snapshot):
        return response.as_dict()
    if isinstance(response, Plant):
        return {"vendor": response.vendor, "plant": response.id, "name": response.name}
    if isinstance(response, PeriodEnergy):
        return {"period": response.period, **response.values}
    if isinstance(response, Sample):
        return {"moment": response.moment.isoformat(timespec="seconds"), **response.values}
    return [to_json_data(item) for item in response] if isinstance(response, list | tuple) else response


def mask_json(data: Any) -> Any:
    """Mask secrets and private data in JSON-ready data, which stays JSON."""
    if isinstance(data, list):
        return [mask_json(item) for item in data]
    if not isinstance(data, dict):
        return mask_secrets(data) if isinstance(data, str) else data
    return {key: _mask_value(key, value) for key, value in data.items()}


def _mask_value(key: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        return mask_json(value)
    text = json.dumps({key: value})
    return value if mask_secrets(text) == text else MASK


def find_method(cloud: type, name: str) -> Operation[..., Any]:
    """Return the method with this name, or the only call with this name in the cloud's URLs."""
    declared = {row.name: row for row in operations(cloud)}
    if name in declared:
        return declared[name]
    aliases = [row for row in declared.values() if name.lower().replace("_", "") in cloud_names(row)]
    if len(aliases) == 1:
        return aliases[0]
    if aliases:
        raise ConfigError(f"{name!r} is ambiguous: {', '.join(row.name for row in aliases)}")
    close = get_close_matches(name.lower(), declared, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "see --list"
    raise ConfigError(f"unknown call {name!r}; {hint}")


def cloud_names(method: Operation[..., Any]) -> set[str]:
    """Return the names of a call in the cloud's URLs, in lower case and without underscores."""
    if not isinstance(method, Endpoint):
        return set()
    last = method.route.path.rstrip("/").rpartition("/")[2].lower()
    names = (last, last.removesuffix(".do"), *(value.lower() for value in method.route.fixed.values()))
    return {name.replace("_", "") for name in names}


def method_usage(method: Operation[..., Any]) -> str:
    """Return a method's signature for display."""
    return f"{method.name}({', '.join(map(_format_parameter, method.signature.parameters.values()))})"


def _format_parameter(parameter: Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    default = parameter.default
    return f"{parameter.name}={default.name if isinstance(default, Enum) else default!r}"


def is_login(method: Operation[..., Any]) -> bool:
    """Return True for a login, whose response contains secrets."""
    return isinstance(method, Endpoint) and method.route.is_login


def is_command(cloud: type, method: Operation[..., Any]) -> bool:
    """Return True if a method is a command or calls one."""
    if isinstance(method, Endpoint):
        return method.route.command
    commands = {row.name for row in endpoints(cloud) if row.route.command}
    return not commands.isdisjoint(method.function.__code__.co_names)


def print_methods(cloud: type) -> None:
    """Print every method with its arguments and description."""
    for method in operations(cloud):
        summary = (method.__doc__ or "").partition("\n")[0]
        note = " (needs --allow-commands)" if is_command(cloud, method) else ""
        print(f"{method_usage(method)}\n    {summary}{note}")


def bind_arguments(method: Operation[..., Any], typed: Sequence[str], first: Sequence[str] = ()) -> dict[str, Any]:
    """Bind typed arguments to a method's parameters; `first` are values that precede them."""
    parameters = method.signature.parameters
    positional: list[str] = []
    named: dict[str, str] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        # Only parameter names count as keywords, since ids and passwords may contain an equals sign.
        if equals and name in parameters:
            named[name] = value
        else:
            positional.append(text)
    try:
        bound = method.signature.bind(*first, *positional, **named)
        arguments = bound.arguments
        for name in list(arguments)[len(first) :]:
            arguments[name] = _convert(arguments[name], parameters[name], method.function.__globals__)
        method.flow(*bound.args, **bound.kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{method.name}: {error}. Usage: {method_usage(method)}") from None
    return arguments


def _convert(text: str, parameter: Parameter, scope: dict[str, Any]) -> Any:
    """Convert one typed argument according to its parameter's annotation."""
    names = re.findall(r"\w+", str(parameter.annotation))
    kinds = [scope.get(name, getattr(builtins, name, None)) for name in names]
    if text[:1] in "{[" and text and {"Mapping", "list", "dict"} & set(names):
        return _parse_json(text, parameter)
    if bool in kinds:
        if (value := parse_flag(text)) is None:
            raise ValueError(f"{parameter.name} must be true or false, got {text!r}")
        return value
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum) and not text.isdecimal():
            if text not in kind.__members__:
                raise ValueError(f"{parameter.name} must be one of {', '.join(kind.__members__)}; got {text!r}")
            return kind[text]
    for kind, description in _NUMBERS.items():
        if kind in kinds and str not in kinds:
            return _parse_number(text, kind, f"{parameter.name} must be {description}, got {text!r}")
    return text


def _parse_json(text: str, parameter: Parameter) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{parameter.name} is not JSON ({error})") from None


def _parse_number(text: str, kind: type, problem: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(problem) from None
