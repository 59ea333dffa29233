"""The reads of a Growatt account that a recording contains, by API: password, token and web portal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.reads import calls_about, declared_reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heliograph.core.endpoint import Call
    from heliograph.model import Snapshot

_LEFT_OUT = ("tlx_battery_info_detailed",)
_BY_SERIAL = frozenset(("mix", "noah", "nexa"))
"""Families with calls whose argument is named `serial_number`."""
# Weather shows where a plant is. The other calls have an interval of hours, or list what another one lists.
_LEFT_OUT_OF_PORTAL = ("portal_weather",)
# Days of history are long, and the charts of the password API have them.
_LEFT_OUT_OF_TOKEN = (
    *("v1_user_plant_list", "v4_read_vpp", "v4_high_frequency_data"),
    *("v1_history", "v1_inverter_history", "v4_history", "v4_histories"),
)


def dialect_of(client: Any) -> str:
    """Return an empty text: each API has a client of its own."""
    return ""


def calls(dialect: str, snapshots: Iterable[Snapshot]) -> Iterator[Call[Any]]:
    """Yield the reads of one API: of the account, of each plant, and of each of its devices."""
    yield from {"password": _password_calls, "token": _token_calls, "portal": _portal_calls}[dialect](snapshots)


def _password_calls(snapshots: Iterable[Snapshot]) -> Iterator[Call[Any]]:
    declared = declared_reads(GrowattCalls, _LEFT_OUT)
    yield from calls_about(declared, {}, {})
    for snapshot in snapshots:
        yield from calls_about(declared, {"plant_id": snapshot.plant.id}, {"timespan": 1, "span": 1})
        for one in snapshot.devices:
            family, serial = one.device.family, one.device.id
            names = [f"{family}_id", *(("serial_number",) if family in _BY_SERIAL else ())]
            given = {"plant_id": snapshot.plant.id, "timespan": 1, "span": 1}
            yield from calls_about(declared, dict.fromkeys(names, serial), given, word=family)


def _token_calls(snapshots: Iterable[Snapshot]) -> Iterator[Call[Any]]:
    from heliograph.vendors.growatt.openapi.api import OpenApiCalls  # noqa: PLC0415 - accounts with a token
    from heliograph.vendors.growatt.openapi.snapshots import ONLY_V4, V4_TYPES  # noqa: PLC0415

    declared = declared_reads(OpenApiCalls, _LEFT_OUT_OF_TOKEN)
    for snapshot in snapshots:
        day = _day(snapshot)
        yield from calls_about(declared, {"plant_id": snapshot.plant.id}, {"day": day, "start": day, "end": day})
        for one in snapshot.devices:
            family, serial = one.device.family, one.device.id
            dates = {"day": day, "start": day, "end": day}
            if family in V4_TYPES:
                subject: dict[str, str] = {"device_type": V4_TYPES[family]}
                yield from calls_about(declared, subject, {"serial": serial, "serials": [serial], "day": day})
            if family == "inverter":
                yield from calls_about(declared, {"serial": serial, "serials": [serial]}, dates, word="inverter")
            elif family not in ONLY_V4:
                subject = {"family": family}
                yield from calls_about(declared, subject, {"serial": serial, "serials": [serial], **dates})


def _portal_calls(snapshots: Iterable[Snapshot]) -> Iterator[Call[Any]]:
    from heliograph.vendors.growatt.portal.api import PortalCalls  # noqa: PLC0415 - accounts with the portal

    declared = declared_reads(PortalCalls, _LEFT_OUT_OF_PORTAL)
    yield from calls_about(declared, {}, {})
    for snapshot in snapshots:
        yield from calls_about(declared, {"plant_id": snapshot.plant.id}, {})
        day = _day(snapshot)
        for one in snapshot.devices:
            family, serial = one.device.family, one.device.id
            word = "inverter" if family == "inverter" else family
            yield from calls_about(declared, {"serial": serial}, {"plant_id": snapshot.plant.id}, word=word)
            family_name = {"inverter": "inv"}.get(family, family)
            if family_name in {"inv", "tlx", "max", "mix", "spa", "storage", "hps", "noah"}:
                yield from calls_about(declared, {"family": family_name}, {"serial": serial, "start": day, "end": day})


def _day(snapshot: Snapshot) -> str:
    """Return the plant's local day of a snapshot."""
    moment: datetime = snapshot.measured_at or snapshot.fetched_at
    return moment.astimezone(snapshot.plant.zone or UTC).date().isoformat()
