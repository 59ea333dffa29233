"""Rows of a query to samples and days: every quality and status, and what no version writes."""

import gc
from datetime import date

import pytest

from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality, Status
from heliograph.store.base import Batch
from heliograph.store.rows import samples_from_rows
from support.store_fixtures import FilePlace
from support.store_rows import DAY, NOON, ROOF, SAMPLE, gaps

STATES = [(quality, status) for quality in Quality for status in (None, *Status)]


@pytest.fixture
def file(tmp_path):
    return FilePlace(tmp_path / "samples.sqlite")


def test_every_quality_and_status_round_trips(store):
    samples = [
        SAMPLE._replace(measured_at=NOON + number, quality=quality, status=status)
        for number, (quality, status) in enumerate(STATES)
    ]
    store.write(Batch(samples=samples))
    read = list(store.samples(ROOF, NOON, NOON + 100, ["pv_power"]))
    assert [(one.quality, one.status) for one in read] == STATES
    (latest,) = store.latest(ROOF)
    assert (latest.quality, latest.status) == STATES[-1]


def test_days_round_trip_with_quality_and_finality(store):
    states = [(quality, final) for quality in Quality for final in (False, True)]
    days = [
        DAY._replace(day=date(2026, 1, 1 + number), quality=quality, final=final)
        for number, (quality, final) in enumerate(states)
    ]
    store.write(Batch(days=days))
    read = store.days(ROOF, date(2026, 1, 1), date(2026, 12, 31))
    assert [(one.day, one.quality, one.final) for one in read] == [(one.day, one.quality, one.final) for one in days]
    assert {type(one.final) for one in read} == {bool}


@pytest.mark.parametrize("others", [gaps(METRICS), dict.fromkeys(METRICS, 1.0)], ids=["gaps", "numbers"])
@pytest.mark.parametrize("metrics", [["load_power"], ["pv_power", "load_power"], list(METRICS)], ids=len)
def test_text_in_a_column_of_numbers_is_rejected(file, metrics, others):
    with file.open() as store:
        store.write(Batch(samples=[SAMPLE._replace(measured_at=NOON + at, values=others) for at in (0, 300)]))
        assert [one.values for one in store.samples(ROOF, NOON, NOON + 600, metrics)] == [
            {name: others[name] for name in metrics}
        ] * 2
        for value, shown in (("'much'", "'much'"), ("''", "''"), ("x'6d'", "b'm'"), ("x''", "b''")):
            file.run(f"UPDATE sample SET load_power = {value} WHERE measured_at = {NOON + 300}")
            with pytest.raises(StoreError, match=f"samples.sqlite: .*no number: .*{shown}"):
                list(store.samples(ROOF, NOON, NOON + 600, metrics))


def test_text_instead_of_the_energy_of_a_day_is_rejected(file):
    with file.open() as store:
        store.write(Batch(days=[DAY._replace(values=dict.fromkeys(ENERGIES, 1.0))]))
        file.run("UPDATE day SET load_energy = 'much'")
        for energies in (None, ["load_energy"]):
            with pytest.raises(StoreError, match=r"no number: .*'much'"):
                store.days(ROOF, date(2026, 1, 1), date(2026, 12, 31), energies)


@pytest.mark.parametrize(("column", "text"), [("status", "on-line"), ("quality", "l1ve")])
def test_unknown_word_is_rejected_with_the_repair_command(file, column, text):
    with file.open() as store:
        store.write(Batch(samples=[SAMPLE]))
        file.run(f"UPDATE sample SET {column} = '{text}'")
        with pytest.raises(StoreError, match=f"{text}.*heliograph doctor --repair"):
            list(store.samples(ROOF, NOON, NOON + 1))


def test_text_that_is_no_day_is_rejected(file):
    with file.open() as store:
        store.write(Batch(days=[DAY]))
        file.run("UPDATE day SET day = '2026-13-77'")
        with pytest.raises(StoreError, match="a day that is none: '2026-13-77'"):
            store.days(ROOF, date(2026, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize("enabled", [True, False])
def test_reading_leaves_the_garbage_collector_as_it_was(enabled):
    try:
        (gc.enable if enabled else gc.disable)()
        samples_from_rows(ROOF, ["pv_power"], [(NOON, NOON, None, 1.0)])
        with pytest.raises(StoreError, match="'odd'"):
            samples_from_rows(ROOF, ["pv_power"], [(NOON, NOON, "odd", 1.0)])
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
