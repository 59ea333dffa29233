"""Renders the API reference from the declarations: calls with arguments and result types, payload fields, model, errors."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from typing import TYPE_CHECKING, Any

from heliograph import AsyncOrders, Orders, errors, model
from heliograph.core.endpoint import Endpoint, operations
from heliograph.core.payload import Payload
from heliograph.keeper.limits import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.core.endpoint import Operation

MODEL = (model.Plant, model.Device, model.Snapshot, model.DeviceSnapshot, model.Sample, model.PeriodEnergy, Budget)
ATTRIBUTE = re.compile(r'^    (\w+): ([^\n=]+?)(?: = [^\n]+)?\n(?:    """(.*?)""")?', re.MULTILINE | re.DOTALL)


def first_sentence(thing: object) -> str:
    """Return the first paragraph of a docstring as one line."""
    return _cell((inspect.getdoc(thing) or "").split("\n\n", maxsplit=1)[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(annotation: object) -> str:
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")


def _parameters(signature: inspect.Signature) -> str:
    shown = []
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        shown.append(f"{parameter.name}: {_type(parameter.annotation)}{default}")
    return ", ".join(shown)


def result_type(operation: Operation[..., Any]) -> str:
    """Return the name of what a call returns: a payload, a tuple of them, or the type a composite operation declares."""
    if isinstance(operation, Endpoint):
        item = getattr(operation.shape, "item", None)
        return f"tuple[{item.__name__}, ...]" if item else _type(operation.shape)
    declared = _type(operation.signature.return_annotation)
    return declared.removeprefix("FlowGenerator[").removesuffix("]") if "FlowGenerator[" in declared else declared


def calls(cloud: type) -> str:
    """Return every method of a client with its arguments, result type, request and sentence."""
    lines = []
    for operation in operations(cloud):
        lines += [f"### `{operation.name}`", ""]
        lines += [
            "```python",
            f"{operation.name}({_parameters(operation.signature)}) -> {result_type(operation)}",
            "```",
            "",
        ]
        lines += [first_sentence(operation)]
        if isinstance(operation, Endpoint):
            route = operation.route
            fixed = "&".join(f"{key}={value}" for key, value in route.fixed.items())
            request = f"{route.verb} {route.path}" + (f"?{fixed}" if fixed else "")
            changes = " Changes something: needs `allow_commands=True`, is never sent twice." if route.command else ""
            lines += ["", f"Request: `{request}`.{changes}"]
        lines += [""]
    return "\n".join(lines)


def payloads(cloud: type) -> str:
    """Return a table of fields for every payload that a client's calls return, nested ones included."""
    lines = []
    for shape in _shapes(cloud):
        rows = list(shape.fields())
        lines += [f"### `{shape.__name__}`", "", first_sentence(shape), ""]
        if rows:
            lines += ["| field | type | unit | wire key | metric |", "|---|---|---|---|---|"]
            lines += [
                f"| `{row.name}` | {_cell(row.type_name)} | {row.unit} | `{row.key}` | "
                f"{f'`{row.metric.name}`' if row.metric else ''} |"
                for row in rows
            ]
            lines += [""]
    return "\n".join(lines)


def _shapes(cloud: type) -> Iterator[type[Payload]]:
    """Yield each payload class once, a call's own before the ones nested in it."""
    waiting = [getattr(row.shape, "item", row.shape) for row in operations(cloud) if isinstance(row, Endpoint)]
    seen: set[Any] = set()
    while waiting:
        shape = waiting.pop(0)
        if shape in seen or not (isinstance(shape, type) and issubclass(shape, Payload)):
            continue
        seen.add(shape)
        yield shape
        waiting = [row.shape for row in shape.fields() if row.shape is not None] + waiting


def constructor(client: type) -> str:
    """Return the constructor of a client with its documentation."""
    signature = inspect.signature(client.__init__)
    shown = ",\n    ".join(part for part in _parameters(signature).split(", ") if part)
    return f"```python\n{client.__name__}(\n    {shown},\n)\n```\n\n{inspect.getdoc(client.__init__) or ''}"


def models() -> str:
    """Return a table of fields for each class of the model and the budget."""
    return "\n".join(_model(shape) for shape in MODEL)


def _model(shape: type) -> str:
    documented = {name: _cell(text or "") for name, _, text in ATTRIBUTE.findall(inspect.getsource(shape))}
    if dataclasses.is_dataclass(shape):
        names = [(row.name, _type(row.type)) for row in dataclasses.fields(shape)]
    else:
        names = [(name, _type(value)) for name, value in shape.__annotations__.items()]
    lines = [f"### `{shape.__name__}`", "", first_sentence(shape), "", "| field | type | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | `{_cell(type_)}` | {documented.get(name, '')} |" for name, type_ in names]
    members = [
        (name, value)
        for name, value in vars(shape).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)) and value.__doc__
    ]
    lines += [
        f"| `{name}{'' if isinstance(value, property) else '()'}` | | {first_sentence(value)} |"
        for name, value in members
    ]
    return "\n".join([*lines, ""])


def error_classes() -> str:
    """Return a table of all errors in the order of the tree, with their attributes."""
    rows = ["| error | raised | attributes |", "|---|---|---|"]
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.HeliographError):
            attributes = ", ".join(
                f"`.{one}`" for one in typing.cast("dict[str, object]", value.__dict__.get("__annotations__", {}))
            )
            parent = value.__bases__[0].__name__
            rows.append(f"| `{name}` ({parent}) | {first_sentence(value)} | {attributes} |")
    return "\n".join(rows)


def orders() -> str:
    """Return the methods of the settings API, blocking and async alike."""
    assert AsyncOrders
    lines = []
    for name in dir(Orders):
        method = getattr(Orders, name)
        if name.startswith("_") or not callable(method):
            continue
        signature = inspect.signature(method)
        result = _type(signature.return_annotation)
        lines += [f"### `Orders.{name}`", "", "```python", f"{name}({_parameters(signature)}) -> {result}", "```", ""]
        lines += [first_sentence(method), ""]
    return "\n".join(lines)


def tables(clients: dict[str, type], clouds: dict[str, type]) -> dict[str, Callable[[], str]]:
    """Return the blocks of the reference page by name."""
    found: dict[str, Callable[[], str]] = {
        "model reference": models,
        "error reference": error_classes,
        "orders reference": orders,
    }
    for name, client in clients.items():
        found[f"{name} client reference"] = lambda client=client: constructor(client)
    for name, cloud in clouds.items():
        found[f"{name} call reference"] = lambda cloud=cloud: calls(cloud)
        found[f"{name} payload reference"] = lambda cloud=cloud: payloads(cloud)
    return found
