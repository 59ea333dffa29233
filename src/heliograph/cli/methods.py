"""The declared methods of a cloud as a person meets them: found by name, described, told apart."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from heliograph.endpoint import Endpoint, endpoints, methods
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from inspect import Parameter

    from heliograph.endpoint import Method


def find(cloud: type, name: str) -> Method[..., Any]:
    """Return the method of this name, or the one call the cloud itself names so."""
    declared = {row.name: row for row in methods(cloud)}
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


def cloud_names(method: Method[..., Any]) -> set[str]:
    """Return what the cloud calls this in its own address, in lower case and without underscores."""
    if not isinstance(method, Endpoint):
        return set()
    last = method.route.path.rstrip("/").rpartition("/")[2].lower()
    names = (last, last.removesuffix(".do"), *(value.lower() for value in method.route.fixed.values()))
    return {name.replace("_", "") for name in names}


def usage(method: Method[..., Any]) -> str:
    """Return a method's name, arguments and defaults as a person reads them."""
    return f"{method.name}({', '.join(_told(one) for one in method.signature.parameters.values())})"


def _told(parameter: Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    default = parameter.default
    return f"{parameter.name}={default.name if isinstance(default, Enum) else default!r}"


def opens(method: Method[..., Any]) -> bool:
    """Tell whether a call is the login, whose answer holds secrets."""
    return isinstance(method, Endpoint) and method.route.opens


def changes(cloud: type, method: Method[..., Any]) -> bool:
    """Tell whether a method is a command, or plans one."""
    if isinstance(method, Endpoint):
        return method.route.command
    commands = {row.name for row in endpoints(cloud) if row.route.command}
    return not commands.isdisjoint(method.declared.__code__.co_names)


def print_methods(cloud: type) -> None:
    """Print every method with its arguments and its sentence."""
    for method in methods(cloud):
        sentence = (method.__doc__ or "").partition("\n")[0]
        note = " (needs --allow-commands)" if changes(cloud, method) else ""
        print(f"{usage(method)}\n    {sentence}{note}")
