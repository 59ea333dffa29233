"""The switchboard: which faults are on, with what value, and for how many requests more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.fault_values import FAULT_PARSERS, NO_VALUE
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FAULTS = {
    "lock": "the account is locked for a day after VALUE logins within one",
    "quota": "the account is locked for a day after VALUE requests within one, 200 unless told",
    "expire": "sessions die VALUE seconds after their login; without VALUE, the present ones die now",
    "idle": "sessions die that were not used for VALUE seconds, 1800 unless told",
    "flaky": "sessions die after VALUE requests, 1 unless told",
    "rival": "somebody else logs in every VALUE seconds, 300 unless told",
    "html": "an HTML page instead of JSON",
    "block": "the firewall's page; as N/S only after N requests within S seconds, for 4 hours and while asked on",
    "silent": "whom the firewall blocks gets no answer at all",
    "rate": "the cloud asks to slow down, after VALUE requests within a minute",
    "region": "accounts live on the second port",
    "empty": "success without data",
    "truncated": "half an answer, then the connection closes",
    "slow": "VALUE seconds until the answer, 5 unless told",
    "reset": "the connection is reset instead of an answer",
    "outage": "the connection is reset before the cloud has heard the request",
    "http500": "status 500 with a plain page",
    "late": "now and then a logger holds its samples back, for up to VALUE hours, 6 unless told",
    "offline": "now and then a logger is silent for a day; what it measured comes later or never",
    "frozen": "now and then a logger repeats one sample for hours",
    "replay": "after midnight the day's energies are still yesterday's, until the device wakes",
    "glitch": "now and then a counter is 0 or a sentinel, for one sample",
    "unwilling": "devices refuse every order",
    "deaf": "orders succeed and change nothing",
    "clamp": "orders succeed, but devices keep percentages within LOW/HIGH, 10/90 unless told",
    "sluggish": "devices carry out an order VALUE seconds after the cloud has taken it, 120 unless told",
    "revert": "VALUE seconds after an order a device has again what it had before, 600 unless told",
    "halfway": "the firewall turns away every order of an account after VALUE of them, 1 unless told",
    "unread": "settings cannot be read, for the device does not answer",
}
"""The faults of all clouds.

The server does truncated to http500 by itself, and the world late to glitch; the others are up to the clouds, those of
orders by way of obedience.py.
"""


class FaultSwitch(NamedTuple):
    """When a fault was switched on last."""

    revision: int
    """The how manieth switching it was."""
    at: datetime


class FaultSwitches:
    """Faults by name; a value may be limited to some requests: "lock=5", "html=*1", "slow=2*3"."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        more: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.descriptions = {**FAULTS, **(more or {})}
        """Every fault there is and what it does, those of single clouds included."""
        self.revision = 0
        """How often faults have been switched."""
        self._now = now
        self._values: dict[str, str] = {}
        self._left: dict[str, int] = {}
        self._switched: dict[str, FaultSwitch] = {}
        self.set(settings or {})

    def set(self, settings: Mapping[str, Any]) -> None:
        """Switch faults: text, a number or True is on, None or False is off; all of them or, on a mistake, none."""
        read = {name: _read(name, value, self.descriptions) for name, value in settings.items()}
        self.revision += 1
        for name, setting in read.items():
            self._values.pop(name, None)
            self._left.pop(name, None)
            if setting is not None:
                self._values[name], limit = setting
                self._switched[name] = FaultSwitch(self.revision, self._now())
                if limit is not None:
                    self._left[name] = limit

    def use(self, name: str) -> str | None:
        """Return a fault's value, or None while it is off, and count it as used once."""
        value = self.value(name)
        if name in self._left:
            self._left[name] -= 1
            if not self._left[name]:
                del self._left[name], self._values[name]
        return value

    def value(self, name: str) -> str | None:
        """Return a fault's value, or None while it is off."""
        if name not in self.descriptions:
            raise KeyError(f"no fault is called {name}")
        return self._values.get(name)

    def last_switched(self, name: str) -> FaultSwitch:
        """Return when a fault was switched on last; it has been on once."""
        return self._switched[name]

    def as_dict(self) -> dict[str, str]:
        """Return what is on, written as it is set."""
        return {
            name: f"{value}*{self._left[name]}" if name in self._left else value for name, value in self._values.items()
        }


def parse_fault_options(texts: Iterable[str]) -> dict[str, str]:
    """Read the command line's NAME[=VALUE].

    >>> parse_fault_options(["lock=5", "reset", "html=*1"])
    {'lock': '5', 'reset': '', 'html': '*1'}
    """
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _read(name: str, value: Any, known: Mapping[str, str]) -> tuple[str, int | None] | None:
    """Return a setting as value and limit, None for off; say what is wrong with it otherwise."""
    if name not in known:
        raise ConfigError(f"no fault is called {name[:40]!r}; there are {', '.join(known)}")
    if value is None or value is False:
        return None
    if not isinstance(value, str | int | float):
        raise ConfigError(f"fault {name}: the value is text, a number, true, or null to switch it off")
    text, star, limit = ("" if value is True else str(value)).partition("*")
    if star and not (limit.isascii() and limit.isdigit() and int(limit[:9]) > 0):
        raise ConfigError(f"fault {name}: after * comes a number of requests, as in {name}=*1")
    form = FAULT_PARSERS.get(name, NO_VALUE)
    try:
        form.read(text)
    except ValueError as error:
        raise ConfigError(f"fault {name}: {form.hint.format(name=name)}, not {text[:40]!r}") from error
    return text, int(limit[:9]) if star else None
