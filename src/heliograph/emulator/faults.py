"""The switchboard: which faults are on, with what value, and for how many requests more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FAULTS = {
    "lock": "the account is locked after VALUE logins",
    "expire": "sessions expire after VALUE seconds",
    "html": "an HTML page instead of JSON",
    "block": "the page of a firewall that turned the caller away",
    "rate": "the cloud asks to slow down, after VALUE requests where it counts them",
    "empty": "success without data",
    "truncated": "half an answer, then the connection closes",
    "slow": "VALUE seconds until the answer, 5 unless told",
    "reset": "the connection is reset instead of an answer",
    "http500": "status 500 with a plain page",
}
"""The faults of all clouds. The server does truncated to http500 by itself; the others are up to the clouds."""

_COUNTED = frozenset(("lock", "rate"))
_TIMED = frozenset(("slow", "expire"))
_PATIENCE = 5.0
_LONGEST = 30 * 24 * 3600.0


class Switchboard:
    """Faults by name; a value may be limited to some requests: "lock=5", "html=*1", "slow=2*3"."""

    def __init__(self, settings: Mapping[str, Any] | None = None, more: Mapping[str, str] | None = None) -> None:
        self.known = {**FAULTS, **(more or {})}
        """Every fault there is and what it does, those of single clouds included."""
        self._values: dict[str, str] = {}
        self._left: dict[str, int] = {}
        self.set(settings or {})

    def set(self, settings: Mapping[str, Any]) -> None:
        """Switch faults: text, a number or True is on, None or False is off; all of them or, on a mistake, none."""
        read = {name: _read(name, value, self.known) for name, value in settings.items()}
        for name, setting in read.items():
            self._values.pop(name, None)
            self._left.pop(name, None)
            if setting is not None:
                self._values[name], limit = setting
                if limit is not None:
                    self._left[name] = limit

    def take(self, name: str) -> str | None:
        """Return a fault's value, or None while it is off, and count it as used once."""
        if name not in self.known:
            raise KeyError(f"no fault is called {name}")
        value = self._values.get(name)
        if name in self._left:
            self._left[name] -= 1
            if not self._left[name]:
                del self._left[name], self._values[name]
        return value

    def as_dict(self) -> dict[str, str]:
        """Return what is on, written as it is set."""
        return {
            name: f"{value}*{self._left[name]}" if name in self._left else value for name, value in self._values.items()
        }


def fault_settings(texts: Iterable[str]) -> dict[str, str]:
    """Read the command line's NAME[=VALUE].

    >>> fault_settings(["lock=5", "reset", "html=*1"])
    {'lock': '5', 'reset': '', 'html': '*1'}
    """
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def seconds(value: str) -> float:
    """Return the seconds a fault's value says, those of "slow" when it says none.

    >>> seconds(""), seconds("0.5")
    (5.0, 0.5)
    """
    number = float(value) if value else _PATIENCE
    if not (math.isfinite(number) and 0 <= number <= _LONGEST):
        raise ValueError(f"{value} is not between 0 and {_LONGEST:.0f}")
    return number


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
    _check_number(name, text)
    return text, int(limit[:9]) if star else None


def _check_number(name: str, text: str) -> None:
    """Refuse a value that is no number where the fault counts something."""
    if name in _COUNTED and text and not (text.isascii() and text.isdigit()):
        raise ConfigError(f"fault {name}: the value is a whole number, as in {name}=5")
    if name in _TIMED:
        try:
            seconds(text)
        except ValueError as error:
            raise ConfigError(f"fault {name}: the value is a number of seconds; {error}") from error
