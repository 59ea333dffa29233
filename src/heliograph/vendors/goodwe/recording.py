"""The reads of a GoodWe account that a recording contains: those of the dialect that serves the account."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from heliograph.vendors.goodwe import dialect as dialects
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.reads import calls_about, declared_reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heliograph.core.endpoint import Call
    from heliograph.model import Snapshot

_LEFT_OUT = {
    # Exports create a file at the server.
    dialects.LEGACY: ("export_power", "export_file", "chart_by_plant"),
    dialects.PLUS: ("plus_ev_charger", "plus_last_charge", "plus_cached_parameters", "plus_function_menus"),
}


_TYPES = {"meter": "SMART_METER", "battery": "BAT_SYS"}
"""Device types of SEMS+ by family."""


def dialect_of(client: Any) -> str:
    """Return the dialect that the account was read in."""
    return dialects.current_or_default(client.session)


def calls(dialect: str, snapshots: Iterable[Snapshot]) -> Iterator[Call[Any]]:
    """Yield the reads of one dialect: of the account, of each plant, and of each of its inverters."""
    declared = declared_reads(SemsPlusCalls if dialect == dialects.PLUS else GoodWeCalls, _LEFT_OUT[dialect])
    yield from calls_about(declared, {}, {})
    for snapshot in snapshots:
        zone = snapshot.plant.zone or UTC
        local = (snapshot.measured_at or snapshot.fetched_at).astimezone(zone)
        hours = offset.total_seconds() / 3600 if (offset := local.utcoffset()) else 0
        day = local.date().isoformat()
        given = {"day": day, "start": day, "month": day[:7], "hours_ahead": hours}
        yield from calls_about(declared, {"plant_id": snapshot.plant.id}, given)
        for one in snapshot.devices:
            subject = {"serial_num": one.device.id, "serial": one.device.id}
            about = declared
            if (kind := _TYPES.get(one.device.family)) is not None:
                # The calls are for an inverter unless they have another type; only hybrids have related devices.
                subject["device_type"] = kind
                about = [call for call in declared if "device_type" in call.signature.parameters]
                about.remove(SemsPlusCalls.plus_related_devices)
            yield from calls_about(about, subject, {"plant_id": snapshot.plant.id, "day": day})
