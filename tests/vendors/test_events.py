"""Fault logs of all vendor APIs against the emulated clouds over sockets, and against published rows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from heliograph import GoodWe, Growatt
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.model import EventKind
from heliograph.vendors.growatt.events import log_entry
from heliograph.vendors.growatt.openapi import limits

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
UPLOAD = datetime.fromisoformat("2026-06-21T12:00:00+02:00").astimezone(UTC)


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


def account(ready, vendor):
    return next(one for one in ready["accounts"] if one["vendor"] == vendor)


def plant_of(emulator, vendor, family):
    return next(
        plant for one in emulator.accounts if one.vendor == vendor for plant in one.plants if plant.family == family
    )


def growatt(ready, **options):
    found = account(ready, "growatt")
    return Growatt(found["username"], found["password"], server=ready["growatt"], keeper=None, **options)


def by_token(ready):
    found = account(ready, "growatt")
    return Growatt(token=found["token"], server=ready["growatt"], zone="Europe/Berlin", keeper=None)


def by_portal(ready):
    return growatt(ready, portal=ready["growatt"])


def requests(emulator):
    return sum(one["requests"] for one in json.loads(emulator.respond("GET", "/control/log").body)["accounts"].values())


@pytest.mark.parametrize("client_of", [by_token, by_portal])
def test_growatt_log_has_the_fault_of_the_device(cloud, client_of):
    emulator, ready = cloud
    plant, client = plant_of(emulator, "growatt", "tlx"), client_of(ready)
    emulator.faults.set({"faulty": "302"})
    (event,) = client.events(plant.id)
    assert (event.device, event.kind, event.code) == (plant.devices[0], EventKind.FAULT, "302")
    assert (event.text, event.started_at, event.ended_at) == ("No AC Connection", UPLOAD, UPLOAD)


def test_token_log_is_read_by_day(cloud):
    emulator, ready = cloud
    plant = plant_of(emulator, "growatt", "tlx")
    emulator.faults.set({"faulty": True})
    client = by_token(ready)
    assert client.events(plant.id, date(2026, 6, 20)) == ()
    assert len(client.events(plant.id, date(2026, 6, 21))) == 1


def test_password_api_has_no_log_and_sends_nothing(cloud):
    emulator, ready = cloud
    client = growatt(ready)
    client.plants()
    before = requests(emulator)
    assert client.events(plant_of(emulator, "growatt", "tlx").id) == ()
    assert requests(emulator) == before


def goodwe(ready):
    found = account(ready, "goodwe")
    return GoodWe(found["username"], found["password"], server=ready["url"], keeper=None)


def test_sems_plus_log_has_begin_and_end(cloud):
    emulator, ready = cloud
    client = goodwe(ready)
    plant = client.plants()[0].id
    assert client.events(plant) == ()
    emulator.faults.set({"faulty": "E-G3-0-12"})
    (event,) = client.events(plant)
    assert (event.kind, event.code, event.text) == (EventKind.FAULT, "E-G3-0-12", "Grid Waveform Abnormal")
    assert (event.started_at, event.ended_at) == (UPLOAD, None)
    emulator.world.clock.set(NOON + timedelta(minutes=10))
    emulator.faults.set({"faulty": None})
    (event,) = client.events(plant)
    assert event.ended_at == UPLOAD + timedelta(minutes=10)


def test_sems_portal_warning_has_a_text_by_its_code(cloud):
    emulator, ready = cloud
    emulator.faults.set({"classic": True, "faulty": "E-G3-0-12"})
    client = goodwe(ready)
    snapshot = client.snapshots()[0]
    (event,) = client.events(snapshot.plant.id)
    assert (event.code, event.text) == ("E-G3-0-12", "grid waveform abnormal")
    (code,) = {one.measurements["fault_code"] for one in snapshot.devices}
    assert (code, snapshot.status) == ("E-G3-0-12", "fault")


@pytest.mark.parametrize("classic", [True, None])
def test_log_entry_without_a_time_has_none(cloud, classic):
    emulator, ready = cloud
    emulator.faults.set({"classic": classic, "undated": True})
    client = goodwe(ready)
    (event,) = client.events(client.plants()[0].id)
    assert event.started_at is None
    (event,) = by_portal(ready).events(plant_of(emulator, "growatt", "tlx").id)
    assert event.started_at is None


def test_log_has_faults_that_came_and_went_between_two_readings(cloud):
    emulator, ready = cloud
    client = goodwe(ready)
    plant = client.plants()[0].id
    emulator.faults.set({"faulty": "E-G3-0-12"})
    emulator.world.clock.set(NOON + timedelta(minutes=10))
    emulator.faults.set({"faulty": None})
    emulator.world.clock.set(NOON + timedelta(minutes=30))
    (event,) = client.events(plant)
    assert (event.started_at, event.ended_at) == (UPLOAD, UPLOAD + timedelta(minutes=10))


@pytest.mark.parametrize("family", ["tlx", "inverter", "mix", "spa", "storage", "noah"])
def test_device_of_each_family_shows_a_fault_in_its_status(family):
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=4))
    with serve_in_thread(emulator) as ready:
        holder, plant = next(
            (one, plant)
            for one in emulator.accounts
            if one.vendor == "growatt"
            for plant in one.plants
            if plant.family == family
        )
        client = Growatt(holder.username, holder.password, server=ready["growatt"], keeper=None)
        assert client.snapshot(plant.id).status != "fault"
        emulator.faults.set({"faulty": "302"})
        assert client.snapshot(plant.id).status == "fault"


def test_live_values_of_an_inverter_have_the_fault(cloud):
    emulator, ready = cloud
    emulator.faults.set({"faulty": "302"})
    plant = plant_of(emulator, "growatt", "tlx")
    for client in (growatt(ready), by_token(ready)):
        (device,) = client.snapshot(plant.id).devices
        assert (device.status, device.measurements["fault_code"]) == ("fault", "302")


def test_published_rows_are_read():
    # The vendor's sample of the token API, and the app's log of a NEO (growattServer, commit dafc867).
    row = {"alarmCode": 2, "alarmMessage": "undown error", "status": 1}
    at = datetime(2018, 12, 17, 14, 5, 54, tzinfo=UTC)
    event = log_entry(row, "MIN0000001", "tlx", at, at)
    assert (event.code, event.text, event.kind, event.ended_at) == ("2", "undown error", EventKind.FAULT, at)
    advice = "1.After shutdown,Check AC wiring. 2.If error message still exists,contact manufacturer."
    row = {"description": "No AC Connection", "event": "ERROR_302", "eventCode": "302", "solution": advice}
    event = log_entry(row, "BZP0000001", "tlx", at, None)
    assert (event.code, event.text) == ("302", "No AC Connection")
    assert event.advice == advice
