"""Fetch snapshots through the token API: one call per family, lists once a day."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from heliograph import metrics as m
from heliograph.core.parsing import offset_zone, parse_number
from heliograph.errors import RequestRefused
from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot, combine
from heliograph.vendors.growatt.openapi import envelope, normalise
from heliograph.vendors.growatt.openapi.api import MAX_PAGES, MAX_SERIALS, PAGE_SIZE, DeviceType, OpenApiCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.vendors.growatt.openapi import payloads as pay

VENDOR = "growatt"
LIST_MAX_AGE = 86400.0
"""Seconds before lists of plants and devices are fetched again; the vendor allows ten such calls a day."""
EMPTY_LIST_MAX_AGE = 3600.0
_EARLY_RETRIES = 3

V1_FAMILIES: dict[float, str] = {
    1: "inverter",
    2: "storage",
    4: "max",
    5: "mix",
    6: "spa",
    7: "tlx",
    8: "pcs",
    9: "hps",
    10: "pbd",
    11: "boost",
}
"""Family of each device type of V1; type 3 are meters and sensors."""
V4_TYPES: dict[str, DeviceType] = {
    "inverter": "inv",
    "storage": "storage",
    "max": "max",
    "mix": "sph",
    "spa": "spa",
    "tlx": "min",
    "wit": "wit",
    "sph-s": "sph-s",
    "noah": "noah",
}
"""V4's name of each family."""
ONLY_V4 = frozenset(("wit", "sph-s", "noah"))
BATCHED = frozenset(("tlx", "mix", "spa", "max"))


class ListedDevice(NamedTuple):
    """One device of a plant; stored in the session as a list."""

    id: str
    family: str
    lost: bool | None = None


def plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    """Return all plants of the token."""
    names = yield from plant_names(session)
    return tuple(Plant(vendor=VENDOR, id=id_, name=name) for id_, name in names.items())


def plant_names(session: Session) -> FlowGenerator[dict[str, str | None]]:
    """Return name by id of the token's plants, fetched once a day; the search for the region fetches the first page."""
    fetched_at, next_page = session.facts.get("plants_read", (None, 1))
    names: dict[str, str | None] = session.facts.get("plants", {})
    if fetched_at is None or session.now - fetched_at > LIST_MAX_AGE:
        names, next_page = {}, 1
    while next_page is not None:
        page: pay.OpenApiPlantPage = yield OpenApiCalls.v1_plant_list.flow(next_page)
        names, next_page = remember_plants(session, page, names, next_page)
    return names


def remember_plants(
    session: Session, page: pay.OpenApiPlantPage, known: dict[str, str | None], number: int
) -> tuple[dict[str, str | None], int | None]:
    """Store the plants of a page, and return all plants with the number of the next page, None after the last."""
    names = known | {row.id: row.name for row in page.plants if row.id}
    is_last = len(page.plants) < PAGE_SIZE or len(names) == len(known) or number >= MAX_PAGES
    next_page = None if is_last else number + 1
    sizes = session.facts.get("sizes", {}) | {row.id: row.peak_power or None for row in page.plants if row.id}
    session.facts |= {"plants": names, "plants_read": (session.now, next_page), "sizes": sizes}
    return names, next_page


def zone(session: Session, plant_id: str) -> FlowGenerator[tzinfo]:
    """Return a plant's time zone: the configured one, else the cloud's fixed offset, fetched once."""
    if session.zone is not None:
        return session.zone
    offsets: dict[str, float | None] = session.facts.setdefault("offsets", {})
    if plant_id not in offsets:
        details: pay.OpenApiPlantDetails = yield OpenApiCalls.v1_plant_details.flow(plant_id)
        offsets[plant_id] = parse_number((details.timezone or "").removeprefix("GMT"))
    return offset_zone(offsets[plant_id]) or UTC


def devices(session: Session, plant_id: str) -> FlowGenerator[tuple[ListedDevice, ...]]:
    """Return the devices of a plant, fetched once a day.

    Quirk: the list was empty for many accounts for a day (Home Assistant issue 171361): the known devices stay, and
    the list is fetched again after an hour.
    """
    cached: dict[str, tuple[float, list[Any]]] = session.facts.setdefault("devices", {})
    fetched_at, rows = cached.get(plant_id, (None, []))
    known = tuple(ListedDevice(*row) for row in rows)
    if fetched_at is not None and session.now - fetched_at <= (LIST_MAX_AGE if known else EMPTY_LIST_MAX_AGE):
        return known
    found: list[ListedDevice] = []
    for number in range(1, MAX_PAGES + 1):
        page: pay.DevicePage = yield OpenApiCalls.v1_device_list.flow(plant_id, number)
        found += [
            ListedDevice(row.id, V1_FAMILIES[row.type], row.lost)
            for row in page.devices
            if row.id and row.type is not None and row.type in V1_FAMILIES
        ]
        if len(page.devices) < PAGE_SIZE:
            break
    found += yield from _v4_devices(session, plant_id, {device.id for device in found})
    cached[plant_id] = (session.now, [list(device) for device in found or known])
    return tuple(found) or known


def _v4_devices(session: Session, plant_id: str, listed: set[str]) -> FlowGenerator[list[ListedDevice]]:
    """Return the devices of this plant that only V4 lists: NOAH, WIT, SPH-S."""
    fetched_at, rows = session.facts.get("v4_devices", (None, []))
    if fetched_at is None or session.now - fetched_at > LIST_MAX_AGE:
        try:
            answer: tuple[pay.V4Device, ...] = yield OpenApiCalls.v4_devices.flow()
        except RequestRefused:  # a token without V4 still reads the families of V1
            answer = ()
        rows = [[row.id, row.type] for row in answer if row.type in ONLY_V4]
        session.facts["v4_devices"] = (session.now, rows)
    placed: dict[str, str | None] = session.facts.setdefault("placed", {})
    found = []
    for serial, family in rows:
        if serial not in placed and serial not in listed:
            placed[serial] = yield from _plant_of(session, serial)
        if serial not in listed and placed[serial] == plant_id:
            found.append(ListedDevice(serial, family))
    return found


def _plant_of(session: Session, serial: str) -> FlowGenerator[str | None]:
    known = yield from plant_names(session)
    if len(known) == 1:
        return next(iter(known))
    try:
        plant: pay.OpenApiPlant = yield OpenApiCalls.v1_plant_of_device.flow(serial)
    except RequestRefused:
        return None
    return plant.id


def snapshots(session: Session, wanted: tuple[str, ...] = ()) -> FlowGenerator[tuple[Snapshot, ...]]:
    """Fetch the snapshots of these plants, or of all, with one call per family for up to 100 devices."""
    names = yield from plant_names(session)
    for plant_id in wanted:
        if plant_id not in names:
            advice = f"It has: {', '.join(names) or 'none'}"
            raise RequestRefused(f"this token has no plant {plant_id!r}", vendor=VENDOR, call="snapshot", advice=advice)
    listed: dict[str, tuple[ListedDevice, ...]] = {}
    for plant_id in wanted or names:
        listed[plant_id] = yield from devices(session, plant_id)
    serials: dict[str, list[str]] = {}
    for device in (device for found in listed.values() for device in found):
        serials.setdefault(device.family, []).append(device.id)
    data: dict[str, pay.OpenApiData] = {}
    for family, members in serials.items():
        for start in range(0, len(members), MAX_SERIALS):
            data |= yield from _last_data(family, members[start : start + MAX_SERIALS])
    result = []
    for plant_id, found in listed.items():
        plant_zone = yield from zone(session, plant_id)
        now = datetime.fromtimestamp(session.server_time, plant_zone)
        size = session.facts.get("sizes", {}).get(plant_id)
        plant = Plant(vendor=VENDOR, id=plant_id, name=names[plant_id], zone=plant_zone, peak_power=size)
        readings = [_device(plant, device, data[device.id], now) for device in found if device.id in data]
        # A device of a family without a table has raw numbers only.
        readable = any(reading.device.family in normalise.FAMILIES for reading in readings)
        values = {} if readable else (yield from _plant_yield(plant_id))
        _remember_readable(session, plant_id, found, readable=readable)
        result.append(combine(plant, readings, now.astimezone(UTC), values))
    return tuple(result)


def access_problem(session: Session) -> FlowGenerator[str]:
    """Return why the token reports no devices, with the remedy; empty if it may read the first device."""
    names = yield from plant_names(session)
    if not names:
        return f"this token finds no plants. {envelope.HOW_TO_CREATE}"
    plant_id = next(iter(names))
    first = next(iter((yield from devices(session, plant_id))), None)
    if first is None:
        return ""
    try:
        # Quirk: V4 leaves out devices that the token may not read, where V1 says so.
        if first.family in ONLY_V4:
            readable = bool((yield OpenApiCalls.v4_device_info.flow([first.id], V4_TYPES[first.family])))
        elif first.family == "inverter":
            readable = bool((yield OpenApiCalls.v1_inverter_info.flow(first.id)))
        else:
            readable = bool((yield OpenApiCalls.v1_device_info.flow(cast("Any", first.family), first.id)))
    except RequestRefused as error:
        readable = not is_without_permission(error)
    advice = envelope.NO_PERMISSION
    return "" if readable else f"this token may not read its devices: {advice[0].lower()}{advice[1:]}"


def is_without_permission(error: RequestRefused) -> bool:
    """Return True if the token lacks the permission for what was asked."""
    return error.code.isdecimal() and int(error.code) in envelope.PERMISSION_CODES


class UnreadablePlant(NamedTuple):
    """A plant whose devices reported nothing when they were last asked for; stored in the session as a list."""

    asked_at: float
    reason: str
    times: int
    """How often in succession."""

    @property
    def retry_at(self) -> float:
        """When to ask for it again: after an hour at first, as the cloud may have failed, later once a day."""
        return self.asked_at + (EMPTY_LIST_MAX_AGE if self.times <= _EARLY_RETRIES else LIST_MAX_AGE)


def unreadable_plants(session: Session) -> dict[str, UnreadablePlant]:
    """Return each plant whose devices reported nothing when they were last asked for."""
    return {plant: UnreadablePlant(*row) for plant, row in session.facts.get("unreadable", {}).items()}


def missing_values(session: Session) -> dict[str, str]:
    """Return why values of a plant are missing, with the remedy, by plant id."""
    remedy = (
        "Only Growatt's regional service can grant a token the permission to read devices; user name and password "
        "beside the token read them too: heliograph login growatt"
    )
    return {plant: f"{row.reason}. {remedy}" for plant, row in unreadable_plants(session).items()}


def _remember_readable(session: Session, plant_id: str, listed: tuple[ListedDevice, ...], *, readable: bool) -> None:
    known = unreadable_plants(session)
    before = known.pop(plant_id, None)
    families = sorted({device.family for device in listed})
    if not listed:
        reason = "the token lists no devices"
    elif not any(family in normalise.FAMILIES for family in families):
        reason = f"the token reports no values of {', '.join(families)}"
    else:
        reason = "the token may not read the devices, or they have no data"
    if not readable:
        known[plant_id] = UnreadablePlant(session.now, reason, before.times + 1 if before else 1)
    session.facts["unreadable"] = {one: list(row) for one, row in known.items()}


def _last_data(family: str, serials: list[str]) -> FlowGenerator[dict[str, pay.OpenApiData]]:
    """Fetch the newest measurements of the devices of one family, by serial number.

    A refused device is left out: it must not hide the others of the account.
    """
    try:
        if family in ONLY_V4:
            rows: tuple[pay.OpenApiData, ...] = yield OpenApiCalls.v4_last_data.flow(serials, V4_TYPES[family])
            return {str(row.body.get("deviceSn") or row.body.get("serialNum")): row for row in rows}
        if len(serials) > 1 and family == "inverter":
            batch: pay.OpenApiBatch = yield OpenApiCalls.v1_inverter_batch_data.flow(serials)
            return batch.devices
        if len(serials) > 1 and family in BATCHED:
            batch = yield OpenApiCalls.v1_batch_data.flow(cast("Any", family), serials)
            return batch.devices
    except RequestRefused:
        return {}
    found: dict[str, pay.OpenApiData] = {}
    for serial in serials:
        try:
            if family == "inverter":
                found[serial] = yield OpenApiCalls.v1_inverter_last_data.flow(serial)
            else:
                found[serial] = yield OpenApiCalls.v1_last_data.flow(cast("Any", family), serial)
        except RequestRefused:
            continue
    return found


def _device(plant: Plant, listed: ListedDevice, data: pay.OpenApiData, now: datetime) -> DeviceSnapshot:
    device = Device(vendor=VENDOR, plant=plant.id, id=listed.id, family=listed.family, name=listed.id)
    # The device list is up to a day old: a device that measured just now is not lost.
    measured_at = normalise.measured_time(data, now)
    is_fresh = measured_at is not None and (now - measured_at).total_seconds() <= normalise.FROZEN_AFTER
    return normalise.map_device(device, data, now, lost=bool(listed.lost) and not is_fresh)


def _plant_yield(plant_id: str) -> FlowGenerator[dict[str, tuple[float | None, str]]]:
    """Fetch the energies of a plant whose devices cannot be read, as for a token without device permission."""
    answer: pay.OpenApiPlantData = yield OpenApiCalls.v1_plant_data.flow(plant_id)
    return {
        m.PV_ENERGY_TODAY.name: (answer.energy_today, "v1_plant_data"),
        m.PV_ENERGY_TOTAL.name: (answer.energy_total, "v1_plant_data"),
    }
