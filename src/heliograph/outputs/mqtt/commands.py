"""Commands received by MQTT: their payloads, when they are too old, and how their results are reported."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from heliograph.outputs.mqtt.topics import display_text
from heliograph.settings.models import ChangeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.settings.models import Change

Outcome = Literal["applied", "pending", "refused", "unknown", "ignored"]
"""`pending` and `unknown` may be followed by a second result; `ignored` commands were not examined."""

MAX_AGE = 60.0
"""Seconds after which a command with a time is not carried out."""
MAX_PAYLOAD = 2000
"""Bytes of the longest command."""

_OUTCOMES: Mapping[ChangeState, Outcome] = {
    ChangeState.APPLIED: "applied",
    ChangeState.PENDING: "pending",
    ChangeState.REFUSED: "refused",
    ChangeState.UNSENT: "refused",
}
_MAX_ECHOED = 20
"""Parameters of a mapping that a result repeats."""
_TIME_WITH_SECONDS = re.compile(r"(\d\d:\d\d):\d\d(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: a value for one parameter of a setting, or a mapping for several."""

    topic: str
    setting: str = ""
    parameter: str = ""
    """Empty if the value is a mapping of parameters, or the setting's only parameter."""
    value: Any = None
    id: str = ""
    sent_at: float | None = None
    """When it was sent, if it says so."""

    def staleness(self, now: float) -> str:
        """Return why the command is too old to be carried out; empty if it is not."""
        if self.sent_at is None or abs(now - self.sent_at) <= MAX_AGE:
            return ""
        if self.sent_at > now:
            return f"its time is {self.sent_at - now:.0f} s in the future; check the clocks of both machines"
        return f"it was sent {now - self.sent_at:.0f} s ago, more than {MAX_AGE:.0f} s"


def parse_command(topic: str, payload: str, setting: str = "", parameter: str = "") -> Command:
    """Return the command of a payload: a value as text or JSON, or an object with `value` and optional `at` and `id`.

    Raises `ValueError` if the time is not one.
    """
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        content = payload
    sent_at, command_id = None, ""
    if isinstance(content, dict) and "value" in content:
        sent_at = None if content.get("at") is None else _parse_time(content["at"])
        given = content.get("id")
        command_id = display_text(str(given)) if isinstance(given, str | int) else ""
        content = content["value"]
    return Command(
        topic=topic,
        setting=setting,
        parameter=parameter,
        value=_without_seconds(content),
        id=command_id or secrets.token_hex(4),
        sent_at=sent_at,
    )


def result_message(command: Command, outcome: Outcome, reason: str, now: float, *, order: str | None = None) -> str:
    """Return the JSON of a result; texts are limited, so that a result is never much longer than a command."""
    fields = {
        "id": command.id,
        "setting": command.setting or None,
        "parameter": command.parameter or None,
        "value": _echo(command.value),
        "outcome": outcome,
        "reason": display_text(reason, 500) or None,
        "order": order,
        "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def outcome_of_change(change: Change | None) -> tuple[Outcome, str]:
    """Return outcome and reason of a change; None is a setting that was not sent, because the device had the value."""
    if change is None:
        return "applied", "the device already has this value"
    return _OUTCOMES.get(change.state, "unknown"), change.why


def _parse_time(value: object) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).timestamp()
        moment = datetime.fromisoformat(str(value)[:40])
    except (ValueError, OverflowError, OSError):
        raise ValueError("its time is neither seconds since 1970 nor an ISO time") from None
    if moment.tzinfo is None:
        raise ValueError("its time has no zone, such as +02:00 or Z")
    return moment.timestamp()


def _without_seconds(value: Any) -> Any:
    """Return a time of day as settings have it; Home Assistant adds seconds."""
    if isinstance(value, dict):
        return {name: _short_time(one) for name, one in value.items()}
    return _short_time(value)


def _short_time(value: Any) -> Any:
    found = _TIME_WITH_SECONDS.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value


def _echo(value: Any) -> Any:
    if isinstance(value, dict):
        return {display_text(str(name), 40): _echo_one(one) for name, one in list(value.items())[:_MAX_ECHOED]}
    return _echo_one(value)


def _echo_one(value: Any) -> Any:
    finite = isinstance(value, int | float) and isfinite(value)
    return value if value is None or finite else display_text(str(value))
