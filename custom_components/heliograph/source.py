"""What a door offers: the current state, changes as they happen, and history. Entities know nothing else of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .model import UnexpectedData, moment_of, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from .control import DeviceControl
    from .model import PlantNow, SystemNow


class SourceError(HomeAssistantError):
    """A door cannot be used now; the text is translated."""

    def __init__(self, key: str, /, **placeholders: str) -> None:
        super().__init__(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)
        self.key = key


class AuthError(SourceError):
    """The token or the password is not accepted; only the user can help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergies:
    """Energies of one day of the plant's calendar in kWh, by metric without its suffix ("pv_energy"); None is a gap."""

    day: date
    final: bool
    """The day is complete, was fetched again afterwards, and is not expected to change."""
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Samples in buckets: mean, lowest and highest value of each metric, None where there is none."""

    seconds: int
    starts: Sequence[datetime]
    """In UTC; empty buckets are omitted."""
    mean: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    low: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    high: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


class Source(Protocol):
    """One door. `read`, `days` and `buckets` raise `SourceError`; none of them asks a cloud."""

    @property
    def control(self) -> DeviceControl | None:
        """Reads and changes settings of devices; None for a door that only reads."""

    async def start(self, on_change: Callable[[SystemNow], None], on_failure: Callable[[], None]) -> None:
        """Begin to collect or to listen.

        `on_change` is called with each new state, `on_failure` if the state should be read again, which may raise.
        """

    async def stop(self) -> None:
        """End what `start` began; nothing is sent afterwards."""

    async def read(self) -> SystemNow:
        """Return the current state."""

    async def days(self, plant: PlantNow, first: date, last: date) -> list[DayEnergies]:
        """Return the known days of a plant from `first` to `last`, both included, oldest first."""

    async def buckets(
        self, plant: PlantNow, metrics: Sequence[str], first: date, last: date, seconds: int = 3600
    ) -> Buckets:
        """Return the samples from the start of `first` to the end of `last` (plant time) in buckets of `seconds`.

        At most 2,000 buckets.
        """


def parse_days(rows: Sequence[Any]) -> list[DayEnergies]:
    """Return the days of the API's answer; raises `UnexpectedData`."""
    from datetime import date  # noqa: PLC0415 - named as a type above

    found = []
    for row in rows:
        try:
            values = {str(name): number_of(value) for name, value in row["values"].items()}
            found.append(DayEnergies(day=date.fromisoformat(row["day"]), final=bool(row["final"]), values=values))
        except (TypeError, ValueError, LookupError, AttributeError):
            raise UnexpectedData("days") from None
    return found


def parse_buckets(data: Any) -> Buckets:
    """Return the buckets of the API's answer; raises `UnexpectedData`."""
    try:
        starts = [start for text in data["starts"] if (start := moment_of(text)) is not None]
        columns: dict[str, dict[str, list[float | None]]] = {"mean": {}, "low": {}, "high": {}}
        for name, row in data["metrics"].items():
            for kind, column in columns.items():
                column[str(name)] = [number_of(value) for value in row[kind]]
                if len(column[str(name)]) != len(starts):
                    raise UnexpectedData("samples")
        return Buckets(seconds=int(data["seconds"]), starts=starts, **columns)
    except (TypeError, ValueError, LookupError, AttributeError):
        raise UnexpectedData("samples") from None
