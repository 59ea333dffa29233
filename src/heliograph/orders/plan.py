"""What an order is before it is one: a sight of the device, a plan, and the steps that whoever carries it does."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from heliograph.orders.standing import limited
from heliograph.orders.states import Kind

if TYPE_CHECKING:
    from heliograph.model import Device
    from heliograph.orders.difference import Difference
    from heliograph.orders.recover import Foreign
    from heliograph.orders.states import Order
    from heliograph.settings import Setting, Values

T = TypeVar("T")


class Read(NamedTuple):
    """Wanted: what a device has."""

    device: Device


class Write(NamedTuple):
    """Wanted: one command, sent once."""

    device: Device
    setting: str
    values: Values


class Pause(NamedTuple):
    """Wanted: time."""

    seconds: float


Step = Read | Write | Pause
Steps = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A device at one moment: what it can be told, what it has, and what the journal knows of it."""

    device: Device
    at: float
    settings: Mapping[str, Setting]
    """What it can be told: nothing dangerous, and nothing that its account cannot tell it."""
    read: Mapping[str, Values | None]
    """As the cloud tells it."""
    present: Mapping[str, Values | None]
    """The same, and what was told last where that cannot be read."""
    foreign: tuple[Foreign, ...]
    """Settings that somebody else has changed since."""
    orders: tuple[Order, ...]
    """What it was ordered here, judged by what was read."""
    lines: int
    """How many lines the journal had of it."""

    @property
    def open(self) -> tuple[Order, ...]:
        """Orders of which it is not yet known what became of them."""
        return tuple(order for order in self.orders if order.open)

    @property
    def limited(self) -> Mapping[str, Order]:
        """Settings that the end of a curtailment will restore, with its order."""
        return limited(self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an intent comes to; nothing was sent yet."""

    sight: Sight
    wanted: Mapping[str, Values]
    steps: tuple[Difference, ...]
    kind: Kind = Kind.SET
    until: float | None = None
    undoes: str | None = None
    forced: frozenset[str] = frozenset()
    """Settings that are sent although the device shows them, because another order may still be on its way."""
    notes: tuple[str, ...] = field(default=())
    """What the person should know before agreeing."""

    @property
    def device(self) -> Device:
        """The device it is for."""
        return self.sight.device


class Whose(NamedTuple):
    """Who orders: for the journal."""

    account: str
    who: str
    program: str
