"""Planning types: the settings snapshot of a device, the planned changes, and the instructions a driver executes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from heliograph.errors import ConfigError, InvalidValue
from heliograph.settings.definition import matches, validate, validate_together
from heliograph.settings.models import OrderKind, curtailed_settings
from heliograph.settings.schedule import write_sequence

if TYPE_CHECKING:
    from collections.abc import Collection

    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.models import Order
    from heliograph.settings.outcome import ExternalChange

T = TypeVar("T")


class ReadSettings(NamedTuple):
    """Instruction: read all settings of a device."""

    device: Device


class WriteSetting(NamedTuple):
    """Instruction: send one command, once."""

    device: Device
    setting: str
    values: Values


class Delay(NamedTuple):
    """Instruction: wait."""

    seconds: float


Instruction = ReadSettings | WriteSetting | Delay
OrderFlow = Generator[Instruction, Any, T]
"""A generator that yields instructions, is sent their results, and returns a T."""


class Actor(NamedTuple):
    """The account, user and program that the journal records."""

    account: str
    who: str
    program: str


class PlannedChange(NamedTuple):
    """One command: a setting, its current values (None if unknown) and its new values."""

    setting: Setting
    old: Values | None
    new: Values

    def changed_parameters(self) -> tuple[tuple[str, Value, Value], ...]:
        """Return name, old value and new value of each parameter that changes."""
        old = self.old or {}
        return tuple((name, old.get(name), value) for name, value in self.new.items() if old.get(name) != value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSnapshot:
    """The settings of a device at one moment, and its orders from the journal."""

    device: Device
    at: float
    settings: Mapping[str, Setting]
    """The settings that can be changed: without the dangerous ones and those unavailable to the account."""
    reported: Mapping[str, Values | None]
    """The values as the cloud reports them."""
    current: Mapping[str, Values | None]
    """The reported values, completed with the values last written for what cannot be read."""
    external_changes: tuple[ExternalChange, ...]
    """Settings changed by another program or person since the last order."""
    orders: tuple[Order, ...]
    """The orders of this device, with states updated by this read."""
    journal_lines: int
    """Number of journal lines of this device."""

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Orders whose result is not final."""
        return tuple(order for order in self.orders if order.open)

    @property
    def curtailed(self) -> Mapping[str, Order]:
        """Settings that the end of a curtailment will restore, with its order."""
        return curtailed_settings(self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes needed for the wanted settings; nothing has been sent yet."""

    snapshot: SettingsSnapshot
    wanted: Mapping[str, Values]
    steps: tuple[PlannedChange, ...]
    kind: OrderKind = OrderKind.SET
    until: float | None = None
    undoes: str | None = None
    forced: frozenset[str] = frozenset()
    """Settings that are sent even if the device shows the wanted values, because another order may still arrive."""
    notes: tuple[str, ...] = field(default=())
    """Notes for the user before confirmation."""

    @property
    def device(self) -> Device:
        """The device to change."""
        return self.snapshot.device


def find_setting(settings: Mapping[str, Setting], name: str, device: str) -> Setting:
    """Return a setting of a device by name."""
    if name in settings:
        return settings[name]
    from difflib import get_close_matches  # noqa: PLC0415 - only needed for the error message

    if not settings:
        raise ConfigError(f"{device} has no known settings")
    close = get_close_matches(name, settings, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{device} has no setting {name[:60]!r}.{guess} It has: {', '.join(settings)}")


def complete_values(
    settings: Mapping[str, Setting],
    current: Mapping[str, Values | None],
    wanted: Mapping[str, Value | Mapping[str, Value]],
    device: str,
) -> dict[str, Values]:
    """Return the wanted values, validated; parameters not given take the device's current value."""
    complete = {}
    for name, value in wanted.items():
        setting = find_setting(settings, name, device)
        if isinstance(value, Mapping):
            given = dict(value)
        elif len(setting.parameters) == 1:
            given = {setting.parameters[0].name: value}
        else:
            names = ", ".join(f"{name}.{one.name}" for one in setting.parameters)
            raise InvalidValue(f"{name} has several values; specify one of: {names}")
        present = current.get(name) or {}
        kept = {one.name: present.get(one.name) for one in setting.parameters if present.get(one.name) is not None}
        complete[name] = validate(setting, kept | given)
    validate_together(settings.values(), {**current, **complete})
    return complete


def planned_changes(
    settings: Mapping[str, Setting],
    current: Mapping[str, Values | None],
    wanted: Mapping[str, Values],
    forced: Collection[str] = (),
) -> tuple[PlannedChange, ...]:
    """Return the commands from the current to the wanted values, in an order that the device accepts.

    Settings in `forced` are sent even if the device already has the values.
    """
    sent = {
        name: values
        for name, values in wanted.items()
        if name in forced or _must_send(settings[name], values, current.get(name))
    }
    # `write_sequence` omits settings that already have the wanted values; None makes it keep them.
    state = {name: None if present == sent.get(name) else present for name, present in current.items()}
    steps = []
    present = dict(current)
    for name, values in write_sequence(tuple(settings.values()), state, sent):
        steps.append(PlannedChange(settings[name], present.get(name), values))
        present[name] = values
    return tuple(steps)


def _must_send(setting: Setting, wanted: Values, current: Values | None) -> bool:
    """Return True if the setting must be sent.

    Clocks are always sent; unreadable settings are sent because the current value is unknown.
    """
    if any(one.kind == "moment" for one in setting.parameters) or matches(setting, wanted, current) is not True:
        return True
    return any(not one.readable and wanted[one.name] != (current or {}).get(one.name) for one in setting.parameters)
