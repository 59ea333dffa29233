"""What an order is before it is one: a sight of the device, a plan, and the steps that whoever carries it does."""

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
    """Wanted: what a device has."""

    device: Device


class WriteSetting(NamedTuple):
    """Wanted: one command, sent once."""

    device: Device
    setting: str
    values: Values


class Delay(NamedTuple):
    """Wanted: time."""

    seconds: float


Instruction = ReadSettings | WriteSetting | Delay
OrderFlow = Generator[Instruction, Any, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSnapshot:
    """A device at one moment: what it can be told, what it has, and what the journal knows of it."""

    device: Device
    at: float
    settings: Mapping[str, Setting]
    """What it can be told: nothing dangerous, and nothing that its account cannot tell it."""
    reported: Mapping[str, Values | None]
    """As the cloud tells it."""
    current: Mapping[str, Values | None]
    """The same, and what was told last where that cannot be read."""
    external_changes: tuple[ExternalChange, ...]
    """Settings that somebody else has changed since."""
    orders: tuple[Order, ...]
    """What it was ordered here, judged by what was read."""
    journal_lines: int
    """How many lines the journal had of it."""

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Orders of which it is not yet known what became of them."""
        return tuple(order for order in self.orders if order.open)

    @property
    def curtailed(self) -> Mapping[str, Order]:
        """Settings that the end of a curtailment will restore, with its order."""
        return curtailed_settings(self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an intent comes to; nothing was sent yet."""

    snapshot: SettingsSnapshot
    wanted: Mapping[str, Values]
    steps: tuple[PlannedChange, ...]
    kind: OrderKind = OrderKind.SET
    until: float | None = None
    undoes: str | None = None
    forced: frozenset[str] = frozenset()
    """Settings that are sent although the device shows them, because another order may still be on its way."""
    notes: tuple[str, ...] = field(default=())
    """What the person should know before agreeing."""

    @property
    def device(self) -> Device:
        """The device it is for."""
        return self.snapshot.device


class Actor(NamedTuple):
    """Who orders: for the journal."""

    account: str
    who: str
    program: str


class PlannedChange(NamedTuple):
    """One command: a setting, what the device has (None where it cannot be read) and what it shall have."""

    setting: Setting
    old: Values | None
    new: Values

    def changed_parameters(self) -> tuple[tuple[str, Value, Value], ...]:
        """Return the parameters that change: name, old value, new value."""
        old = self.old or {}
        return tuple((name, old.get(name), value) for name, value in self.new.items() if old.get(name) != value)


def find_setting(settings: Mapping[str, Setting], name: str, device: str) -> Setting:
    """Return a setting of a device by its name."""
    if name in settings:
        return settings[name]
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    if not settings:
        raise ConfigError(f"{device} takes no settings that are known here")
    close = get_close_matches(name, settings, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{device} has no setting {name[:60]!r}.{guess} It has: {', '.join(settings)}")


def complete_values(
    settings: Mapping[str, Setting],
    present: Mapping[str, Values | None],
    wanted: Mapping[str, Value | Mapping[str, Value]],
    device: str,
) -> dict[str, Values]:
    """Return what is wanted, every parameter named and checked; what is not mentioned stays as the device has it."""
    found = {}
    for name, value in wanted.items():
        setting = find_setting(settings, name, device)
        there = present.get(name) or {}
        kept = {one.name: there.get(one.name) for one in setting.parameters if there.get(one.name) is not None}
        found[name] = validate(setting, kept | _named(setting, value))
    validate_together(settings.values(), {**present, **found})
    return found


def _named(setting: Setting, value: Value | Mapping[str, Value]) -> dict[str, Value]:
    if isinstance(value, Mapping):
        return dict(value)
    if len(setting.parameters) > 1:
        names = ", ".join(f"{setting.name}.{one.name}" for one in setting.parameters)
        raise InvalidValue(f"{setting.name} has several values; name the one that is meant: {names}")
    return {setting.parameters[0].name: value}


def planned_changes(
    settings: Mapping[str, Setting],
    present: Mapping[str, Values | None],
    wanted: Mapping[str, Values],
    forced: Collection[str] = (),
) -> tuple[PlannedChange, ...]:
    """Return the commands that bring a device from what it has to what is wanted, in the order they can be sent.

    What is `forced` is sent even where the device has it.
    """
    sent = {
        name: values
        for name, values in wanted.items()
        if name in forced or _differs(settings[name], values, present.get(name))
    }
    # What is sent although it is known to be there looks unknown to the order of sending.
    state = {name: None if there == sent.get(name) else there for name, there in present.items()}
    steps = []
    known = dict(present)
    for name, values in write_sequence(tuple(settings.values()), state, sent):
        steps.append(PlannedChange(settings[name], known.get(name), values))
        known[name] = values
    return tuple(steps)


def _differs(setting: Setting, wanted: Values, there: Values | None) -> bool:
    """Tell whether something has to be sent: a clock is always set anew, and who cannot be asked is told."""
    if any(one.kind == "moment" for one in setting.parameters) or matches(setting, wanted, there) is not True:
        return True
    return any(not one.readable and wanted[one.name] != (there or {}).get(one.name) for one in setting.parameters)
