"""The contract of a store, the same for every engine: what was written is read, merged, whole, and in order."""

import re
from datetime import date, timedelta

import pytest

from heliograph.errors import StoreError
from heliograph.metrics import METRICS
from heliograph.model import Quality, Status
from heliograph.store.base import (
    AlarmRow,
    Batch,
    PollStatus,
    QueryRecord,
    Repair,
    Series,
    SeriesInfo,
    StoredMeasurements,
    UnreadableRow,
)
from heliograph.store.copying import all_batches
from support.paths import DOCS
from support.store_fixtures import DatabasePlace
from support.store_rows import DAY, NOON, ROOF, SAMPLE, everything, gaps

REPAIRED = (NOON, "pv_energy_total", 0.0, 812.5, "fell to zero")
BOX = Series("growatt", "11", "TLX1")
OTHER = Series("goodwe", "11")


def test_samples_round_trip_with_gaps(store):
    store.write(Batch(samples=[SAMPLE]))
    (found,) = store.samples(ROOF, NOON, NOON + 1)
    assert found == SAMPLE._replace(values=gaps(METRICS) | SAMPLE.values)
    assert (found.quality, found.status) == (Quality.LIVE, Status.ONLINE)
    assert type(found.quality) is Quality


def test_series_of_plant_and_device_differ(store):
    store.write(Batch(samples=[SAMPLE, SAMPLE._replace(series=BOX, values={"pv_power": 1.0})]))
    assert [one.values["pv_power"] for one in store.samples(ROOF, 0, NOON + 1)] == [3424.0]
    assert [one.values["pv_power"] for one in store.samples(BOX, 0, NOON + 1)] == [1.0]


def test_write_of_the_same_sample_twice_is_one_row(store):
    store.write(Batch(samples=[SAMPLE, SAMPLE]))
    store.write(Batch(samples=[SAMPLE]))
    assert list(store.sample_times(ROOF, 0, NOON + 1)) == [NOON]


@pytest.mark.parametrize("backwards", [False, True])
def test_write_merges_by_fetch_time_in_any_order(store, backwards):
    first = SAMPLE._replace(fetched_at=NOON + 60, values={"pv_power": 1.0, "load_power": 2.0})
    later = first._replace(
        fetched_at=NOON + 99, quality=Quality.REPAIRED, status=None, values={"pv_power": 5.0, "load_power": None}
    )
    for one in (later, first) if backwards else (first, later):
        store.write(Batch(samples=[one]))
    (found,) = store.latest(ROOF)
    assert (found.fetched_at, found.quality, found.status) == (NOON + 99, Quality.REPAIRED, Status.ONLINE)
    assert found.values == gaps(METRICS) | {"pv_power": 5.0, "load_power": 2.0}


def test_write_prefers_the_last_of_equal_fetch_times(store):
    store.write(Batch(samples=[SAMPLE, SAMPLE._replace(values={"pv_power": 7.0})]))
    assert store.latest(ROOF)[0].values["pv_power"] == 7.0


def test_days_merge_like_samples(store):
    store.write(Batch(days=[DAY]))
    store.write(Batch(days=[DAY._replace(written_at=2, final=True, values={"load_energy": 3.0, "pv_energy": None})]))
    store.write(Batch(days=[DAY._replace(written_at=1, quality=Quality.STALE, values={"pv_energy": 99.0})]))
    (found,) = store.days(ROOF, DAY.day, DAY.day)
    assert (found.final, found.written_at, found.quality) == (True, 2, Quality.BACKFILLED)
    assert {name: value for name, value in found.values.items() if value is not None} == {
        "pv_energy": 12.5,
        "load_energy": 3.0,
    }


def test_write_of_a_final_day_clears_final(store):
    store.write(Batch(days=[DAY._replace(final=True)]))
    store.write(Batch(days=[DAY._replace(written_at=9, values={"pv_energy": 13.0, "load_energy": 4.0})]))
    (found,) = store.days(ROOF, DAY.day, DAY.day)
    assert (found.final, found.written_at) == (False, 9)
    assert (found.values["pv_energy"], found.values["load_energy"]) == (13.0, 4.0)


def test_days_include_first_and_last(store):
    store.write(Batch(days=[DAY._replace(day=DAY.day + timedelta(n)) for n in (3, 1, 0, 2)]))
    found = store.days(ROOF, date(2026, 6, 22), date(2026, 6, 23))
    assert [one.day.isoformat() for one in found] == ["2026-06-22", "2026-06-23"]


def test_samples_exclude_until(store):
    store.write(Batch(samples=[SAMPLE._replace(measured_at=NOON + step) for step in (2, 0, 3, 1)]))
    assert [one.measured_at - NOON for one in store.samples(ROOF, NOON + 1, NOON + 3)] == [1, 2]
    assert list(store.sample_times(ROOF, NOON + 1, NOON + 3)) == [NOON + 1, NOON + 2]
    assert list(store.samples(OTHER, 0, NOON + 9)) == []


def test_stream_longer_than_a_page_is_complete(store):
    store.write(Batch(samples=[SAMPLE._replace(measured_at=step) for step in range(10_000)]))
    seen = 0
    for one in store.samples(ROOF, 0, 10_000):
        assert one.measured_at == seen
        seen += 1
        if seen % 3000 == 0:
            store.write(Batch(samples=[SAMPLE._replace(series=OTHER, measured_at=seen)]))
    assert (seen, len(list(store.sample_times(OTHER, 0, 10_000)))) == (10_000, 3)


def test_latest_returns_the_newest_sample_of_each_series(store):
    later = SAMPLE._replace(measured_at=NOON + 300)
    store.write(Batch(samples=[later, SAMPLE, SAMPLE._replace(series=OTHER)]))
    assert [(one.series, one.measured_at) for one in store.latest()] == [(OTHER, NOON), (ROOF, NOON + 300)]
    assert [one.measured_at for one in store.latest(ROOF)] == [NOON + 300]
    assert store.latest(BOX) == ()


def test_latest_omits_samples_measured_after_they_were_fetched(store):
    honest = SAMPLE._replace(measured_at=NOON + 600, fetched_at=NOON)
    store.write(Batch(samples=[honest, SAMPLE._replace(measured_at=NOON + 601, fetched_at=NOON)]))
    store.write(Batch(samples=[SAMPLE._replace(series=BOX, measured_at=1 << 50)]))
    assert [one.measured_at for one in store.latest(ROOF)] == [NOON + 600]
    assert [(one.series, one.measured_at) for one in store.latest()] == [(ROOF, NOON + 600)]
    assert store.latest(BOX) == ()


def test_buckets_omit_empty_intervals(store):
    powers = {0: 10.0, 299: 30.0, 300: None, 1000: 5.0, 1200: 99.0}
    store.write(
        Batch(samples=[SAMPLE._replace(measured_at=NOON + at, values={"pv_power": w}) for at, w in powers.items()])
    )
    found = store.buckets(ROOF, ["pv_power", "load_power"], NOON - 1200, NOON + 1200, 300)
    assert list(found) == [
        (NOON, 2, (20.0, None), (10.0, None), (30.0, None)),
        (NOON + 300, 1, (None, None), (None, None), (None, None)),
        (NOON + 900, 1, (5.0, None), (5.0, None), (5.0, None)),
    ]
    assert list(store.buckets(OTHER, ["pv_power"], 0, NOON, 300)) == []


def test_buckets_start_at_since(store):
    store.write(Batch(samples=[SAMPLE._replace(measured_at=NOON + at) for at in (0, 100, 200)]))
    assert [one[:2] for one in store.buckets(ROOF, [], NOON - 450, NOON + 999, 300)] == [
        (NOON - 150, 2),
        (NOON + 150, 1),
    ]


def test_buckets_of_two_distant_samples_are_two(store):
    store.write(Batch(samples=[SAMPLE._replace(measured_at=at) for at in (0, 50_000_000)]))
    assert [one.starts_at for one in store.buckets(ROOF, [], 0, 2**40, 300)] == [0, 50_000_000 // 300 * 300]


def test_unknown_metric_is_rejected(store):
    with pytest.raises(StoreError, match="no metric"):
        list(store.buckets(ROOF, ["pv_power) FROM sample; --"], 0, NOON, 300))
    with pytest.raises(StoreError, match="no column for ppv"):
        store.write(Batch(samples=[SAMPLE, SAMPLE._replace(measured_at=1, values={"ppv": 1.0})]))
    as_many_as_there_are = {**dict.fromkeys([*METRICS][1:], 1.0), "ppv": 1.0}
    with pytest.raises(StoreError, match="no column for ppv"):
        store.write(Batch(samples=[SAMPLE, SAMPLE._replace(measured_at=1, values=as_many_as_there_are)]))
    assert everything(store) == everything(None)


def test_repairs_round_trip(store):
    one = Repair(ROOF, *REPAIRED)
    other = one._replace(metric="load_energy_total", raw=None, kept=None)
    store.write(Batch(repairs=[one, other]))
    store.write(Batch(repairs=[one]))
    assert store.repairs(ROOF, NOON, NOON + 1) == (other, one)
    assert store.repairs(ROOF, NOON + 1, NOON + 9) == ()


def test_counters_are_replaced(store):
    assert store.counters(ROOF) == {}
    store.write(Batch(counters={ROOF: {"a": [1, None]}, OTHER: {"a": "ü"}}))
    store.write(Batch(counters={ROOF: {"b": 2.5}}))
    assert (store.counters(ROOF), store.counters(OTHER)) == ({"b": 2.5}, {"a": "ü"})


def test_queries_return_the_latest_outcome(store):
    asked = QueryRecord(ROOF, "curve", "2026-06-21", "nothing", NOON)
    store.write(Batch(queries=[asked._replace(outcome="data", queried_at=NOON + 9), asked]))
    store.write(Batch(queries=[asked._replace(span="years", period="")]))
    assert store.queries(ROOF, "curve") == {"2026-06-21": asked._replace(outcome="data", queried_at=NOON + 9)}
    assert store.queries(ROOF, "years")[""].outcome == "nothing"
    assert store.queries(ROOF, "days") == {}


def test_poll_statuses_return_the_last_one_of_each_plant(store):
    polled = PollStatus(ROOF, NOON, 720, NOON + 720)
    waiting = polled._replace(next_at=NOON + 9000, reason="locked until 14:05\0\ud800")
    assert store.poll_statuses() == {}
    store.write(Batch(samples=[SAMPLE], polls=[polled, polled._replace(series=OTHER)]))
    store.write(Batch(polls=[waiting]))
    assert store.poll_statuses() == {
        OTHER: polled._replace(series=OTHER),
        ROOF: waiting._replace(reason="locked until 14:05\ufffd?"),
    }
    assert store.series() == (SeriesInfo(OTHER), SeriesInfo(ROOF))


def test_poll_statuses_of_many_plants_are_replaced(store):
    plants = [Series("growatt", str(number)) for number in range(50)]
    for at in (NOON, NOON + 720):
        store.write(Batch(polls=[PollStatus(plant, at, 720, at + 720, "") for plant in plants]))
    assert [one.polled_at for one in store.poll_statuses().values()] == [NOON + 720] * 50


def test_migration_adds_poll_statuses_to_an_older_store(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
    for table in (
        "poll",
        "layout",
        "measurement",
        "import_batch",
        "imported_energy",
        "alarm",
        "event",
        "fact",
        "oddity",
    ):
        place.run(f"DROP TABLE {table}")
    for column in ("account", "peak_power"):
        place.run(f"ALTER TABLE series DROP COLUMN {column}")
    place.set_version(3)
    with place.open() as store:
        assert store.poll_statuses() == {}
        store.write(Batch(polls=[PollStatus(ROOF, NOON, 720, NOON + 720)]))
        assert (len(store.poll_statuses()), len(store.latest())) == (1, 1)


def test_series_info_is_kept_when_absent_later(store):
    store.write(Batch(samples=[SAMPLE], series_info=[SeriesInfo(BOX, "Box", "tlx", "Europe/Berlin")]))
    store.write(Batch(series_info=[SeriesInfo(BOX, None, "min"), SeriesInfo(ROOF)]))
    assert store.series() == (SeriesInfo(ROOF), SeriesInfo(BOX, "Box", "min", "Europe/Berlin"))


def test_migration_adds_account_and_size_to_an_older_store(place):
    with place.open() as store:
        store.write(Batch(series_info=[SeriesInfo(ROOF, "Roof", None, "Europe/Berlin")]))
    for column in ("account", "peak_power"):
        place.run(f"ALTER TABLE series DROP COLUMN {column}")
    for table in ("layout", "measurement", "import_batch", "imported_energy", "alarm", "event", "fact", "oddity"):
        place.run(f"DROP TABLE {table}")
    place.set_version(4)
    with place.open() as store:
        store.write(Batch(series_info=[SeriesInfo(ROOF, account="home", peak_power=9.8)]))
        assert store.series() == (SeriesInfo(ROOF, "Roof", None, "Europe/Berlin", "home", 9.8),)


def test_series_account_and_size_are_kept_when_absent_later(store):
    store.write(Batch(series_info=[SeriesInfo(ROOF, "Roof", None, "Europe/Berlin", "home", 9.8)]))
    store.write(Batch(series_info=[SeriesInfo(ROOF)]))
    store.write(Batch(series_info=[SeriesInfo(ROOF, account="south\0")]))
    assert store.series() == (SeriesInfo(ROOF, "Roof", None, "Europe/Berlin", "south\ufffd", 9.8),)


def test_series_names_with_invalid_characters_are_stored(store):
    store.write(Batch(series_info=[SeriesInfo(ROOF, "a\0b\ud800'; DROP TABLE sample; --\U0001f31e")]))
    assert store.series()[0].name == "a\ufffdb?'; DROP TABLE sample; --\U0001f31e"


def test_write_rejects_an_invalid_key(store):
    with pytest.raises(StoreError):
        store.write(Batch(samples=[SAMPLE._replace(series=Series("growatt", "\ud800"))]))
    with pytest.raises(StoreError):
        store.write(Batch(samples=[SAMPLE._replace(measured_at=2**70)]))
    store.write(Batch(samples=[SAMPLE]))
    assert store.series() == (SeriesInfo(ROOF),)


def test_write_is_atomic(store):
    store.write(Batch(samples=[SAMPLE]))
    before = everything(store)
    bad = Repair(OTHER, NOON, "pv_power", 0.0, 1.0, None)
    with pytest.raises(StoreError, match=r"(?i)not.null"):
        store.write(
            Batch(
                samples=[SAMPLE._replace(series=OTHER), SAMPLE._replace(values={"pv_power": 1.0})],
                days=[DAY],
                counters={OTHER: {}},
                repairs=[bad],
            )
        )
    assert everything(store) == before
    store.write(Batch(samples=[SAMPLE._replace(series=OTHER)]))  # its number was undone with the rest
    assert [one.series for one in store.latest()] == [OTHER, ROOF]


def test_write_merges_a_big_batch_like_a_small_one(store):
    first = [SAMPLE._replace(measured_at=step, values={"pv_power": 1.0, "load_power": 4.0}) for step in range(3000)]
    later = [one._replace(fetched_at=one.fetched_at + 1, values={"pv_power": 2.0}) for one in first[1000:2000]]
    for batch in (first[:1500], later, first, later + later):
        store.write(Batch(samples=batch))
    found = [(one.values["pv_power"], one.values["load_power"]) for one in store.samples(ROOF, 0, 3000)]
    assert found == [(1.0, 4.0)] * 1000 + [(2.0, 4.0)] * 1000 + [(1.0, 4.0)] * 1000


def test_write_merges_rows_of_one_batch_in_their_order(store):
    rows = [
        SAMPLE._replace(measured_at=step // 3, fetched_at=step * 7 % 3, values={[*METRICS][step % 4]: float(step)})
        for step in range(150)
    ]
    store.write(Batch(samples=rows))
    for row in rows:
        store.write(Batch(samples=[row._replace(series=BOX)]))
    assert [one._replace(series=BOX) for one in store.samples(ROOF, 0, 150)] == list(store.samples(BOX, 0, 150))


def test_values_round_trip_exactly(store):
    values = dict(zip(METRICS, [0.1, -1e-300, 1e308, 5e-324, 1 / 3, 0.0, 7, 2**53], strict=False))
    store.write(Batch(samples=[SAMPLE._replace(values=values)]))
    store.write(Batch(samples=[SAMPLE._replace(measured_at=step, values=values) for step in range(500)]))
    for one in (*store.latest(ROOF), *store.samples(ROOF, 0, 1)):
        assert {name: one.values[name] for name in values} == values


def test_store_persists_across_restarts(place):
    for expected in (0, 1):
        with place.open() as store:
            assert len(store.latest()) == expected
            store.write(Batch(samples=[SAMPLE]))


def test_store_is_shared_by_two_programs(place):
    with place.open() as first, place.open() as second:
        first.write(Batch(samples=[SAMPLE]))
        second.write(Batch(samples=[SAMPLE._replace(measured_at=NOON + 300)]))
        assert everything(first) == everything(second)
        assert len(list(first.sample_times(ROOF, 0, NOON + 999))) == 2


def test_store_is_thread_safe(store):
    from concurrent.futures import ThreadPoolExecutor

    def work(number):
        series = Series("growatt", str(number))
        for step in range(20):
            store.write(Batch(samples=[SAMPLE._replace(series=series, measured_at=step)]))
        return len(list(store.sample_times(series, 0, 99)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [20] * 8


def test_closed_store_raises(place):
    store = place.open()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write(Batch(samples=[SAMPLE]))


def test_new_metric_gets_a_column(place):
    place.open().close()
    place.run("ALTER TABLE sample DROP COLUMN load_power")
    place.run("ALTER TABLE day DROP COLUMN load_energy")
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE._replace(values={"load_power": 300.0})], days=[DAY]))
        assert store.latest()[0].values["load_power"] == 300.0


def test_store_of_a_newer_version_is_rejected(place):
    place.open().close()
    place.set_version(99)
    with pytest.raises(StoreError, match=r"a newer heliograph wrote it .*update heliograph"):
        place.open()


def test_unknown_enum_value_raises(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
        place.run("UPDATE sample SET quality = 'divined'")
        with pytest.raises(StoreError, match="'divined online'"):
            store.latest()


@pytest.mark.parametrize("broken", ["", "{", "[" * 100_000, "[1]", "null"])
def test_broken_counter_state_is_reset_with_a_warning(place, broken, caplog):
    with place.open() as store:
        store.write(Batch(counters={ROOF: {"at": 1}, OTHER: {"at": 2}}))
        place.run(f"""UPDATE counter SET state = '{broken}' WHERE state LIKE '%"at": 1%'""")
        assert (store.counters(ROOF), store.counters(OTHER)) == ({}, {"at": 2})
        assert [one.msg.facts["event"] for one in caplog.records] == ["counters.reset"]
        store.write(Batch(counters={ROOF: {"at": 3}}))
        assert store.counters(ROOF) == {"at": 3}


def test_docs_sql_examples_run(place):
    page = (DOCS / "reading-the-data.md").read_text(encoding="utf-8")
    shown = re.findall(r"```sql\n-- (.*)\n([^`]+)", page)
    ours = {"sqlite": "SQLite", "postgres": "PostgreSQL"}[place.kind]
    plant = ROOF._replace(plant="1001")
    with place.open() as store:
        sample = SAMPLE._replace(series=plant)
        store.write(Batch(samples=[sample], days=[DAY._replace(series=plant)], repairs=[Repair(plant, *REPAIRED)]))
    found = [place.run(statement) for engine, statement in shown if engine in ("any engine", ours)]
    assert [len(rows) for rows in found] == [1, 1, 1, 1]
    assert "12.5" in str(found[2][0])


def test_write_waits_for_another_lock_then_fails(place):
    with place.open(patience=0.1) as store:
        store.write(Batch(samples=[SAMPLE]))
        with place.locked(), pytest.raises(StoreError, match=r"(?i)lock"):
            store.write(Batch(samples=[SAMPLE._replace(measured_at=1)]))
        store.write(Batch(samples=[SAMPLE._replace(measured_at=2)]))
        assert list(store.sample_times(ROOF, 0, NOON + 1)) == [2, NOON]


def test_changes_are_recorded_for_a_reader(store):
    store.write(Batch(samples=[SAMPLE]))
    assert (store.reader_position("mqtt"), store.changes(0), store.newest_change()) == (None, (), 0)
    store.save_reader_position("mqtt", store.newest_change(), NOON)
    store.write(Batch(samples=[SAMPLE, SAMPLE._replace(measured_at=NOON - 900), SAMPLE._replace(series=BOX)]))
    store.write(Batch(samples=[SAMPLE._replace(measured_at=NOON + 300)]))
    store.write(Batch(days=[DAY]))
    first, second, third = store.changes(0)
    assert first.number < second.number < third.number == store.newest_change()
    assert {one[1:] for one in (first, second)} == {(ROOF, NOON - 900, NOON), (BOX, NOON, NOON)}
    assert third[1:] == (ROOF, NOON + 300, NOON + 300)
    assert store.changes(0, limit=2) == (first, second)
    store.save_reader_position("mqtt", second.number, NOON + 1)
    assert store.reader_position("mqtt") == second.number
    assert store.changes(second.number) == (third,)


def test_changes_are_deleted_after_every_reader_and_numbers_increase(store):
    for name in ("slow", "fast"):
        store.save_reader_position(name, 0, NOON)
    store.write(Batch(samples=[SAMPLE]))
    number = store.newest_change()
    store.save_reader_position("fast", number, NOON)
    assert len(store.changes(0)) == 1
    store.save_reader_position("slow", number, NOON)
    assert (store.changes(0), store.newest_change()) == ((), number)
    store.write(Batch(samples=[SAMPLE]))
    assert [one.number for one in store.changes(number)] == [number + 1]


def test_writer_waits_for_no_other_while_there_is_a_reader(postgres):
    """Two transactions that record changes are open at once, and a change of each is numbered when it is visible."""
    place = DatabasePlace(postgres)
    with place.open() as first, place.open(patience=2.0) as second:
        first.save_reader_position("mqtt", 0, NOON)
        with first._transaction():
            first._write_rows(Batch(samples=[SAMPLE]))
            second.write(Batch(samples=[SAMPLE._replace(series=BOX)]))
            (change,) = second.changes(0)
            second.save_reader_position("mqtt", change.number, NOON)
        assert [one.series for one in second.changes(change.number)] == [ROOF]
        assert second.newest_change() == change.number + 1


def test_reader_without_position_for_a_month_is_removed(store):
    store.save_reader_position("gone", 0, NOON)
    store.write(Batch(samples=[SAMPLE]))
    store.save_reader_position("here", store.newest_change(), NOON + 31 * 86_400)
    assert (store.reader_position("gone"), store.changes(0)) == (None, ())


def test_write_failure_changes_nothing(store):
    store.save_reader_position("mqtt", 0, NOON)
    with pytest.raises(StoreError):
        store.write(Batch(samples=[SAMPLE], repairs=[Repair(ROOF, 2**70, *REPAIRED[1:])]))
    assert store.changes(0) == ()


MEASURED = StoredMeasurements(BOX, NOON, NOON + 70, {"pv1_voltage": 380.5, "status_text": "Normal", "fault_text": None})


def test_measurements_round_trip_with_texts_and_gaps(store):
    later = MEASURED._replace(measured_at=NOON + 300, values={"pv1_voltage": 381.0, "pv2_voltage": 0.0})
    store.write(Batch(measurements=[later, MEASURED]))
    assert list(store.measurements(BOX, NOON, NOON + 301)) == [MEASURED, later]
    assert list(store.measurements(BOX, NOON, NOON + 300)) == [MEASURED]
    assert store.latest_measurements(BOX) == (later,)
    assert store.latest_measurements(ROOF) == ()


def test_latest_measurements_of_all_devices_have_one_row_each(store):
    other = MEASURED._replace(series=OTHER, values={"grid_frequency": 49.98})
    store.write(Batch(measurements=[MEASURED, MEASURED._replace(measured_at=NOON - 300), other]))
    assert sorted(store.latest_measurements()) == sorted([MEASURED, other])


def test_measurements_fetched_later_replace_earlier_ones(store):
    newer = MEASURED._replace(fetched_at=NOON + 99, values={"pv1_voltage": 1.0})
    store.write(Batch(measurements=[newer]))
    store.write(Batch(measurements=[MEASURED]))
    assert list(store.measurements(BOX, 0, NOON + 1)) == [newer]


def test_measurements_of_a_page_and_more_are_streamed(store):
    store.write(Batch(measurements=[MEASURED._replace(measured_at=NOON + n) for n in range(5000)]))
    times = [one.measured_at for one in store.measurements(BOX, 0, 2 * NOON)]
    assert times == list(range(NOON, NOON + 5000))


def test_measurements_with_a_damaged_text_raise_instead_of_guessing(place):
    with place.open() as store:
        store.write(Batch(measurements=[MEASURED]))
    place.run("UPDATE measurement SET contents = '[1,2'")
    with place.open() as store, pytest.raises(UnreadableRow, match="measurements"):
        store.latest_measurements(BOX)


def test_alarm_contents_and_response_are_merged(store):
    store.write(Batch(alarms=[AlarmRow("offline", 10, '{"rule": "offline"}', None)]))
    store.write(Batch(alarms=[AlarmRow("offline", 20, None, '{"at": 20}')]))
    store.write(Batch(alarms=[AlarmRow("offline", 30, '{"rule": "offline", "seen": "x"}', None)]))
    assert store.alarms() == (AlarmRow("offline", 30, '{"rule": "offline", "seen": "x"}', '{"at": 20}'),)


def test_migration_adds_alarms_to_an_older_store(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
    for table in ("alarm", "event", "fact", "oddity"):
        place.run(f"DROP TABLE {table}")
    place.set_version(7)
    with place.open() as store:
        assert store.alarms() == ()
        store.write(Batch(alarms=[AlarmRow("offline", 10, "{}", None)]))
        assert (len(store.alarms()), len(store.latest())) == (1, 1)


def test_copy_of_a_store_has_its_alarms(store):
    store.write(Batch(alarms=[AlarmRow("offline", 10, "{}", '{"at": 20}')]))
    assert [row for batch in all_batches(store) for row in batch.alarms] == list(store.alarms())
