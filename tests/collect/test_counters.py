"""Counter repair: one test per rule, and the properties from which the rules were derived."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.collect.counters.reconcile import EnergyReconciler
from heliograph.collect.counters.repair import finalise_day, repair_counters
from heliograph.collect.counters.track import granularity
from heliograph.local_time import day_at, day_start
from heliograph.model import Quality
from heliograph.store.base import Day, Series, StoredSample
from support import counter_faults

BERLIN = ZoneInfo("Europe/Berlin")
SERIES = Series("acme", "p1", "d1")
FIRST = date(2026, 6, 20)
START = day_start(FIRST, BERLIN)
HOUR, DAY = 3600, 86400


class Told:
    """What came out of a history: the shown values, the days, the repairs."""

    def __init__(self, zone=BERLIN, restarts=False):
        self.zone, self.restarts = zone, restarts
        self.memory, self.shown, self.days, self.repairs, self.qualities = {}, [], {}, [], []
        self.day_qualities = {}

    def say(self, at, total=None, today=None, power=4000.0, fetched_at=None):
        values = {"pv_power": power, "pv_energy_total": total, "pv_energy_today": today}
        entry = StoredSample(SERIES, at, at if fetched_at is None else fetched_at, Quality.LIVE, None, values)
        counted = repair_counters(self.memory, entry, self.zone)
        self.memory = json.loads(json.dumps(counted.state)) if self.restarts else counted.state
        self.changed = [day.day for day in counted.days]
        for day in counted.days:
            self.days[day.day] = day.values["pv_energy"]
            self.day_qualities[day.day] = day.quality
        self.repairs += counted.repairs
        self.shown.append((at, counted.sample.values["pv_energy_total"], counted.sample.values["pv_energy_today"]))
        self.qualities.append(counted.sample.quality)
        return counted.sample.values

    def total(self, *pairs):
        return [self.say(START + int(hour * HOUR), total=value)["pv_energy_total"] for hour, value in pairs]

    def today(self, *pairs):
        return [self.say(START + int(hour * HOUR), today=value)["pv_energy_today"] for hour, value in pairs]

    def both(self, *rows):
        for hour, total, today in rows:
            self.say(START + int(hour * HOUR), total, today)
        return self

    def reasons(self):
        return [one.reason for one in self.repairs]

    def of(self, offset):
        return self.days.get(FIRST + timedelta(days=offset))


# Lifetime totals


def test_total_of_zero_at_night_keeps_last_value():
    told = Told()
    assert told.total((20, 99.9), (20.1, 100.0), (24, 0.0), (30, 0.0), (30.5, 100.1)) == [None, 100, 100, 100, 100.1]
    assert told.reasons() == ["not confirmed yet", "zero", "zero"]
    assert [(one.raw, one.kept) for one in told.repairs] == [(99.9, None), (0.0, 100.0), (0.0, 100.0)]


def test_total_after_small_dip_is_not_counted_twice():
    told = Told()
    assert told.total((10, 100.0), (10.1, 100.2), (10.2, 100.0), (10.3, 100.3)) == [None, 100.2, 100.2, 100.3]
    assert told.reasons()[1:] == ["total fell"]


def test_total_too_low_all_morning_recovers_without_spike():
    told = Told().both((8, 500.0, 1.0), (8.1, 500.1, 1.1), (8.2, 500.2, 1.2), (8.3, 60.0, 1.3), (11, 62.0, 4.0))
    told.both((11.1, 503.0, 4.1), (11.2, 503.1, 4.2))
    assert [total for _, total, _ in told.shown][3:] == [500.2, 500.2, 503.0, 503.1]
    assert told.of(0) == pytest.approx(4.2, abs=0.2)


def test_total_ignores_impossible_jump():
    told = Told()
    shown = told.total((10, 100.0), (10.1, 100.1), (10.2, 65535.0), (10.3, 65535.0), (10.4, 65535.0), (10.5, 100.4))
    assert shown[1:] == [100.1, 100.1, 100.1, 100.1, 100.4]
    assert told.reasons()[1:] == ["implausible jump"] * 3


def test_total_accepts_possible_jump_after_one_more_sample():
    told = Told()
    frozen = [(hour, 100.1) for hour in range(11, 16)]
    shown = told.total((10, 100.0), (10.1, 100.1), *frozen, (15.1, 125.0), (15.2, 100.1), (15.3, 125.0), (15.4, 125.1))
    assert shown[-4:] == [100.1, 100.1, 100.1, 125.1]


def test_total_accepts_jump_after_gap_at_night_with_next_sample():
    assert Told().total((19.9, 100.0), (20, 100.1), (30, 250.0), (30.1, 100.2))[1:] == [100.1, 100.1, 100.2]


def test_total_is_not_confirmed_by_repeated_sample():
    shown = Told().total((10, 100.0), (10.1, 100.1), (14, 100.1), (15, 140.0), (15, 140.0), (15.1, 101.0))
    assert shown[-3:] == [100.1, 100.1, 101.0]


def test_total_ignores_lasting_impossible_jump():
    told = Told()
    lasting = [(10.2 + i / 10, 115.0) for i in range(30)]
    assert told.total((10, 100.0), (10.1, 100.1), *lasting, (13.3, 103.0))[-2:] == [100.1, 103.0]


def test_total_first_seen_as_zero_recovers():
    assert Told().total((1, 0.0), (2, 0.0), (6, 5000.0), (6.1, 5000.1)) == [None, None, None, 5000.1]


def test_total_first_seen_as_spike_is_discarded():
    assert Told().total((1, 99999.0), (1.1, 500.0), (1.2, 500.0)) == [None, None, 500.0]


def test_replaced_meter_is_detected_after_a_day_without_loss():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), (10, 901.0), (10.2, 0.1))
    hours = [10.5 + i / 2 for i in range(60)]
    told.total(*((hour, round(0.1 + hour - 10.2, 1)) for hour in hours))
    assert told.shown[3][1] == 901.0
    assert told.shown[-1][1] == pytest.approx(901 + 30, abs=0.5)
    assert told.reasons().count("meter replaced") == 1
    assert told.of(1) == pytest.approx(hours[-1] - 24, abs=0.6)


def test_replaced_meter_keeps_energy_counted_before_detection():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), (12, 901.0), *((hour, hour - 12.0) for hour in range(15, 45)))
    assert told.shown[-1][1] == pytest.approx(901 + 32)


def test_replaced_meter_may_report_zero_at_night():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), (12, 901.0))
    told.total(*((hour / 2, 0.0 if 48 < hour < 60 else hour / 2 - 12.0) for hour in range(25, 80)))
    assert told.shown[-1][1] == pytest.approx(901 + 27.5)


def test_replaced_meter_after_gap_at_midnight_leaves_days_unassigned():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), (10, 901.0), *((10.5 + i / 2, 0.5 + i / 2) for i in range(20)))
    told.total(*((30 + i / 2, 20 + i / 2) for i in range(20)))
    assert "meter replaced" in told.reasons()
    assert told.of(1) is None


def test_total_too_low_for_most_of_a_day_is_no_replaced_meter():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), *((10 + i / 2, 1.0 + i / 2) for i in range(44)), (32, 920.0), (32.1, 920.1))
    assert "meter replaced" not in told.reasons()
    assert told.shown[-1][1] == 920.1


def test_total_that_stays_zero_is_no_replaced_meter():
    told = Told()
    told.total((9, 900.0), (9.5, 900.5), *((hour, 0.0) for hour in range(10, 90)), (90, 901.0))
    assert "meter replaced" not in told.reasons()
    assert told.shown[-1][1] == 901.0


def test_replaced_meter_above_zero_counts_from_first_reading():
    told = Told()
    told.total((9, 9000.0), (9.5, 9000.5), *((hour, 4000.0 + hour) for hour in range(10, 40)))
    assert told.shown[-1][1] == pytest.approx(9000.5 + 29)


# Today


def test_today_is_zero_until_inverter_wakes():
    told = Told()
    shown = told.today((18, 17.9), (18.1, 18.0), (24.1, 18.0), (29, 18.0), (30, 0.0), (30.5, 0.2), (31, 0.6))
    assert shown[2:] == [0, 0, 0, 0.2, 0.6]
    assert told.reasons()[-2:] == ["yesterday's, not reset yet"] * 2
    assert told.of(1) == 0.6


def test_today_is_zero_for_zero_then_yesterday_then_zero():
    told = Told()
    shown = told.today((18, 0.5), (18.1, 0.6), (24.1, 0.0), (24.2, 0.6), (29, 0.6), (30, 0.0), (30.5, 0.1))
    assert shown[2:] == [0, 0, 0, 0, 0.1]
    assert told.of(1) == 0.1


def test_today_survives_glitch_to_zero_at_noon():
    told = Told()
    assert told.today((0.1, 0.0), (9, 4.0), (9.1, 4.1), (9.2, 0.0), (9.3, 4.2)) == [0, 4, 4.1, 4.1, 4.2]
    assert told.of(0) == 4.2


def test_today_ignores_spike_at_noon():
    told = Told()
    shown = told.today((0.1, 0.0), (9, 4.0), (9.1, 4.1), (9.2, 6553.5), (9.3, 4.2))
    assert shown[-2:] == [4.1, 4.2]
    assert told.of(0) == 4.2


def test_today_dip_is_no_new_day():
    shown = Told().today((20, 8.9), (20.1, 9.0), (24.1, 9.0), (27, 8.9), (27.1, 9.0), (30, 0.0), (30.1, 0.1))
    assert shown[2:] == [0, 0, 0, 0, 0.1]


def test_today_fall_to_impossible_value_is_no_new_day():
    shown = Told().today((20, 89.9), (20.1, 90.0), (24.1, 60.0), (24.2, 90.0), (30, 0.0), (30.1, 0.1))
    assert shown[2:] == [0, 0, 0, 0.1]


def test_today_of_early_device_clock_counts_from_midnight():
    told = Told()
    assert told.today((0.1, 0.0), (23, 8.9), (23.4, 9.0), (23.6, 0.1), (24.02, 0.9))[-2:] == [9.0, 0.9]
    assert (told.of(0), told.of(1)) == (9.0, 0.9)


def test_today_of_late_device_clock_belongs_to_yesterday_until_reset():
    told = Told()
    told.today((0.1, 0.0), (12, 0.2), (23.8, 0.3), (24.05, 0.4), (24.12, 0.5), (24.3, 0.1))
    assert (told.of(0), told.of(1)) == (0.5, 0.1)


def test_today_of_wrong_device_clock_counts_from_its_reset():
    told = Told()
    told.today(*((i / 4, round((i / 4 - 3) % 24, 2)) for i in range(16, 200)))
    assert {today for at, _, today in told.shown if START + DAY <= at < START + DAY + 3 * HOUR} == {0.0}
    assert told.of(1) == pytest.approx(21, abs=0.3)  # what it had counted when the plant's day ended


@pytest.mark.parametrize("late", [-0.2, 0.2])
def test_day_energy_is_complete_if_device_midnight_is_minutes_off(late):
    told = Told()
    for i in range(1, 290):
        hour = i / 4
        told.today((hour, round((hour - late) % 24, 1)))
    assert told.of(1) == pytest.approx(24, abs=0.5)
    assert max(today or 0 for _, _, today in told.shown) <= 24.3


def test_today_after_missed_reset_is_accepted_after_rises():
    told = Told()
    told.today((0.1, 0.0), (9, 4.0), (10, 4.5))
    assert told.today((24 + 10, 7.0), (34.2, 7.2)) == [None, 7.2]
    assert (told.of(0), told.of(1)) == (4.5, 7.2)


def test_today_constant_after_gap_belongs_to_yesterday():
    told = Told()
    told.today((0.1, 0.0), (9, 4.0), (10, 4.5), (26, 19.0), (28, 19.0), (30, 0.0), (31, 0.3))
    assert (told.of(0), told.of(1)) == (19.0, 0.3)


def test_today_frozen_over_midnight_is_accepted_once_it_moves():
    told = Told().both((0.1, 100.0, 0.0), (12, 101.0, 1.1), (23, 102.2, 2.2), (24.1, 102.3, 2.3), (30, 108.1, 2.3))
    told.both(*((33 + i / 10, round(111.1 + i / 10, 1), round(9 + i / 10, 1)) for i in range(4)))
    assert told.shown[-1][2] == 9.3
    assert (told.of(0), told.of(1)) == pytest.approx((2.2, 9.3), abs=0.3)


def test_today_frozen_at_zero_is_not_mistaken_for_yesterday():
    told = Told()
    told.today((0.1, 0.0), (12, 1.0), (19, 2.0), (24.1, 0.0), (40, 0.0), (42, 17.0), (42.1, 17.0))
    assert told.of(1) == 17.0


# Both


def test_total_assigns_rise_at_night_to_yesterday():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (10, 105.0, 5.0), (26, 112.0, 12.0), (26.2, 112.2, 12.2))
    told.both((30, 112.2, 0.0), (30.2, 112.4, 0.2), (30.3, 112.5, 0.3))
    assert (told.of(0), told.of(1)) == pytest.approx((12.2, 0.3), abs=0.15)


def test_late_total_is_assigned_to_yesterday():
    told = Told().both((0.1, 100.0, 0.0), (17, 109.1, 9.1), (18, 110.0, 10.0), (24.2, 110.0, 10.0))
    told.both((30, 110.0, 0.0), (31, 110.0, 0.5), (31.2, 113.7, 0.7), (31.4, 113.9, 0.9), (31.6, 114.1, 1.1))
    assert (told.of(0), told.of(1)) == pytest.approx((13, 1.1), abs=0.25)


def test_total_one_digit_ahead_adds_nothing():
    assert Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (9.1, 104.3, 4.2), (9.2, 104.3, 4.3)).of(0) == 4.3
    assert Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (9.1, 104.3, 4.2)).of(0) == 4.2


def test_total_covers_evening_without_samples():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.0, 4.0), (15, 112.0, 12.0), (30.5, 118.1, 0.1), (31, 118.4, 0.4))
    assert (told.of(0), told.of(1)) == pytest.approx((18, 0.4), abs=0.25)


def test_total_covers_frozen_daily_counter():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (10, 105.0, 5.0), (12, 108.0, 5.0), (13, 110.0, 5.0))
    assert told.of(0) == pytest.approx(10, abs=0.25)
    told.both((13.1, 110.2, 10.2), (13.2, 110.3, 10.3))
    assert told.of(0) == pytest.approx(10.3, abs=0.05)


def test_daily_counter_covers_frozen_total_without_double_count():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.0, 4.0), (10, 105.0, 5.0), (12, 105.0, 8.0), (14, 105.0, 10.0))
    assert told.of(0) == 10.0
    told.both((14.1, 110.0, 10.0), (14.2, 110.2, 10.2), (25, 110.2, 10.2), (30, 110.2, 0.0), (31, 110.5, 0.3))
    assert (told.of(0), told.of(1)) == pytest.approx((10.2, 0.3), abs=0.15)


def test_total_frozen_over_midnight_is_split_correctly():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.0, 4.0), (12, 107.0, 7.0), (20, 107.0, 15.0), (24.2, 107.0, 15.0))
    told.both((30, 107.0, 0.0), (31, 107.0, 0.5), (33, 117.5, 2.5), (33.1, 117.6, 2.6), (33.2, 117.7, 2.7))
    assert (told.of(0), told.of(1)) == pytest.approx((15, 2.7), abs=0.25)


def test_coarse_total_does_not_distort_day():
    told = Told()
    for i in range(1, 200):
        today = round(max(0.0, (i / 4 % 24 - 6) / 2), 1) if i / 4 % 24 < 18 else 6.0
        told.both((i / 4, 2560.0 + 10 * int((i / 4 // 24 * 6 + today) / 10), today))
    assert (told.of(0), told.of(1)) == pytest.approx((6, 6), abs=0.2)


# Only a total, and gaps


def test_total_without_daily_counter_counts_complete_days():
    told = Told()
    told.total(*((i / 4, round(100 + i / 4, 1)) for i in range(1, 240)))
    assert told.of(0) is None  # it was not there from the beginning
    assert told.of(1) == pytest.approx(24, abs=0.3)


def test_total_gain_within_an_hour_of_midnight_is_split_by_time():
    told = Told()
    told.total(*((0.3 + 0.7 * i, round(100.3 + 0.7 * i, 1)) for i in range(110)))
    assert told.of(1) == pytest.approx(24, abs=0.25)


def test_energy_in_long_gap_over_midnight_belongs_to_no_day():
    told = Told()
    told.total(
        *((i / 4, round(100 + i / 4, 1)) for i in range(1, 150)),
        *((40 + i / 4, round(140 + i / 4, 1)) for i in range(100)),
    )
    told.total((74, 200.0), (75, 201.0))
    assert told.of(2) is not None
    assert told.of(3) is None
    assert "over midnight: in no day" in told.reasons()


def test_days_within_gap_are_omitted():
    told = Told().both(
        (0.1, 100.0, 0.0), (9, 104.0, 4.0), (10, 105.0, 5.0), (24 * 3 + 10, 150.0, 6.0), (82.1, 150.1, 6.1)
    )
    assert (told.of(0), told.of(1), told.of(2), told.of(3)) == (5.0, None, None, 6.1)
    assert "over midnight: in no day" in told.reasons()


def test_gap_stays_a_gap():
    told = Told().both((9, 104.0, 4.0), (9.1, None, None))
    assert told.shown[-1][1:] == (None, None)
    assert told.qualities == [Quality.REPAIRED, Quality.LIVE]


def test_late_and_future_samples_are_not_counted():
    told = Told().both((9, 104.0, 4.0), (9.1, 104.1, 4.1), (10, 105.0, 5.0))
    told.say(START + 9 * HOUR + 100, 104.0, 4.0)
    told.say(START + 20 * HOUR, 120.0, 20.0, fetched_at=START + 10 * HOUR)
    assert told.shown[-2][1:] == told.shown[-1][1:] == (None, None)
    assert told.memory["at"] == START + 10 * HOUR
    assert told.reasons()[-4:] == ["late: the counters are past this"] * 2 + ["measured in the future"] * 2


def test_repeated_sample_changes_nothing():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.0, 4.0), (9.1, 104.1, 4.1))
    before = told.memory
    told.both((9.1, 104.1, 4.1))
    assert told.memory == before
    assert told.changed == []


def test_repaired_sample_and_day_have_quality_repaired():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.0, 4.0), (10, 105.0, 5.0), (11, 0.0, 6.0), (12, 106.0, 7.0))
    assert told.qualities[1:] == [Quality.LIVE, Quality.LIVE, Quality.REPAIRED, Quality.LIVE]


def test_day_from_total_instead_of_daily_counter_is_repaired():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (10, 105.0, 5.0))
    assert told.day_qualities[FIRST] is Quality.LIVE
    told.both((12, 108.0, 5.0))
    assert told.day_qualities[FIRST] is Quality.REPAIRED


def test_day_without_energy_is_written_once():
    told = Told().both((0.1, 100.0, 0.0), (12, 103.1, 3.1), (23.9, 103.1, 3.1), (24.2, 103.1, 0.0), (47.9, 103.1, 0.0))
    told.both((48.2, 103.7, 0.0), (48.5, 104.2, 0.0), (50, 106.1, 3.0), (50.2, 106.2, 3.1))
    assert told.of(1) == pytest.approx(0, abs=0.4)
    assert told.of(2) == pytest.approx(3.1, abs=0.4)


def test_total_completes_yesterday_after_gap():
    told = Told().both((0.1, 100.0, 0.0), (9, 104.1, 4.1), (10, 105.0, 5.0))
    shown = told.both((35, 119.3, 9.0), (35.1, 119.4, 9.1)).shown
    assert [today for _, _, today in shown[-2:]] == [None, 9.1]
    assert (told.of(0), told.of(1)) == pytest.approx((10.3, 9.1), abs=0.25)


def test_max_power_follows_reported_power():
    told = Told()
    for i in range(8):
        told.say(START + 9 * HOUR + 600 * i, total=1000.0 + 100 * i, power=600_000.0)
    assert told.shown[-1][1] == 1700.0


@pytest.mark.parametrize(("value", "step"), [(2560.0, 10), (27.0, 1), (27.3, 0.1), (9177.45, 0.01)])
def test_granularity_is_last_digit(value, step):
    assert granularity(value) == step


# The cloud's own word on a finished day


def word(counted, told, hours=13, quality=Quality.LIVE):
    end = day_start(FIRST + timedelta(days=1), BERLIN)
    day = Day(SERIES, FIRST, {"pv_energy": counted}, quality, final=False, written_at=0)
    return finalise_day({}, day, {"pv_energy": told}, BERLIN, end + int(hours * HOUR))


@pytest.mark.parametrize(
    ("counted", "told", "kept", "quality", "why"),
    [
        (None, 12.0, 12.0, Quality.BACKFILLED, None),
        (12.0, None, 12.0, Quality.LIVE, None),
        (12.0, 12.1, 12.0, Quality.LIVE, None),
        (12.0, 12.2, 12.2, Quality.BACKFILLED, None),
        (12.0, 11.8, 12.0, Quality.LIVE, None),
        (12.0, 15.0, 15.0, Quality.BACKFILLED, "the cloud's day has more"),
        (12.0, 0.0, 12.0, Quality.LIVE, "the cloud's day has less"),
        (12.0, 65535.0, 12.0, Quality.LIVE, "more than can be"),
        (0.0, 0.0, 0.0, Quality.LIVE, None),
    ],
)
def test_finalise_day_uses_larger_possible_value(counted, told, kept, quality, why):
    settled = word(counted, told)
    assert settled.day.values["pv_energy"] == kept
    assert settled.day.quality is quality
    assert [one.reason for one in settled.repairs] == ([why] if why else [])


def test_finalise_day_is_final_after_noon_of_next_day():
    assert not word(12.0, 12.0, hours=11.9).day.final
    assert word(12.0, 12.0, hours=12).day.final


# Properties

LIES = st.builds(
    counter_faults.Lie,
    st.sampled_from(list(counter_faults.LIES)),
    st.integers(0, 3),
    st.one_of(st.floats(0, 24), st.just(23.5)),
    st.sampled_from((0.3, 2.0, 6.0, 12.0)),
    st.floats(0, 1),
)


@st.composite
def lives(draw, lies=LIES):
    sleeps = draw(st.booleans())
    return counter_faults.Life(
        zone=draw(st.sampled_from(("Europe/Berlin", "Australia/Sydney", "America/Santiago"))),
        first=draw(
            st.sampled_from([date(2026, 6, 20), *(date(2026, m, d) for m, d in ((10, 23), (3, 27), (4, 3), (9, 4)))])
        ),
        suns=tuple(draw(st.lists(st.sampled_from((1.0, 0.5, 0.1, 0.02, 0.0)), min_size=4, max_size=4))),
        sleeps=sleeps,
        seconds=draw(st.sampled_from((300, 600, 900))),
        skew=0 if sleeps else draw(st.sampled_from((0, -420, 420))),
        seed=draw(st.integers(0, 999)),
        lies=tuple(draw(st.lists(lies, max_size=6))),
        witnesses=draw(st.sampled_from(("both", "today", "total"))),
        peak=draw(st.sampled_from((1.0, 5.0, 10.0))),
    )


def lived(life, restarts=False):
    course = life.course()
    told = Told(life.clock, restarts=restarts)
    for one in course.told():
        told.say(one.at, one.total, one.today, course.power(one.at))
    return course, told


@settings(max_examples=80)
@given(lives())
def test_counters_are_correct_and_monotonic_under_any_faults(life):
    nothing_is_wrong(life)


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", date(2026, 10, 23), 25),
        ("Europe/Berlin", date(2026, 3, 27), 23),
        ("Australia/Sydney", date(2026, 4, 3), 25),
        ("Australia/Sydney", date(2026, 10, 2), 23),
        ("America/Santiago", date(2026, 4, 2), 25),
        ("America/Santiago", date(2026, 9, 4), 23),
        ("America/Havana", date(2026, 10, 30), 25),
    ],
)
@settings(max_examples=15)
@given(life=lives())
def test_counters_are_correct_on_dst_days(zone, first, hours, life):
    life = replace(life, zone=zone, first=first)
    assert [end - start for start, end in life.course().edges[1:-1]].count(hours * HOUR) == 1
    nothing_is_wrong(life)


def nothing_is_wrong(life):
    course, told = lived(life)
    days_are_true(life, course, told)
    counters_never_fall(life, told)
    no_spike_is_shown(course, told)


def days_are_true(life, course, told):
    seams = counter_faults.sampling_error(course, course.told())
    for place, (day, edges) in list(enumerate(zip(life.days, course.edges, strict=True)))[1:-1]:
        (before, unsure), (after, unsure_too) = seams[place], seams[place + 1]
        energy = told.days.get(day)
        if energy is None:
            assert unsure or unsure_too, day
        else:
            assert energy == pytest.approx(course.between(*edges), abs=4 * counter_faults.STEP + before + after), day


def counters_never_fall(life, told):
    total, today, day = 0.0, 0.0, None
    for at, total_now, today_now in told.shown:
        if day_at(at, life.clock) != day:
            day, today = day_at(at, life.clock), 0.0
        assert total_now is None or total_now >= total
        assert today_now is None or today_now >= today
        total, today = total_now or total, today_now or today


def no_spike_is_shown(course, told):
    """Over any stretch no more is shown than flowed since the day before it, for a frozen counter catches up."""
    totals = [(at, total) for at, total, _ in told.shown if total is not None]
    flowed = course.sums[-1]
    assert not totals or totals[-1][1] - totals[0][1] <= flowed + 4 * counter_faults.STEP
    for at, _, today in told.shown:
        most = max(course.between(start, at) for start, _ in course.edges[-1:] + course.edges if start <= at)
        assert today is None or today <= most + 4 * counter_faults.STEP


@settings(max_examples=25)
@given(lives())
def test_repair_counters_result_is_unchanged_by_restarts(life):
    _, once = lived(replace(life, seconds=900))
    _, again = lived(replace(life, seconds=900), restarts=True)
    assert (once.shown, once.days, once.repairs) == (again.shown, again.days, again.repairs)


def test_first_day_of_epoch_matches_calendar():
    assert datetime.fromtimestamp(START, UTC).astimezone(BERLIN).date() == FIRST


def test_stored_state_of_reconciler_has_stable_keys():
    keys = (
        "day energy base pinned open before total zero pair fresh unsplit today reset state cut stale rose hidden tail"
    )
    state = EnergyReconciler(7, energy=2.0, day_start=1.0, today_origin=0.5, synced=(1.0, 2.0)).dump()
    assert list(state) == keys.split()
    assert (state["base"], state["cut"], state["pair"]) == (1.0, 0.5, [1.0, 2.0])
    assert EnergyReconciler.load(state).dump() == state
