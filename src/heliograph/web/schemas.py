"""The JSON objects of the API and their schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.alarms.model import RULES, AlarmState
from heliograph.collect.freshness import Freshness
from heliograph.metrics import ENERGIES, METRICS, published_value
from heliograph.model import EventKind, Quality, Status
from heliograph.tariffs.money import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.keeper import Budget
    from heliograph.store.base import Day, PollStatus, Repair, StoredEvent
    from heliograph.tariffs.money import PeriodMoney

Schema = dict[str, Any]


def iso_utc(epoch: int | None) -> str | None:
    """Return a Unix time as ISO 8601 in UTC.

    >>> iso_utc(1750500000)
    '2025-06-21T10:00:00Z'
    """
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")[:-6] + "Z"


def plant_data(one: PlantState) -> dict[str, Any]:
    """Return a plant with its devices."""
    return {**plant_summary(one), "devices": [device_data(device) for device in one.devices]}


def plant_summary(one: PlantState) -> dict[str, Any]:
    """Return a plant without its devices."""
    return {
        "vendor": one.series.vendor,
        "plant": one.series.plant,
        "name": one.name,
        "zone": str(one.zone),
        "account": one.account,
        "peak_power": one.peak_power,
        "status": one.status,
        "freshness": one.freshness,
        "quality": one.quality,
        "rhythm_seconds": one.sample_interval,
        "delay_seconds": one.arrival_delay,
        "measured_at": iso_utc(one.measured_at),
        "fetched_at": iso_utc(one.fetched_at),
        "poll": one.poll and poll_data(one.poll),
        "values": _values(one.values, METRICS),
        "provisional": sorted(one.provisional),
    }


def poll_data(one: PollStatus) -> dict[str, Any]:
    """Return when a plant was polled and will be."""
    return {
        "polled_at": iso_utc(one.polled_at),
        "interval_seconds": one.interval,
        "next_at": iso_utc(one.next_at),
        "reason": one.reason or None,
    }


def device_data(one: DeviceState) -> dict[str, Any]:
    """Return a device; metrics that its family does not report are null."""
    return {
        "device": one.series.device,
        "name": one.name,
        "family": one.family,
        "status": one.status,
        "freshness": one.freshness,
        "measured_at": iso_utc(one.measured_at),
        "values": _values(one.values, METRICS),
        "measurements": dict(one.measurements),
        "raw": dict(one.raw),
    }


def day_data(one: Day) -> dict[str, Any]:
    """Return a day's energies."""
    return {
        "day": one.day.isoformat(),
        "final": one.final,
        "quality": one.quality,
        "imported": sorted(one.imported),
        "values": _values(one.values, ENERGIES),
    }


def money_data(first: date, one: PeriodMoney, by: str) -> dict[str, Any]:
    """Return the money of one period, like "2026-06-21", "2026-06" or "2026"."""
    return {
        "period": first.isoformat()[: {"day": 10, "month": 7, "year": 4}[by]],
        "days": one.days,
        **{name: None if (value := one.values[name]) is None else round(value, 4) + 0.0 for name in MONEY},
        "days_known": dict(one.known),
    }


def repair_data(one: Repair) -> dict[str, Any]:
    """Return a rejected value."""
    return {
        "device": one.series.device or None,
        "measured_at": iso_utc(one.measured_at),
        "metric": one.metric,
        "raw": published_value(one.raw),
        "kept": published_value(one.kept),
        "reason": one.reason,
    }


def event_data(one: StoredEvent) -> dict[str, Any]:
    """Return an event."""
    return {
        "device": one.series.device or None,
        "kind": one.kind,
        "code": one.code,
        "text": one.text,
        "advice": one.advice,
        "started_at": iso_utc(one.started_at),
        "ended_at": iso_utc(one.ended_at),
        "source": one.source,
    }


def account_data(one: AccountStatus) -> dict[str, Any]:
    """Return an account with its budget and pause."""
    return {
        "account": one.name,
        "vendor": one.vendor,
        "problem": one.problem,
        "budget": one.budget and budget_data(one.budget),
        "password_api": one.password_budget and budget_data(one.password_budget),
        "missing_values": dict(one.missing_values),
    }


def budget_data(budget: Budget) -> dict[str, Any]:
    """Return the request budget, session, pause and recent activity of an account."""
    return {
        "requests": {
            "used": budget.requests_used,
            "limit": budget.requests_limit,
            "reserve": budget.reserve,
            "next_free": _iso(budget.next_free),
        },
        "logins": {"used": budget.logins_used, "limit": budget.logins_limit, "last": _iso(budget.last_login)},
        "session": {"opened_at": _iso(budget.opened_at)} if budget.opened_at else None,
        "pause": budget.pause and {**budget.pause._asdict(), "until": _iso(budget.pause.until)},
        "refused_at": _iso(budget.refused_at),
        "notes": [{"at": _iso(at), "note": note} for at, note in budget.notes],
    }


def _values(values: Mapping[str, float | None], names: Iterable[str]) -> dict[str, float | None]:
    return {name: published_value(values.get(name)) for name in names}


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="seconds")


def _object(**members: Schema) -> Schema:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(name: str) -> Schema:
    """Return the schema of a list of objects with a named schema."""
    return {"type": "array", "items": ref(name)}


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
DATE_TIME: Schema = {"type": "string", "format": "date-time"}
DATE: Schema = {"type": "string", "format": "date"}
_NUMBER: Schema = {"type": "number"}
_BOOLEAN: Schema = {"type": "boolean"}


def _enum(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(one) for one in values]}


def _metric(name: str) -> Schema:
    metric = METRICS[name]
    return {"type": ["number", "null"], "description": f"{metric.meaning}, in {metric.unit}"}


_BRIEF: dict[str, Schema] = {
    "vendor": TEXT,
    "plant": TEXT,
    "name": _or_null(TEXT),
    "zone": TEXT | {"description": "time zone of the plant: an IANA name or a UTC offset"},
    "account": _or_null(TEXT) | {"description": "configured name of the account that polls the plant"},
    "peak_power": {"type": ["number", "null"], "description": "size of the plant in kWp"},
    "status": _or_null(_enum(Status)),
    "freshness": _enum(Freshness),
    "quality": _or_null(_enum(Quality)),
    "rhythm_seconds": _NUMBER | {"description": "usual interval between samples in seconds"},
    "delay_seconds": _NUMBER
    | {"description": "usual seconds from a measurement to its fetch if its data arrives late, else 0"},
    "measured_at": _or_null(DATE_TIME),
    "fetched_at": _or_null(DATE_TIME),
    "poll": _or_null(ref("Poll")),
    "values": ref("Values"),
    "provisional": {
        "type": "array",
        "items": TEXT,
        "description": "metrics that no second reading has confirmed yet, or calculated from the power since",
    },
}
_COLUMN: Schema = {"type": "array", "items": {"type": ["number", "null"]}}

SCHEMAS: dict[str, Schema] = {
    "Values": _object(**{name: _metric(name) for name in METRICS})
    | {"description": "Current values; null means unknown, never 0."},
    "Plant": _object(**_BRIEF),
    "PlantWithDevices": _object(**_BRIEF, devices=list_of("Device")),
    "Device": _object(
        device=TEXT,
        name=_or_null(TEXT),
        family=_or_null(TEXT),
        status=_or_null(_enum(Status)),
        freshness=_enum(Freshness),
        measured_at=_or_null(DATE_TIME),
        values=ref("Values"),
        measurements={
            "type": "object",
            "additionalProperties": {"type": ["number", "string", "null"]},
            "description": "device metrics (docs/metrics.md) by name, only those the device reports",
        },
        raw={
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "numbers of a device of an unknown family, by the vendor's names",
        },
    ),
    "Poll": _object(
        polled_at=DATE_TIME | {"description": "when the vendor API last answered for this plant"},
        interval_seconds=INTEGER | {"description": "stated interval between two polls now"},
        next_at=DATE_TIME | {"description": "planned time of the next poll"},
        reason=_or_null(TEXT) | {"description": "why it is not polled at that interval, such as a lock"},
    ),
    "Plants": _object(total=INTEGER, offset=INTEGER, limit=INTEGER, plants=list_of("Plant")),
    "Column": _object(mean=_COLUMN, low=_COLUMN, high=_COLUMN),
    "Samples": {
        **_object(
            vendor=TEXT,
            plant=TEXT,
            device=_or_null(TEXT),
            zone=TEXT,
            seconds=INTEGER | {"description": "length of a bucket"},
            starts={"type": "array", "items": DATE_TIME},
            metrics={"type": "object", "additionalProperties": ref("Column")},
        ),
        "description": "Columns of equal length; buckets without samples are omitted.",
    },
    "Day": _object(
        day=DATE,
        final=_BOOLEAN | {"description": "complete and verified; not expected to change"},
        quality=_enum(Quality),
        imported={
            "type": "array",
            "items": _enum(ENERGIES),
            "description": "energies from an imported file, because none was measured",
        },
        values=_object(**{name: _metric(f"{name}_today") for name in ENERGIES}),
    ),
    "Days": _object(vendor=TEXT, plant=TEXT, device=_or_null(TEXT), zone=TEXT, days=list_of("Day")),
    "MoneyPeriod": _object(
        period=TEXT | {"description": "a day, month or year"},
        days=INTEGER | {"description": "days of the period up to today"},
        **{name: {"type": ["number", "null"], "description": meaning} for name, meaning in MONEY.items()},
        days_known=_object(**dict.fromkeys(MONEY, INTEGER)) | {"description": "days whose value is known"},
    ),
    "Money": _object(
        vendor=TEXT,
        plant=TEXT,
        zone=TEXT,
        currency=_or_null(TEXT) | {"description": "currency of the plant's tariffs; null without a tariff"},
        by=_enum(("day", "month", "year")),
        periods=list_of("MoneyPeriod"),
    ),
    "Repair": _object(
        device=_or_null(TEXT),
        measured_at=DATE_TIME,
        metric=_enum(METRICS),
        raw=_or_null(_NUMBER),
        kept=_or_null(_NUMBER),
        reason=TEXT,
    ),
    "Repairs": _object(vendor=TEXT, plant=TEXT, zone=TEXT, total=INTEGER, repairs=list_of("Repair")),
    "Event": _object(
        device=_or_null(TEXT) | {"description": "serial number; null for the plant itself"},
        kind=_enum(EventKind),
        code=TEXT | {"description": "the code of a fault or warning, or the name of what changed"},
        text=TEXT,
        advice=TEXT | {"description": "what the vendor advises, if it does"},
        started_at=DATE_TIME,
        ended_at=_or_null(DATE_TIME) | {"description": "equal to the start if the log has no ends"},
        source=TEXT | {"description": "poll: noticed by the collector; fault log: the vendor's"},
    ),
    "Events": _object(
        vendor=TEXT, plant=TEXT, device=_or_null(TEXT), zone=TEXT, total=INTEGER, events=list_of("Event")
    ),
    "Account": _object(
        account=TEXT,
        vendor=TEXT,
        problem=_or_null(TEXT),
        budget=_or_null(ref("Budget")) | {"description": "with a token, the token's"},
        password_api=_or_null(ref("Budget")) | {"description": "that of the password beside a token"},
        missing_values={
            "type": "object",
            "additionalProperties": TEXT,
            "description": "why values of a plant are missing, with the remedy, by plant ID",
        },
    ),
    "Alarm": _object(
        id=TEXT,
        rule=_enum(tuple(RULES)),
        severity=_enum(("error", "warning", "info")),
        state=_enum(tuple(AlarmState)),
        vendor=TEXT,
        plant=_or_null(TEXT),
        account=_or_null(TEXT),
        name=TEXT,
        title=TEXT,
        seen=TEXT,
        advice=TEXT,
        raised_at=_or_null(DATE_TIME),
        cleared_at=_or_null(DATE_TIME),
        snoozed_until=_or_null(DATE_TIME),
    ),
    "Alarms": _object(alarms=list_of("Alarm")),
    "Accounts": _object(accounts=list_of("Account")),
    "Budget": _object(
        requests=_object(used=INTEGER, limit=INTEGER, reserve=INTEGER, next_free=_or_null(DATE_TIME)),
        logins=_object(used=INTEGER, limit=INTEGER, last=_or_null(DATE_TIME)),
        session=_or_null(_object(opened_at=DATE_TIME)),
        pause=_or_null(_object(kind=TEXT, until=DATE_TIME, why=TEXT)),
        refused_at=_or_null(DATE_TIME),
        notes={"type": "array", "items": _object(at=DATE_TIME, note=TEXT)},
    ),
    "Health": _object(
        status=_enum(("ok", "failing")),
        reasons={"type": "array", "items": TEXT},
        plants=_or_null(_object(**dict.fromkeys(Freshness, INTEGER)))
        | {"description": "number of plants by freshness; null while it cannot be read"},
    ),
    "Problem": _object(type=TEXT, title=TEXT, status=INTEGER, detail=TEXT),
}
