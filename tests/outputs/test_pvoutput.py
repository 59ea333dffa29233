"""Tests of the PVOutput sink: statuses in local time, rate limits and error responses."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.outputs.delivery import IDLE_SECONDS
from heliograph.outputs.pvoutput import PvOutputKey, PvOutputSink, format_statuses
from heliograph.outputs.sink import RetryLater, SampleBatch, SinkRejected
from heliograph.store.base import Series, SeriesInfo
from support.http_service import (
    NOON,
    ROOF,
    ZONE,
    ManualClock,
    Service,
    StoreHarness,
    drain,
    make_config,
    make_sample,
    response,
)

DAY = 24 * 3600
BERLIN = ZoneInfo(ZONE)
HOUR_END = NOON - NOON % 3600 + 3600


class PvOutput(Service):
    """Service with the documented limits of PVOutput: 30 statuses a request, 60 requests an hour, 14 days."""

    def __init__(self, clock, zone=BERLIN):
        super().__init__()
        self.clock = clock
        self.zone = zone
        self.statuses = {}
        self.used = {}
        self.used_by_others = 0
        self.reject = lambda row: None
        self.reply = self.handle

    def handle(self, request):
        hour = self.clock.now() // 3600
        self.used[hour] = self.used.get(hour, 0) + 1
        limits = {
            "X_Rate_Limit_Remaining": max(60 - self.used_by_others - self.used[hour], 0),
            "X_Rate_Limit_Limit": 60,
            "X_Rate_Limit_Reset": int(hour + 1) * 3600,
        }
        assert request.path == "/service/r2/addbatchstatus.jsp"
        assert request.headers["x-rate-limit"] == "1"
        if self.used[hour] + self.used_by_others > 60:
            return response(403, "Forbidden 403: Exceeded 60 requests per hour", **limits)
        if request.headers["x-pvoutput-apikey"] != "k3y-of-mine":
            return response(401, "Unauthorized 401: Invalid API Key", **limits)
        rows = parse_qs(request.body.decode())["data"][0].split(";")
        if len(rows) > 30:
            return response(400, "Bad request 400: Too many statuses", **limits)
        today = datetime.fromtimestamp(self.clock.now(), UTC).astimezone(self.zone).date()
        for row in rows:
            day = datetime.strptime(row.split(",")[0], "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
            if day < today - timedelta(days=14):
                return response(400, "Bad request 400: Date is older than 14 days", **limits)
            if reason := self.reject(row):
                return response(400, f"Bad request 400: {reason}", **limits)
        outcomes = []
        for row in rows:
            day, time, values = row.split(",", 2)
            outcomes.append(f"{day},{time},{2 if (day, time) in self.statuses else 1}")
            self.statuses[day, time] = values
        return response(200, ";".join(outcomes), **limits)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def service(clock):
    one = PvOutput(clock)
    yield one
    one.close()


def make_sink(url, clock, key=None, **settings):
    defaults = {"plant": "11", "system": "4711", "url": url}
    return PvOutputSink(make_config(**defaults | settings), Secret("k3y-of-mine"), key or PvOutputKey(), clock)


def make_batch(*entries, zone=ZONE):
    return SampleBatch(entries, {ROOF: SeriesInfo(ROOF, "Roof", None, zone)})


def sample_at(text, zone=BERLIN, **values):
    return make_sample(int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()), **values)


def run_delivery(tmp_path, clock, sink, scenario):
    async def run_and_close():
        harness = StoreHarness(tmp_path / "samples.sqlite")
        delivery = harness.delivery(sink, clock)
        await delivery.feed.start()
        await scenario(harness, delivery)
        await harness.close()

    asyncio.run(run_and_close())


def test_format_statuses_has_local_time_energies_in_wh_and_powers_in_w():
    sample = sample_at(
        "2026-06-21T12:04:59", pv_energy_today=12.3456, pv_power=3424.6, load_energy_today=5.0, load_power=700.2
    )
    assert format_statuses([sample], BERLIN) == ["20260621,12:00,12346,3425,5000,700"]


def test_format_statuses_leaves_missing_values_empty_and_omits_empty_samples():
    rows = [
        sample_at("2026-06-21T12:00:00", pv_power=0.0),
        sample_at("2026-06-21T12:05:00", load_power=5.0),
        sample_at("2026-06-21T12:10:00", battery_soc=50.0, pv_power=None),
    ]
    assert format_statuses(rows, BERLIN) == ["20260621,12:00,,0", "20260621,12:05,,,,5"]


def test_format_statuses_uses_last_sample_of_five_minutes():
    rows = [sample_at(f"2026-06-21T12:0{minute}:00", pv_power=float(minute)) for minute in (4, 1, 6)]
    assert format_statuses(rows, BERLIN) == ["20260621,12:00,,4", "20260621,12:05,,6"]


def test_format_statuses_keeps_last_minutes_in_their_day():
    rows = [
        sample_at("2026-06-21T23:59:59", pv_energy_today=9.0),
        sample_at("2026-06-22T00:00:00", pv_energy_today=0.0),
    ]
    assert format_statuses(rows, BERLIN) == ["20260621,23:55,9000", "20260622,00:00,0"]


def test_format_statuses_has_repeated_hour_once_and_skipped_hour_never():
    autumn = int(datetime(2026, 10, 25, 0, 0, tzinfo=UTC).timestamp())
    rows = [make_sample(autumn - 300 + 300 * step, pv_power=float(step)) for step in range(27)]
    statuses = format_statuses(rows, BERLIN)
    assert statuses[0] == "20261025,01:55,,0"
    assert statuses[1:13] == [f"20261025,02:{5 * step:02},,{13 + step}" for step in range(12)]
    assert statuses[13] == "20261025,03:00,,25"
    spring = int(datetime(2026, 3, 29, 0, 55, tzinfo=UTC).timestamp())
    assert format_statuses([make_sample(spring), make_sample(spring + 300)], BERLIN) == [
        "20260329,01:55,,1000",
        "20260329,03:00,,1000",
    ]


zones = st.sampled_from(
    [
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Africa/Cairo",
        "Pacific/Apia",
        "UTC",
    ]
)


@given(zones, st.lists(st.integers(1_700_000_000, 1_900_000_000), min_size=1, max_size=40), st.randoms())
def test_format_statuses_has_unique_local_times(name, moments, rng):
    # With additional times around a clock change.
    moments = sorted({*moments, *(1_792_890_000 + rng.randrange(-7200, 7200) for _ in range(20))})
    zone = ZoneInfo(name)
    statuses = format_statuses([make_sample(one, pv_power=float(number)) for number, one in enumerate(moments)], zone)
    expected = {}
    for number, moment in enumerate(moments):
        # Independent calculation of local time: the UTC offset and arithmetic.
        offset = int(datetime.fromtimestamp(moment, zone).utcoffset().total_seconds())
        later = moment + 3600 * 3
        repeated = any(
            moment + ahead + int(datetime.fromtimestamp(moment + ahead, zone).utcoffset().total_seconds())
            == moment + offset
            for ahead in range(1800, later - moment, 1800)
        )
        if not repeated:
            days, seconds = divmod(moment + offset, DAY)
            hours, minutes = divmod(seconds // 60, 60)
            day = date(1970, 1, 1) + timedelta(days=days)
            expected[f"{day:%Y%m%d},{hours:02}:{minutes // 5 * 5:02}"] = number
    assert statuses == [f"{slot},,{number}" for slot, number in expected.items()]
    assert len(statuses) == len({row.split(",,")[0] for row in statuses})


def test_pvoutput_sink_uses_utc_for_unknown_zone_and_accepts_offset_zone(service, clock):
    sink = make_sink(service.url, clock)
    for zone in (None, "UTC+05:45"):
        asyncio.run(sink.send(make_batch(make_sample(), zone=zone)))
    assert sorted(service.statuses) == [("20260621", "10:00"), ("20260621", "15:45")]


def test_pvoutput_sink_catches_up_days_within_rate_limit(tmp_path, clock, service):
    async def scenario(harness, delivery):
        harness.write(*(make_sample(NOON - 300 * step, pv_power=float(step % 7 + 1)) for step in range(2000)))
        waits = await drain(delivery, turns=200)
        assert set(waits) == {60.0, IDLE_SECONDS}

    run_delivery(tmp_path, clock, make_sink(service.url, clock), scenario)
    assert len(service.statuses) == 2000
    assert max(service.used.values()) <= 60
    assert len(service.requests) == 67


def test_pvoutput_sink_skips_and_logs_samples_over_14_days_without_request(tmp_path, clock, service, caplog):
    async def scenario(harness, delivery):
        harness.write(*(make_sample(NOON - DAY * days) for days in range(400)))
        await drain(delivery)

    run_delivery(tmp_path, clock, make_sink(service.url, clock), scenario)
    assert len(service.requests) == 1
    assert len(service.statuses) == 14
    assert [str(one.msg) for one in caplog.records] == [
        'event=output.skipped output="pvoutput 4711" why="samples older than 14 days are not accepted"'
    ]


def test_pvoutput_sink_skips_samples_too_old_after_outage(tmp_path, clock, service):
    async def scenario(harness, delivery):
        harness.write(make_sample(NOON - 13 * DAY), make_sample(NOON))
        service.reply = lambda request: response(503)
        await delivery.send_once()
        clock.moment += 2 * DAY
        service.reply = service.handle
        await drain(delivery)

    run_delivery(tmp_path, clock, make_sink(service.url, clock), scenario)
    assert sorted(service.statuses) == [("20260621", "12:00")]


def test_pvoutput_systems_of_one_key_share_hourly_limit(tmp_path, clock, service):
    key = PvOutputKey(3)
    sinks = [make_sink(service.url, clock, key, system=str(4711 + number)) for number in range(3)]
    assert {sink.pause for sink in sinks} == {180.0}
    service.used_by_others = 59
    asyncio.run(sinks[0].send(make_batch(make_sample())))
    with pytest.raises(RetryLater) as caught:
        asyncio.run(sinks[1].send(make_batch(make_sample())))
    assert len(service.requests) == 1
    assert caught.value.seconds == HOUR_END - NOON
    clock.moment = HOUR_END
    service.used_by_others = 0
    asyncio.run(sinks[1].send(make_batch(make_sample())))
    assert len(service.requests) == 2


@pytest.mark.parametrize("headers", [{"X_Rate_Limit_Reset": NOON + 1000}, {}, {"X_Rate_Limit_Reset": "soon"}])
def test_pvoutput_key_with_used_up_limit_waits_for_next_hour(tmp_path, clock, service, headers):
    service.reply = lambda request: response(403, "Forbidden 403: Exceeded 60 requests per hour", **headers)

    async def scenario(harness, delivery):
        harness.write(make_sample())
        expected = 1000 if headers.get("X_Rate_Limit_Reset") == NOON + 1000 else HOUR_END - NOON
        assert await delivery.send_once() == expected
        assert delivery.progress.problem == "the hourly request limit is used up"
        service.reply = service.handle
        clock.moment += expected
        await drain(delivery)

    run_delivery(tmp_path, clock, make_sink(service.url, clock), scenario)
    assert len(service.statuses) == 1


def test_pvoutput_sink_skips_single_rejected_status(tmp_path, clock, service, caplog):
    service.reject = lambda row: "Moon Powered" if "12:35" in row else None

    async def scenario(harness, delivery):
        harness.write(*(make_sample(NOON + 300 * step) for step in range(30)))
        clock.moment = NOON + 9000
        await drain(delivery)
        assert (delivery.progress.sent, delivery.progress.skipped) == (29, 1)

    run_delivery(tmp_path, clock, make_sink(service.url, clock), scenario)
    assert len(service.statuses) == 29
    assert max(service.used.values()) <= 60
    (message,) = (str(one.msg) for one in caplog.records)
    assert "Moon Powered" in message


def test_pvoutput_sink_counts_statuses_not_added_by_server(service, clock):
    service.reply = lambda request: response(200, "20260621,12:00,1;20260621,12:05,0;20260621,12:10,0")
    with pytest.raises(SinkRejected, match="did not add") as caught:
        asyncio.run(
            make_sink(service.url, clock).send(
                make_batch(make_sample(), make_sample(NOON + 300), make_sample(NOON + 600))
            )
        )
    assert caught.value.rejected == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "Invalid System ID"), (401, "Invalid API Key"), (403, "Read only key"), (405, "POST only")],
)
def test_pvoutput_sink_retries_later_after_rejected_key(service, clock, status, words):
    service.reply = lambda request: response(status, f"Unauthorized: {words} k3y-of-mine")
    with pytest.raises(RetryLater, match=words) as caught:
        asyncio.run(make_sink(service.url, clock).send(make_batch(make_sample())))
    assert caught.value.seconds == 600
    assert "k3y-of-mine" not in str(caught.value)


def test_pvoutput_sink_wants_only_plant_series(clock):
    sink = make_sink("https://pvoutput.org", clock)
    assert [sink.wants(one) for one in (ROOF, Series("growatt", "11", "INV1"), Series("growatt", "12"))] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("name", ["", "me", "47 11", "٤"])
def test_pvoutput_sink_rejects_non_numeric_system(clock, name):
    with pytest.raises(ConfigError, match="system"):
        make_sink("https://pvoutput.org", clock, system=name)
