"""The table [alarms]: the services that are notified, when, and the rules that are off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.config.table import did_you_mean, secret_keys
from heliograph.local_time import parse_zone

if TYPE_CHECKING:
    from datetime import tzinfo

    from heliograph.config.table import ConfigTable
    from heliograph.core.redact import Secret

ALARM_RULES = (
    "offline",
    "no_yield",
    "low_yield",
    "low_among_neighbours",
    "battery_not_charging",
    "battery_stuck",
    "counter_stalled",
    "fault",
    "account_locked",
    "login_refused",
    "export_limit",
    "quota",
    "clock",
)
"""The names of all rules, see `alarms/model.py`."""
SEVERITIES = ("error", "warning", "info")
"""From the most severe on."""


@dataclass(frozen=True, kw_only=True)
class AlarmsConfig:
    """Alarms are always evaluated; notifications are sent if there are services."""

    services: Secret | None = None
    """The addresses of the services, separated by white space; each contains a password or token."""
    quiet: tuple[int, int] | None = None
    """Start and end of the quiet hours in minutes of the day."""
    zone: tzinfo | None = None
    """The time zone of the quiet hours; None for the machine's."""
    digest: timedelta = timedelta(minutes=10)
    """How long a message waits for others, so that one cause is one message."""
    severity: str = "warning"
    """The least severe alarm that is sent."""
    ignore: tuple[str, ...] = ()


def parse_alarms(table: ConfigTable) -> AlarmsConfig:
    """Return the table; raises `ConfigError` for any invalid key."""
    table.reject_unknown_keys((*secret_keys("notify"), "quiet_hours", "zone", "digest", "severity", "ignore"))
    ignore = table.texts("ignore", 'rules, like ["export_limit"]')
    for name in ignore:
        if name not in ALARM_RULES:
            raise table.error(
                f"has no rule {name!r}; the rules are {', '.join(ALARM_RULES)}{did_you_mean(name, ALARM_RULES)}",
                "ignore",
            )
    return AlarmsConfig(
        services=table.secret("notify"),
        quiet=_quiet_hours(table),
        zone=parse_zone("zone", table.text("zone")) if "zone" in table else None,
        digest=table.duration("digest") if "digest" in table else AlarmsConfig.digest,
        severity=table.choice("severity", SEVERITIES) if "severity" in table else AlarmsConfig.severity,
        ignore=ignore,
    )


def _quiet_hours(table: ConfigTable) -> tuple[int, int] | None:
    if "quiet_hours" not in table:
        return None
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d) ?[-–] ?([01]?\d|2[0-3]):([0-5]\d)", table.text("quiet_hours"))
    if not found:
        raise table.error('must be two times of day, like "22:00-07:00"', "quiet_hours")
    first, first_minute, last, last_minute = map(int, found.groups())
    return first * 60 + first_minute, last * 60 + last_minute
