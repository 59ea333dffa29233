"""Fault switches: which faults are on, their values, and their remaining uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import FaultPeriod
from heliograph.emulator.fault_values import FAULT_PARSERS, NO_VALUE
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FAULTS = {
    "lock": "the account is locked for a day after VALUE logins within one",
    "quota": "the account is locked for a day after VALUE requests within a day (default 200)",
    "expire": "sessions expire VALUE seconds after their login; without VALUE, all current ones expire now",
    "idle": "sessions expire after VALUE seconds without use (default 1800)",
    "flaky": "sessions expire after VALUE requests (default 1)",
    "rival": "another client logs in every VALUE seconds (default 300)",
    "html": "an HTML page instead of JSON",
    "block": "the firewall's page; with N/S after N requests within S seconds, until 4 hours without requests",
    "silent": "clients blocked by the firewall get no response",
    "rate": "the cloud asks to slow down, after VALUE requests within a minute",
    "region": "accounts exist on the second port only",
    "empty": "success without data",
    "truncated": "half a response, then the connection closes",
    "slow": "responses are delayed by VALUE seconds (default 5)",
    "reset": "the connection is reset instead of a response",
    "outage": "the connection is reset before the cloud processes the request",
    "http500": "status 500 with a plain page",
    "late": "sometimes a data logger buffers its samples for up to VALUE hours (default 6)",
    "offline": "sometimes a data logger is offline for a day; its samples arrive later or never",
    "frozen": "sometimes a data logger repeats one sample for hours",
    "replay": "after midnight the day's energies are still yesterday's, until the device starts its day",
    "glitch": "sometimes one sample has a counter at 0 or a sentinel value",
    "faulty": "devices report the fault VALUE (default 302), and so do the fault logs of the clouds",
    "new_family": "device lists report a device type that no client knows",
    "undated": "fault logs have an entry without a time",
    "unwilling": "devices reject every command",
    "deaf": "commands succeed and change nothing",
    "clamp": "commands succeed, but devices limit percentages to LOW/HIGH (default 10/90)",
    "sluggish": "devices apply a command VALUE seconds after the cloud has accepted it (default 120)",
    "revert": "devices restore the previous value VALUE seconds after a command (default 600)",
    "halfway": "the firewall blocks every command of an account after VALUE of them (default 1)",
    "unread": "settings cannot be read because the device does not answer",
}
"""Faults of all clouds, with descriptions.

The application implements `slow` to `http500` and `truncated`, data loggers `late` to `glitch`, `device_faults.py` the
faults of commands, and the clouds all others.
"""


_MAX_PERIODS = 50


class FaultSwitch(NamedTuple):
    """When a fault was last switched on."""

    revision: int
    """The value of `FaultSwitches.revision` after the change."""
    at: datetime


class FaultSwitches:
    """The active faults by name; a fault may be limited to a number of requests: "html=*1", "slow=2*3"."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        more: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.descriptions = {**FAULTS, **(more or {})}
        """Descriptions of all faults, including those of single clouds."""
        self.revision = 0
        """Number of changes so far."""
        self._now = now
        self._values: dict[str, str] = {}
        self._left: dict[str, int] = {}
        self._switched: dict[str, FaultSwitch] = {}
        self._periods: dict[str, list[FaultPeriod]] = {}
        self.set(settings or {})

    def set(self, settings: Mapping[str, Any]) -> None:
        """Switch faults: text, a number or True is on, None or False is off; none changes if one is invalid."""
        read = {name: _read(name, value, self.descriptions) for name, value in settings.items()}
        self.revision += 1
        for name, setting in read.items():
            self._left.pop(name, None)
            if name in self._values and (setting is None or setting[0] != self._values[name]):
                self._end(name)
            if setting is not None:
                value, limit = setting
                now = self._now()
                if name not in self._values:
                    periods = self._periods.setdefault(name, [])
                    periods.append(FaultPeriod(value, now))
                    del periods[:-_MAX_PERIODS]
                self._values[name] = value
                self._switched[name] = FaultSwitch(self.revision, now)
                if limit is not None:
                    self._left[name] = limit

    def use(self, name: str) -> str | None:
        """Return a fault's value, or None while it is off, and consume one use."""
        value = self.value(name)
        if name in self._left:
            self._left[name] -= 1
            if not self._left[name]:
                del self._left[name]
                self._end(name)
        return value

    def _end(self, name: str) -> None:
        del self._values[name]
        self._periods[name][-1] = self._periods[name][-1]._replace(ended_at=self._now())

    def value(self, name: str) -> str | None:
        """Return a fault's value, or None while it is off."""
        if name not in self.descriptions:
            raise KeyError(f"unknown fault {name}")
        return self._values.get(name)

    def periods(self, name: str) -> tuple[FaultPeriod, ...]:
        """Return the last times in which a fault was on, the newest first."""
        return tuple(reversed(self._periods.get(name, ())))

    def last_switched(self, name: str) -> FaultSwitch:
        """Return when a fault was last switched on; raises `KeyError` if it never was."""
        return self._switched[name]

    def as_dict(self) -> dict[str, str]:
        """Return the active faults in the format of `set`."""
        return {
            name: f"{value}*{self._left[name]}" if name in self._left else value for name, value in self._values.items()
        }


def parse_fault_options(texts: Iterable[str]) -> dict[str, str]:
    """Parse the command line's NAME[=VALUE].

    >>> parse_fault_options(["lock=5", "reset", "html=*1"])
    {'lock': '5', 'reset': '', 'html': '*1'}
    """
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _read(name: str, value: Any, known: Mapping[str, str]) -> tuple[str, int | None] | None:
    """Parse a setting to value and limit, None for off; raise `ConfigError` if it is invalid."""
    if name not in known:
        raise ConfigError(f"unknown fault {name[:40]!r}; available: {', '.join(known)}")
    if value is None or value is False:
        return None
    if not isinstance(value, str | int | float):
        raise ConfigError(f"fault {name}: the value must be text, a number, true, or null to switch it off")
    text, star, limit = ("" if value is True else str(value)).partition("*")
    if star and not (limit.isascii() and limit.isdigit() and int(limit[:9]) > 0):
        raise ConfigError(f"fault {name}: after * a number of requests is required, as in {name}=*1")
    form = FAULT_PARSERS.get(name, NO_VALUE)
    try:
        form.read(text)
    except ValueError as error:
        raise ConfigError(f"fault {name}: {form.hint.format(name=name)}, got {text[:40]!r}") from error
    return text, int(limit[:9]) if star else None
