"""Tariffs: which one is valid, and the pieces of equal price of a day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.local_time import day_bounds
from heliograph.tariffs.tariff import PriceSource, PriceTable, Rates, Tariff, TariffPlan, TimeWindow

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = TimeWindow(22 * 60, 6 * 60, import_price=0.2)


def tariff(start="2026-01-01", **keys):
    return Tariff(start=date.fromisoformat(start), currency="EUR", **{"import_price": 0.3, **keys})


def pieces(plan, day, prices=None):
    start, end = day_bounds(date.fromisoformat(day), BERLIN)
    return [((one.end - one.start) / 3600, *one.rates) for one in plan.pieces(start, end, prices or {})]


def test_plan_of_a_plant_prefers_tariffs_that_name_it():
    general, own = tariff(), tariff(plants=("7",), import_price=0.1)
    assert TariffPlan([general, own], "7", UTC).tariffs == [own]
    assert TariffPlan([general, own], "8", UTC).tariffs == [general]
    assert TariffPlan([own], "8", UTC).currency is None


def test_plan_changes_tariff_in_the_middle_of_a_day():
    later = Tariff(start=datetime(2026, 7, 1, 13, 30), currency="EUR", import_price=0.4)  # noqa: DTZ001 - local
    plan = TariffPlan([later, tariff()], "7", BERLIN)
    assert pieces(plan, "2026-07-01") == [(13.5, 0.3, None), (10.5, 0.4, None)]
    assert pieces(plan, "2026-07-02") == [(24, 0.4, None)]
    assert plan.of_day(*day_bounds(date(2026, 7, 1), BERLIN)) is plan.tariffs[0]


def test_plan_before_the_first_tariff_has_no_price():
    plan = TariffPlan([tariff("2026-03-01")], "7", BERLIN)
    assert pieces(plan, "2026-02-28") == [(24, None, None)]
    assert plan.of_day(*day_bounds(date(2026, 2, 28), BERLIN)) is None


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", (5, 16, 2)), ("2026-10-25", (7, 16, 2)), ("2026-06-01", (6, 16, 2))]
)
def test_window_follows_local_time_at_clock_changes(day, hours):
    found = pieces(TariffPlan([tariff(windows=(NIGHT,))], "7", BERLIN), day)
    assert [(one[0], one[1]) for one in found] == list(zip(hours, (0.2, 0.3, 0.2), strict=True))


def test_window_over_midnight_belongs_to_the_day_it_begins_on():
    weekend = NIGHT._replace(days="weekends")
    plan = TariffPlan([tariff(windows=(weekend,))], "7", BERLIN)
    assert pieces(plan, "2026-06-05") == [(24, 0.3, None)]  # Friday
    assert pieces(plan, "2026-06-06") == [(22, 0.3, None), (2, 0.2, None)]
    assert pieces(plan, "2026-06-08") == [(6, 0.2, None), (18, 0.3, None)]


def test_first_matching_window_wins_and_inherits_the_other_price():
    noon = TimeWindow(12 * 60, 14 * 60, export_price=0.02)
    plan = TariffPlan(
        [tariff(export_price=0.08, windows=(noon, TimeWindow(0, 24 * 60, import_price=0.5)))], "7", BERLIN
    )
    assert pieces(plan, "2026-06-06") == [(12, 0.5, 0.08), (2, 0.3, 0.02), (10, 0.5, 0.08)]


def test_source_adds_surcharge_and_vat_and_a_missing_price_is_unknown():
    source = PriceSource("prices.csv")
    start = day_bounds(date(2026, 6, 6), BERLIN)[0]
    table = PriceTable({start + 3600 * hour: -0.1 if hour == 3 else 0.1 for hour in range(24) if hour != 5})
    plan = TariffPlan([tariff(import_price=None, source=source, surcharge=0.1, vat=20, standing=1.0)], "7", BERLIN)
    found = pieces(plan, "2026-06-06", {source: table})
    assert found == [
        (3, pytest.approx(0.24), None), (1, 0.0, None), (1, pytest.approx(0.24), None), (1, None, None),
        (18, pytest.approx(0.24), None),
    ]  # fmt: skip
    assert pieces(plan, "2026-06-06") == [(24, None, None)]
    assert plan.tariffs[0].gross_standing == pytest.approx(1.2)


@given(
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]),
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.lists(
        st.tuples(st.integers(0, 95), st.integers(0, 96), st.sampled_from(["all", "weekdays", "weekends"])).filter(
            lambda one: one[0] != one[1]
        ),
        max_size=4,
    ),
)
def test_pieces_cover_the_day_and_agree_with_the_wall_clock(zone_name, day, windows):
    zone = ZoneInfo(zone_name)
    found = tuple(
        TimeWindow(first * 15, last * 15, days, float(number)) for number, (first, last, days) in enumerate(windows, 1)
    )
    plan = TariffPlan([Tariff(start=date(2000, 1, 1), currency="EUR", import_price=0.0, windows=found)], "7", zone)
    start, end = day_bounds(day, zone)
    cut = plan.pieces(start, end, {})
    assert [one.start for one in cut[1:]] == [one.end for one in cut[:-1]]
    assert (cut[0].start, cut[-1].end) == (start, end)
    for moment in range(start, end, 300):
        local = datetime.fromtimestamp(moment, zone)
        price = 0.0
        for number, (first, last, days) in enumerate(windows, 1):
            minute = local.hour * 60 + local.minute
            belongs = local if first < last or minute >= first * 15 else local - timedelta(days=1)
            inside = first * 15 <= minute < last * 15 if first < last else minute >= first * 15 or minute < last * 15
            if inside and (days == "all" or (belongs.weekday() > 4) == (days == "weekends")):
                price = float(number)
                break
        assert next(one for one in cut if one.start <= moment < one.end).rates == Rates(price, None)
