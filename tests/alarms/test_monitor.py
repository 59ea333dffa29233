from datetime import UTC, datetime

import pytest

from heliograph.alarms.model import AlarmState
from heliograph.alarms.monitor import AlarmMonitor, stored_alarms
from heliograph.current import AccountStatus
from heliograph.keeper import Backoff, Budget
from heliograph.model import EventKind, Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, PollStatus, Series, SeriesInfo, StoredEvent, StoredMeasurements, StoredSample

NOON = 1_780_000_000 // 86400 * 86400 + 12 * 3600
ROOF, BOX = Series("growatt", "7"), Series("growatt", "7", "ABC")


def sample(at, watts):
    return StoredSample(ROOF, at, at + 30, Quality.LIVE, Status.ONLINE, {"pv_power": watts})


def fill(store, days=10, until=NOON):
    """Store half-hourly days from 6 to 18 o'clock, until a time."""
    times = [at for at in range(until - days * 86400 - 6 * 3600, until + 1, 600) if 6 * 3600 <= at % 86400 <= 18 * 3600]
    infos = [SeriesInfo(ROOF, "Roof", None, "UTC", "home"), SeriesInfo(BOX, "Box", "tlx", "UTC")]
    store.write(Batch(series_info=infos, samples=[sample(at, 3000.0) for at in times]))


def poll(store, at, watts=None):
    samples = [] if watts is None else [sample(at, watts)]
    store.write(Batch(samples=samples, polls=[PollStatus(ROOF, at + 30, 600, at + 630)]))


def active(alarms):
    return [(one.rule, one.title) for one in alarms if one.is_active]


def test_monitor_raises_stores_and_clears_alarms(tmp_path):
    where = tmp_path / "store.sqlite"
    with open_store(where) as store:
        fill(store)
        monitor = AlarmMonitor()
        for at in range(NOON + 600, NOON + 2 * 3600, 600):
            poll(store, at, 0.0)
            alarms = monitor.evaluate(store, (), at + 60)
        assert active(alarms) == [("no_yield", "Roof")]
        assert alarms[0].seen == "0 W; at this time of day it has reached 3000 W"
    with open_store(where) as store:  # a restart
        monitor = AlarmMonitor()
        assert active(stored_alarms(store)) == [("no_yield", "Roof")]
        for at in range(NOON + 7200, NOON + 3 * 3600, 600):
            poll(store, at, 2500.0)
            alarms = monitor.evaluate(store, (), at + 60)
        assert [one.state(NOON + 10800) for one in alarms] == [AlarmState.CLEARED]


def test_silent_plant_is_offline_by_day_and_an_ignored_rule_is_not_judged(tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        fill(store)
        monitor, ignoring = AlarmMonitor(), AlarmMonitor(ignored=frozenset({"offline"}))
        for at in range(NOON + 600, NOON + 2 * 3600, 600):
            poll(store, at)
            assert ignoring.evaluate(store, (), at + 60) == ()
        for at in range(NOON + 7200, NOON + 3 * 3600, 600):
            poll(store, at)
            alarms = monitor.evaluate(store, (), at + 60)
        assert active(alarms) == [("offline", "Roof")]


def test_fault_code_of_a_device_is_an_alarm(tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        fill(store)
        monitor = AlarmMonitor()
        for at in range(NOON + 600, NOON + 3000, 600):
            poll(store, at, 3000.0)
            store.write(Batch(measurements=[StoredMeasurements(BOX, at, at, {"fault_code": "117"})]))
            alarms = monitor.evaluate(store, (), at + 60)
        assert [(one.rule, one.seen) for one in alarms] == [("fault", "Box reports fault 117")]


@pytest.mark.parametrize("source", ["fault log", "poll"])
def test_fault_of_the_vendors_log_is_an_alarm_and_one_of_a_poll_only_while_it_is_present(tmp_path, source):
    with open_store(tmp_path / "store.sqlite") as store:
        fill(store)
        event = StoredEvent(BOX, NOON, EventKind.FAULT, "302", NOON, None, "no AC", "", source)
        store.write(Batch(events=[event, event._replace(kind=EventKind.WARNING)]))
        monitor = AlarmMonitor()
        for at in range(NOON + 600, NOON + 3000, 600):
            poll(store, at, 3000.0)
            alarms = monitor.evaluate(store, (), at + 60)
        assert [one.seen for one in alarms] == ["the vendor's log has fault 302 (no AC)"] * (source == "fault log")


def test_account_alarm_has_the_account_as_subject(tmp_path):
    pause = Backoff("locked", datetime(2026, 6, 1, 14, tzinfo=UTC), "error 507")
    budget = Budget(300, 600, 60, 1, 4, None, None, None, pause, ())
    with open_store(tmp_path / "store.sqlite") as store:
        status = AccountStatus(name="home", vendor="growatt", budget=budget)
        first = AlarmMonitor().evaluate(store, [status], NOON)
        (alarm,) = AlarmMonitor().evaluate(store, [status], NOON + 300)
        assert first == (alarm,)
        assert alarm.subject == ("growatt", "", "home")
        assert alarm.seen == "locked until 2026-06-01 14:00 UTC: error 507"


def test_unchanged_alarms_are_not_written_again(tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        fill(store)
        monitor = AlarmMonitor()
        poll(store, NOON + 600, 3000.0)
        monitor.evaluate(store, (), NOON + 660)
        rows = store.alarms()
        poll(store, NOON + 1200, 3000.0)
        monitor.evaluate(store, (), NOON + 1260)
        assert store.alarms() == rows == ()
