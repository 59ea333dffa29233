"""What may be ordered: what was allowed, the grid code only with a second switch, and not too often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from heliograph.errors import ConfigError, Throttled
from heliograph.settings.models import ChangeState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from heliograph.settings.definition import Setting
    from heliograph.settings.models import Order

DAY = 86400.0
WRITES_PER_DAY = 20
"""A device keeps its settings in an EEPROM, whose cells bear some 100,000 writes: twenty a day are 13 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What one account allows to be written; `whose` and `where` say where a person allows more.

    Without `commands` the client itself sends no orders, whatever else is allowed.
    """

    writes: Literal[True] | Collection[str] = ()
    grid_code: bool = False
    writes_per_day: int = WRITES_PER_DAY
    subject: str = "this program"
    configured_in: str = "the call that made these orders"
    commands: bool = True

    def allows(self, setting: Setting) -> bool:
        """Tell whether a setting may be written."""
        try:
            self.check([setting])
        except ConfigError:
            return False
        return True

    def check(self, settings: Iterable[Setting]) -> None:
        """Raise when one of them may not be written."""
        for setting in settings:
            name = setting.name
            if setting.risk == "dangerous":
                raise ConfigError(f"{name} can damage the device or what hangs on it; Heliograph never writes it")
            if setting.unavailable:
                raise ConfigError(f"{name} {setting.unavailable}; nothing was sent")
            if not self.commands:
                raise ConfigError(f"{name} cannot be set by a client that only reads; make it with allow_commands=True")
            if self.writes is not True and name not in self.writes:
                listed = ", ".join(f'"{one}"' for one in (*self.writes, name))
                raise ConfigError(
                    f"{self.subject} may not write {name}; to allow it, say in {self.configured_in}: writes = [{listed}]"
                )
            if setting.risk == "grid-code" and not self.grid_code:
                raise ConfigError(
                    f"{name} belongs to the grid code, which is the grid operator's to decide; with their consent, "
                    f"say in {self.configured_in} as well: grid_code = true"
                )

    def check_write_limit(self, orders: Iterable[Order], device: str, more: int, now: float, vendor: str) -> None:
        """Raise when so many writes more would wear the device."""
        recent = sorted(written(orders, device, now))
        if len(recent) + more <= self.writes_per_day:
            return
        spent = Throttled(
            f"{device} was written {len(recent)} times within 24 hours and would be {more} times more; it keeps its "
            f"settings in a memory that wears, so {self.writes_per_day} are allowed",
            vendor=vendor,
            advice="Nothing was sent. Wait, or order less",
        )
        if more <= self.writes_per_day:
            first_free = recent[len(recent) + more - self.writes_per_day - 1]
            spent.retry_after = max(first_free + DAY - now, 0.0)
        raise spent


def written(orders: Iterable[Order], device: str, now: float) -> list[float]:
    """Return the moments of the last 24 hours at which something was sent to a device.

    A moment ahead of a clock that went back counts: it wore the device all the same.
    """
    changes = (change for order in orders if order.device == device for change in order.changes)
    # What was turned away before it reached the device has worn nothing.
    moments = (change.sent_at for change in changes if change.state is not ChangeState.UNSENT)
    return [at for at in moments if at is not None and at > now - DAY]
