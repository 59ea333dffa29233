"""The values of a plant and of an account that the rules read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.alarms.history import SlotHistory
    from heliograph.collect.freshness import Freshness
    from heliograph.keeper import Budget
    from heliograph.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device with its state and its present fault."""

    title: str
    status: Status | None = None
    fault_code: str | None = None
    fault_text: str | None = None


class LoggedFaultView(NamedTuple):
    """A fault of the vendor's log; `ended_at` is None while it lasts."""

    device: str
    code: str
    text: str
    started_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantView:
    """A plant at one time: its state by the rule of freshness, and the half hours of its last weeks."""

    now: int
    freshness: Freshness
    history: SlotHistory
    measured_at: int | None = None
    arrival_delay: float = 0.0
    """The usual seconds from a measurement to its fetch, if they are many."""
    ahead: int | None = None
    """Seconds by which the newest sample is ahead of the time; None if none is."""
    values: Mapping[str, float | None] = field(default_factory=dict)
    status: Status | None = None
    devices: Sequence[DeviceView] = ()
    faults: Sequence[LoggedFaultView] = ()
    """The faults of the last days in the vendor's log, the newest first."""
    neighbours: Sequence[SlotHistory] = ()
    """Other plants that have the same time zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The budget of an account; None if it is unknown."""

    budget: Budget | None = None
