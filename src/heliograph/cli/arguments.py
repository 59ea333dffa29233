"""From what was typed to a declared method and its arguments."""

from __future__ import annotations

import builtins
import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from heliograph.cli.methods import usage
from heliograph.errors import ConfigError
from heliograph.wire import flag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from inspect import Parameter

    from heliograph.endpoint import Method

_NUMBERS = {int: "a whole number", float: "a number"}


def bound(method: Method[..., Any], typed: Sequence[str], first: Sequence[str] = ()) -> dict[str, Any]:
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
            arguments[name] = _value(arguments[name], parameters[name], method.declared.__globals__)
        method.plan(*found.args, **found.kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{method.name}: {error}. It is called as {usage(method)}") from None
    return arguments


def _value(text: str, parameter: Parameter, scope: dict[str, Any]) -> Any:
    """Read one typed argument as its parameter's annotation wants it."""
    names = re.findall(r"\w+", str(parameter.annotation))
    kinds = [scope.get(name, getattr(builtins, name, None)) for name in names]
    if text[:1] in "{[" and text and {"Mapping", "list", "dict"} & set(names):
        return _json(text, parameter)
    if bool in kinds:
        if (value := flag(text)) is None:
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
