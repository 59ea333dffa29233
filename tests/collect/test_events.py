"""Events of an account: what polls show to have changed, entries of fault logs, and what cannot be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.collect.events import SETTLING_SECONDS, UNDATED, logged, notice
from heliograph.model import Device, DeviceSnapshot, EventKind, Plant, Snapshot, Status, VendorEvent
from heliograph.store.base import Oddity, Series, StoredEvent

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
AT = int(NOON.timestamp())
ROOF, BOX = Series("growatt", "7"), Series("growatt", "7", "BOX1")


def poll(minutes=0, devices=("BOX1",), status=Status.ONLINE, oddities=None, **measurements):
    at = NOON + timedelta(minutes=minutes)
    found = [
        DeviceSnapshot(
            device=Device(vendor="growatt", plant="7", id=serial, family="tlx", name=serial.title()),
            status=status,
            measured_at=at,
            values={},
            measurements=measurements,
            oddities=oddities or {},
        )
        for serial in devices
    ]
    return Snapshot(
        plant=Plant(vendor="growatt", id="7"),
        status=status,
        measured_at=at,
        fetched_at=at + timedelta(seconds=30),
        values={},
        devices=tuple(found),
    )


def events_of(*polls):
    facts = {}
    return [event for one in polls for event in notice([one], facts).events]


def test_first_poll_of_a_plant_is_no_event():
    assert events_of(poll(firmware="1.0", datalogger="LOG1", fault_code="0")) == []


def test_change_of_firmware_and_datalogger_is_an_event_each():
    found = events_of(poll(firmware="1.0", datalogger="LOG1"), poll(5, firmware="1.1", datalogger="LOG2"), poll(10))
    assert [(one.series, one.kind, one.text, one.started_at) for one in found] == [
        (BOX, EventKind.FIRMWARE, "firmware changed from 1.0 to 1.1", AT + 300),
        (BOX, EventKind.DATALOGGER, "datalogger changed from LOG1 to LOG2", AT + 300),
    ]


def test_missing_or_empty_firmware_is_no_change():
    assert events_of(poll(firmware="1.0"), poll(5), poll(6, firmware=None), poll(7, firmware="0.0")) == []


def test_fault_code_begins_and_ends_with_the_text_of_its_family():
    found = events_of(
        poll(fault_code="0"), poll(5, fault_code="302"), poll(6, fault_code=302.0), poll(20, fault_code="0")
    )
    assert found == [
        StoredEvent(BOX, AT + 300, EventKind.FAULT, "302", AT + 300, None, "no AC connection", "", "poll"),
        StoredEvent(BOX, AT + 300, EventKind.FAULT, "302", AT + 1200, AT + 1200, "", "", "poll"),
    ]


def test_other_fault_ends_the_one_before():
    found = events_of(poll(fault_code="302"), poll(5, fault_code="300"))
    assert [(one.code, one.ended_at) for one in found] == [("302", None), ("302", AT + 300), ("300", None)]


def test_warning_and_fault_of_the_same_number_differ():
    (found,) = events_of(poll(warning_code="203", fault_code="0"))
    assert (found.kind, found.text) == (EventKind.WARNING, "PV input shorted")


def test_fault_without_code_is_known_by_the_status():
    found = events_of(poll(), poll(5, status=Status.FAULT), poll(9, status=Status.OFFLINE), poll(15))
    assert [(one.code, one.text, one.ended_at) for one in found] == [
        ("status", "the cloud shows the device as faulty", None),
        ("status", "", AT + 900),
    ]


def test_unknown_code_is_an_event_without_text():
    (found,) = events_of(poll(fault_code="99999"))
    assert (found.code, found.text) == ("99999", "")


def test_older_snapshot_changes_nothing():
    assert events_of(poll(10, firmware="1.1"), poll(5, firmware="1.0")) == []


def test_new_device_is_an_event_once_its_plant_is_known_for_days():
    later = SETTLING_SECONDS // 60 + 5
    assert events_of(poll(), poll(10, devices=("BOX1", "BOX2"))) == []
    (found,) = events_of(poll(), poll(later, devices=("BOX1", "BOX2")), poll(later + 5, devices=("BOX1", "BOX2")))
    assert (found.series.device, found.kind, found.text) == ("BOX2", EventKind.EQUIPMENT, "new device Box2 (tlx)")


def test_oddities_of_an_answer_are_counted_once_per_poll():
    found = notice([poll(oddities={"text for the number vpv1": "much"})], {}).oddities
    assert found == [Oddity(BOX, "text for the number vpv1", "much", 1, AT + 30)]


ENTRY = VendorEvent(device="BOX1", kind=EventKind.FAULT, code="302", started_at=NOON, source="fault log", text="no AC")


def facts():
    known = {}
    notice([poll()], known)
    return known


def test_entry_of_the_log_is_an_event_of_its_device():
    found = logged([replace(ENTRY, ended_at=NOON - timedelta(minutes=1), advice="x" * 999)], ROOF, facts(), AT)
    (event,) = found.events
    assert (event.series, event.ended_at, len(event.advice)) == (BOX, AT, 300)
    assert found.oddities == ()


def test_entry_of_an_unknown_device_belongs_to_the_plant():
    (event,) = logged([replace(ENTRY, device="BAT9")], ROOF, facts(), AT).events
    assert (event.series, event.text) == (ROOF, "BAT9: no AC")


@pytest.mark.parametrize("at", [None, datetime(1970, 1, 1, 8, tzinfo=UTC), NOON + timedelta(days=2)])
def test_entry_without_a_usable_time_is_counted_and_no_event(at):
    found = logged([replace(ENTRY, started_at=at)] * 3, ROOF, facts(), AT)
    assert found.events == []
    assert found.oddities == (Oddity(ROOF, UNDATED, "fault 302 no AC", 3, AT),)
