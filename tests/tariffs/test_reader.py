"""Money of stored energies: a year computed by hand, and the days on which prices or samples are missing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from heliograph.local_time import day_bounds
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, ImportBatch, ImportedEnergy, Series, SeriesInfo, StoredSample
from heliograph.tariffs.money import MONEY, sum_money
from heliograph.tariffs.reader import MoneyReader
from heliograph.tariffs.tariff import PriceSource, Tariff, TimeWindow

ZONE = ZoneInfo("Europe/Berlin")
HOME = Series("growatt", "11")
YEAR = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
NOW = int(datetime(2027, 2, 1, tzinfo=UTC).timestamp())

# Energies of an hour by local hour, in hundredths of a kWh, a little different each month.
LOAD = (20, 20, 25, 20, 20, 30, 60, 80, 50, 40, 40, 60, 90, 60, 40, 40, 50, 90, 140, 120, 90, 70, 40, 30)
SUN = (0, 0, 0, 0, 0, 5, 20, 60, 120, 180, 220, 250, 250, 230, 200, 160, 110, 60, 20, 5, 0, 0, 0, 0)

TARIFFS = (
    Tariff(
        start=date(2025, 1, 1),
        currency="EUR",
        import_price=0.3142,
        export_price=0.0811,
        standing=0.4931,
        co2=380.0,
    ),
    Tariff(
        start=date(2026, 3, 15),
        currency="EUR",
        import_price=0.2875,
        export_price=0.0811,
        standing=0.41,
        vat=19.0,
        co2=380.0,
        windows=(
            TimeWindow(22 * 60, 6 * 60, import_price=0.1933),
            TimeWindow(17 * 60, 20 * 60, "weekdays", import_price=0.3519),
        ),
    ),
    Tariff(
        start=datetime(2026, 9, 10, 14, 0),  # noqa: DTZ001 - in local time
        currency="EUR",
        import_price=0.2999,
        export_price=0.0786,
        standing=0.55,
        co2=350.0,
        windows=(TimeWindow(12 * 60, 15 * 60, "all", import_price=0.25, export_price=0.01),),
    ),
)


def hours_of(day):
    """Return the local hours of a day: 23 in March, 25 in October."""
    start, end = day_bounds(day, ZONE)
    return [(moment, datetime.fromtimestamp(moment, ZONE)) for moment in range(start, end, 3600)]


def flows(local):
    """Return house, sun, import and export of an hour, in hundredths of a kWh."""
    load, sun = LOAD[local.hour] + local.month, SUN[local.hour] * (13 - abs(local.month * 2 - 13)) // 12
    return load, sun, max(0, load - sun), max(0, sun - load)


def filled(store, days, final=True):
    """Store each hour's counters at its end, and each day's energies."""
    names = ("load_energy", "pv_energy", "grid_import_energy", "grid_export_energy")
    store.write(Batch(series_info=[SeriesInfo(HOME, "Home", None, "Europe/Berlin")]))
    samples, rows = [], []
    for day in days:
        sums = [0, 0, 0, 0]
        for moment, local in hours_of(day):
            sums = [one + more for one, more in zip(sums, flows(local), strict=True)]
            values = {f"{name}_today": one / 100 for name, one in zip(names, sums, strict=True)}
            samples.append(StoredSample(HOME, moment + 3540, moment + 3550, Quality.LIVE, Status.ONLINE, values))
        energies = {name: one / 100 for name, one in zip(names, sums, strict=True)}
        rows.append(Day(HOME, day, energies, Quality.LIVE, final, day_bounds(day, ZONE)[1] + 3600))
    store.write(Batch(samples=samples, days=rows))


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def by_hand(day):
    """Return cost, income, savings and CO2 of a day, like the rows of a spreadsheet: one row per hour."""
    cost = income = savings = co2 = Decimal(0)
    for _, local in hours_of(day):
        load, sun, bought, sold = (Decimal(one) / 100 for one in flows(local))
        clock = (local.month, local.day, local.hour)
        if clock < (3, 15, 0):
            price, feed_in, factor = Decimal("0.3142"), Decimal("0.0811"), Decimal(380)
        elif clock < (9, 10, 14):
            price, feed_in, factor = Decimal("0.2875"), Decimal("0.0811"), Decimal(380)
            if local.hour >= 22 or local.hour < 6:
                price = Decimal("0.1933")
            elif local.weekday() < 5 and 17 <= local.hour < 20:
                price = Decimal("0.3519")
            price *= Decimal("1.19")
        else:
            price, feed_in = (
                (Decimal("0.25"), Decimal("0.01")) if 12 <= local.hour < 15 else (Decimal("0.2999"), Decimal("0.0786"))
            )
            factor = Decimal(350)
        if clock[:2] == (9, 10):
            factor = Decimal(380)  # of the tariff that is valid at the start of the day
        cost += bought * price
        income += sold * feed_in
        savings += (load - bought) * price
        co2 += sun * factor / 1000
    start = (day.month, day.day)
    cost += (
        Decimal("0.4931")
        if start < (3, 15)
        else Decimal("0.41") * Decimal("1.19")
        if start <= (9, 10)
        else Decimal("0.55")
    )
    return {"cost": cost, "income": income, "savings": savings, "co2": co2}


def test_year_with_two_tariff_changes_and_two_clock_changes_agrees_with_a_calculation_by_hand(store):
    filled(store, YEAR)
    assert {len(hours_of(day)) for day in YEAR} == {23, 24, 25}
    reader = MoneyReader(TARIFFS)
    found = reader.days(store, HOME, ZONE, YEAR[0], YEAR[-1], NOW)
    assert [one.day for one in found] == YEAR
    expected = [by_hand(day) for day in YEAR]
    for one, right in zip(found, expected, strict=True):
        assert one.values == {name: pytest.approx(float(right[name]), abs=1e-9) for name in MONEY}, one.day
    total = sum_money("EUR", found, len(YEAR))
    for name in MONEY:
        exact = sum(right[name] for right in expected)
        assert round(Decimal(repr(total.values[name])), 2) == round(exact, 2), name
        assert total.known[name] == 365
    assert reader.days(store, HOME, ZONE, YEAR[0], YEAR[-1], NOW) == found


def test_day_whose_prices_change_and_that_has_no_samples_is_a_gap(store):
    filled(store, [date(2026, 6, 5)])
    only_energies = Day(
        HOME, date(2026, 6, 6), {"grid_import_energy": 4.0, "grid_export_energy": 2.0}, Quality.BACKFILLED, True, NOW
    )
    store.write(Batch(days=[only_energies]))
    found = MoneyReader(TARIFFS).days(store, HOME, ZONE, date(2026, 6, 1), date(2026, 6, 30), NOW)
    assert [one.day.day for one in found] == [5, 6]
    assert found[1].values == {"cost": None, "income": pytest.approx(2 * 0.0811), "savings": None, "co2": None}
    total = sum_money("EUR", found, 30)
    assert total.values["cost"] == found[0].values["cost"]
    assert total.known == {"cost": 1, "income": 2, "savings": 1, "co2": 1}


def test_today_ends_now_and_uses_the_current_energies(store):
    day = date(2026, 6, 5)
    filled(store, [day], final=False)
    noon = int(datetime(2026, 6, 5, 12, tzinfo=ZONE).timestamp())
    morning = [flows(local) for moment, local in hours_of(day) if moment < noon]
    names = ("load_energy", "pv_energy", "grid_import_energy", "grid_export_energy")
    current = {name: sum(one[place] for one in morning) / 100 for place, name in enumerate(names)}
    found = MoneyReader(TARIFFS).days(store, HOME, ZONE, day, day, noon, current)[0]
    bought = sum(flows(local)[2] * (0.1933 if local.hour < 6 else 0.2875) for at, local in hours_of(day) if at < noon)
    assert found.values["cost"] == pytest.approx(1.19 * (bought / 100 + 0.41))


def test_imported_energies_have_money_where_none_were_measured(store):
    measured, imported = date(2026, 6, 5), date(2024, 6, 5)
    filled(store, [measured])
    flat = Tariff(start=date(2020, 1, 1), currency="EUR", import_price=0.3, export_price=0.1, standing=0.5, co2=400.0)
    reader = MoneyReader([flat])
    (before,) = reader.days(store, HOME, ZONE, date(2024, 1, 1), YEAR[-1], NOW)
    kwh = {"pv_energy": 10.0, "load_energy": 6.0, "grid_import_energy": 2.0, "grid_export_energy": 6.0}
    rows = [ImportedEnergy(HOME, day, name, one, "1") for day in (measured, imported) for name, one in kwh.items()]
    store.add_import(ImportBatch(HOME, "1", NOW, "years.csv"), rows)
    old, same = reader.days(store, HOME, ZONE, date(2024, 1, 1), YEAR[-1], NOW)
    assert (same, old.day) == (before, imported)
    assert old.values == pytest.approx({"cost": 1.1, "income": 0.6, "savings": 1.2, "co2": 4.0})
    store.undo_import("1", NOW)
    assert reader.days(store, HOME, ZONE, date(2024, 1, 1), YEAR[-1], NOW) == [before]


def test_no_tariff_means_no_money(store):
    filled(store, [date(2026, 6, 5)])
    other = MoneyReader([Tariff(start=date(2020, 1, 1), currency="EUR", import_price=0.3, plants=("12",))])
    for reader in (MoneyReader(), other):
        assert reader.days(store, HOME, ZONE, YEAR[0], YEAR[-1], NOW) == []
        assert reader.currency(HOME, ZONE) is None


def test_prices_of_a_file_are_read_again_when_it_changes_and_a_missing_one_is_a_problem(store, tmp_path):
    day = date(2026, 6, 5)
    filled(store, [day])
    path = tmp_path / "prices.csv"
    tariff = Tariff(start=date(2026, 1, 1), currency="EUR", source=PriceSource(str(path), factor=0.001))
    reader = MoneyReader([tariff])

    def cost():
        return reader.days(store, HOME, ZONE, day, day, NOW)[0].values["cost"]

    assert cost() is None
    assert "does not exist" in reader.problems[str(path)]
    for price in (100, -50):
        rows = [f"{datetime.fromtimestamp(at, UTC).isoformat()},{price + local.hour}" for at, local in hours_of(day)]
        path.write_text("\n".join(["time,price", *rows]))
        by_hour = sum(flows(local)[2] / 100 * (price + local.hour) / 1000 for _, local in hours_of(day))
        assert cost() == pytest.approx(by_hour)
    assert reader.problems == {}
