"""Write permissions: allowed settings, the separate switch for grid-code settings, and the daily write limit."""

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
"""Devices store settings in an EEPROM rated for about 100,000 writes per cell: twenty a day last 13 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The settings one account may write.

    Error messages name the account as `subject`, and `configured_in` as the place to allow more. Without
    `allow_commands` the client itself refuses every write, whatever else is allowed.
    """

    writes: Literal[True] | Collection[str] = ()
    grid_code: bool = False
    writes_per_day: int = WRITES_PER_DAY
    subject: str = "this program"
    configured_in: str = "the arguments of Orders or AsyncOrders"
    allow_commands: bool = True

    def allows(self, setting: Setting) -> bool:
        """Return True if a setting may be written."""
        try:
            self.check([setting])
        except ConfigError:
            return False
        return True

    def check(self, settings: Iterable[Setting]) -> None:
        """Raise `ConfigError` if one of the settings may not be written."""
        for setting in settings:
            name = setting.name
            if setting.risk == "dangerous":
                raise ConfigError(f"{name} can damage the device or connected equipment; Heliograph never writes it")
            if setting.unavailable:
                raise ConfigError(f"{name} {setting.unavailable}; nothing was sent")
            if not self.allow_commands:
                raise ConfigError(f"{name} cannot be set by a read-only client; create it with allow_commands=True")
            if self.writes is not True and name not in self.writes:
                listed = ", ".join(f'"{one}"' for one in (*self.writes, name))
                raise ConfigError(
                    f"{self.subject} may not write {name}; to allow it, set in {self.configured_in}: "
                    f"writes = [{listed}]"
                )
            if setting.risk == "grid-code" and not self.grid_code:
                raise ConfigError(
                    f"{name} is a grid-code setting, which needs the grid operator's consent; with it, also set in "
                    f"{self.configured_in}: grid_code = true"
                )

    def check_write_limit(self, orders: Iterable[Order], device: str, writes: int, now: float, vendor: str) -> None:
        """Raise `Throttled` if `writes` more writes would exceed the device's daily limit."""
        recent = sorted(recent_writes(orders, device, now))
        if len(recent) + writes <= self.writes_per_day:
            return
        error = Throttled(
            f"{device} was written {len(recent)} times within 24 hours and this change needs {writes} more writes; its "
            f"settings memory wears out, so {self.writes_per_day} are allowed",
            vendor=vendor,
            advice="Nothing was sent. Try again later, or change fewer settings at once",
        )
        if writes <= self.writes_per_day:
            first_free = recent[len(recent) + writes - self.writes_per_day - 1]
            error.retry_after = max(first_free + DAY - now, 0.0)
        raise error


def recent_writes(orders: Iterable[Order], device: str, now: float) -> list[float]:
    """Return the times of the writes to a device within the last 24 hours.

    Times in the future count as well: the clock was set back, but the write wore the memory.
    """
    changes = (change for order in orders if order.device == device for change in order.changes)
    # A command that never reached the device has not worn its memory.
    times = (change.sent_at for change in changes if change.state is not ChangeState.UNSENT)
    return [at for at in times if at is not None and at > now - DAY]
