"""Alarm rules by name, what a rule judges, and the alarm that results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from heliograph.store.base import AlarmRow

Severity = Literal["error", "warning", "info"]

_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600


class AlarmRule(NamedTuple):
    """A rule: how long its condition must hold, and must not hold, until the alarm is raised or cleared."""

    name: str
    title: str
    advice: str
    severity: Severity
    raise_after: int
    """Seconds of judged time."""
    clear_after: int


RULES = {
    rule.name: rule
    for rule in (
        AlarmRule(
            "offline",
            "no data from the plant",
            "Check the power and the Wi-Fi or cable of the datalogger; then look at the vendor's app.",
            "error",
            15 * _MINUTE,
            15 * _MINUTE,
        ),
        AlarmRule(
            "no_yield",
            "no yield in daylight",
            "Look at the inverter's display: a tripped breaker, a DC switch that is off, a fault, or snow on the "
            "panels.",
            "error",
            60 * _MINUTE,
            30 * _MINUTE,
        ),
        AlarmRule(
            "low_yield",
            "yield far below the plant's best days",
            "Compare the strings on the device page; check for shade, dirt, snow, and a failed string or fuse.",
            "warning",
            0,
            0,
        ),
        AlarmRule(
            "low_among_neighbours",
            "yield far below that of the other plants",
            "Compare the strings on the device page; check for shade, dirt, snow, and a failed string or fuse.",
            "warning",
            0,
            0,
        ),
        AlarmRule(
            "battery_not_charging",
            "solar power is exported while the battery is not full",
            "Check the battery's own display and its breaker, and whether a schedule or a charge limit is set.",
            "warning",
            60 * _MINUTE,
            30 * _MINUTE,
        ),
        AlarmRule(
            "battery_stuck",
            "the battery's state of charge does not change",
            "Check the battery's own display and its breaker; a restart of the inverter often reconnects it.",
            "warning",
            0,
            60 * _MINUTE,
        ),
        AlarmRule(
            "counter_stalled",
            "the energy counter stands still while the panels yield",
            "The counter is usually correct again after the inverter's restart; energies are computed from the power.",
            "info",
            60 * _MINUTE,
            30 * _MINUTE,
        ),
        AlarmRule(
            "fault",
            "a device reports a fault",
            "Look up the code in the manual, and note it for the installer.",
            "error",
            10 * _MINUTE,
            30 * _MINUTE,
        ),
        AlarmRule(
            "account_locked",
            "the vendor locked the account or blocked this address",
            "Stop other programs that use this account; nothing is sent until the lock ends.",
            "error",
            0,
            0,
        ),
        AlarmRule(
            "login_refused",
            "the vendor refused the password or token",
            "Log in on the vendor's website to check it, then run: heliograph login",
            "error",
            0,
            0,
        ),
        AlarmRule(
            "export_limit",
            "export is held at a limit",
            "If the limit is not wanted, ask the grid operator or look at the inverter's export setting.",
            "info",
            0,
            12 * _HOUR,
        ),
        AlarmRule(
            "quota",
            "the daily request quota is used up",
            "Stop other programs that use this account, or set a longer interval for it.",
            "warning",
            30 * _MINUTE,
            60 * _MINUTE,
        ),
        AlarmRule(
            "clock",
            "the clock of a device is wrong",
            "Set time and time zone of the inverter or datalogger, on its display or in the vendor's app.",
            "warning",
            60 * _MINUTE,
            60 * _MINUTE,
        ),
    )
}
"""Every rule by name, in the order in which alarms are shown."""


class AlarmSubject(NamedTuple):
    """The subject of an alarm: a plant, or an account if `plant` is empty."""

    vendor: str
    plant: str = ""
    account: str = ""


class Judgement(NamedTuple):
    """The result of a rule: whether its condition holds, None if that cannot be judged now, and what was seen."""

    rule: str
    holds: bool | None
    seen: str = ""


class AlarmState(StrEnum):
    """The state of an alarm; only a raised one asks for attention."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmResponse:
    """The answer of a person: an acknowledgement, which is valid until the alarm is cleared, or a snooze."""

    at: int
    until: int | None = None
    """End of a snooze; None for an acknowledgement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One condition of one plant or account: pending, raised or cleared. Times are epoch seconds."""

    rule: str
    subject: AlarmSubject
    title: str
    """The name of the plant or account."""
    judged_at: int
    progress: int = 0
    """Judged seconds for which the condition has held, or has not held if it is raised."""
    raised_at: int | None = None
    cleared_at: int | None = None
    seen: str = ""
    response: AlarmResponse | None = None

    @property
    def key(self) -> str:
        """The name under which it is stored."""
        return json.dumps([self.rule, *self.subject], ensure_ascii=False)

    @property
    def id(self) -> str:
        """A short name to type; equal for each occurrence."""
        return alarm_id(self.key)

    @property
    def is_active(self) -> bool:
        """Whether it was raised and not cleared."""
        return self.raised_at is not None and self.cleared_at is None

    def state(self, now: int) -> AlarmState | None:
        """Return its state; None while it is pending."""
        if self.raised_at is None:
            return None
        if self.cleared_at is not None:
            return AlarmState.CLEARED
        if self.response is None or self.response.at < self.raised_at:
            return AlarmState.RAISED
        if self.response.until is None:
            return AlarmState.ACKNOWLEDGED
        return AlarmState.SNOOZED if now < self.response.until else AlarmState.RAISED

    def row(self) -> AlarmRow:
        """Return the row that the collector stores; the response of a person is a column of its own."""
        data = asdict(replace(self, response=None)) | {"subject": list(self.subject)}
        del data["response"]
        return AlarmRow(self.key, self.judged_at, json.dumps(data, ensure_ascii=False), None)


def response_row(key: str, response: AlarmResponse) -> AlarmRow:
    """Return the row that a person's command stores."""
    return AlarmRow(key, response.at, None, json.dumps(asdict(response)))


def alarm_id(key: str) -> str:
    """Return the short name of a key.

    >>> alarm_id("offline")
    '0b4e47'
    """
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()


def alarm_data(alarm: Alarm, now: int) -> dict[str, Any]:
    """Return an alarm as JSON-ready data, for the API and `heliograph alarms --json`."""
    state, rule = alarm.state(now), RULES[alarm.rule]
    return {
        "id": alarm.id,
        "rule": alarm.rule,
        "severity": rule.severity,
        "state": state and state.value,
        "vendor": alarm.subject.vendor,
        "plant": alarm.subject.plant or None,
        "account": alarm.subject.account or None,
        "name": alarm.title,
        "title": rule.title,
        "seen": alarm.seen,
        "advice": rule.advice,
        "raised_at": _iso(alarm.raised_at),
        "cleared_at": _iso(alarm.cleared_at),
        "snoozed_until": _iso(alarm.response.until if state is AlarmState.SNOOZED and alarm.response else None),
    }


def _iso(at: int | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def alarm_from_row(row: AlarmRow) -> Alarm | None:
    """Return a stored alarm; None for one that this version does not know or cannot read."""
    data, response = _parsed(row.contents), _parsed(row.response)
    try:
        alarm = Alarm(**data | {"subject": AlarmSubject(*data["subject"])})
        answer = AlarmResponse(**response) if response else None
    except (TypeError, KeyError):
        return None
    return replace(alarm, response=answer) if alarm.rule in RULES else None


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
