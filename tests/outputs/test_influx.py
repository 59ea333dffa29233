"""Tests of the InfluxDB sink: line protocol for any plant name, requests and error responses."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ConfigError
from heliograph.local_time import day_at
from heliograph.model import Quality
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import IDLE_SECONDS, DeliveryLoop
from heliograph.outputs.influx import InfluxSink, escape_tag, line_protocol
from heliograph.outputs.sink import RetryLater, SampleBatch, SinkRejected
from heliograph.store.base import Batch, Day, Series, SeriesInfo, StoredMeasurements
from heliograph.tariffs.reader import MoneyReader
from heliograph.tariffs.tariff import Tariff
from support.http_service import (
    NOON,
    ROOF,
    ManualClock,
    Service,
    StoreHarness,
    drain,
    make_config,
    make_sample,
    response,
)

BOX = Series("growatt", "11", "INV1")
TOKEN = "t0ken-that-opens"


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def v2_config(url, **settings):
    defaults = {"url": url, "token": TOKEN, "org": "home & co", "bucket": "solar", "database": None}
    return make_config(
        **defaults | {"username": None, "password": None, "measurement": "solar", "device_metrics": True} | settings
    )


def v1_config(url, **settings):
    return v2_config(url, **{"token": None, "org": None, "bucket": None, "database": "solar"} | settings)


def make_batch(*entries, name="Roof"):
    return SampleBatch(entries, {one.series: SeriesInfo(one.series, name) for one in entries})


def send(sink, *entries, name="Roof"):
    asyncio.run(sink.send(make_batch(*entries, name=name)))


def parse_lines(text):
    """Parse line protocol as documented: a backslash escapes comma, equals sign and space."""
    return [_parse_line(line) for line in text.split("\n")]


def _parse_line(line):
    parts, index = [[""]], 0
    while index < len(line):
        char = line[index]
        if char == "\\":
            index += 1
            assert line[index] in ",= ", f"a stray backslash in {line!r}"
            parts[-1][-1] += line[index]
        elif char == " ":
            parts.append([""])
        elif char in ",=":
            parts[-1] += [char, ""]
        else:
            parts[-1][-1] += char
        index += 1
    (measurement, *tags), fields, (moment,) = parts
    return measurement, _pairs(tags), _pairs([",", *fields]), int(moment)


def _pairs(signs):
    found = {}
    for comma, name, equals, value in zip(*[iter(signs)] * 4, strict=True):
        assert (comma, equals) == (",", "=")
        assert name
        assert name not in found
        found[name] = value
    return found


def test_line_has_the_device_metrics_of_its_sample_with_texts_as_strings():
    values = {"pv1_voltage": 381.0, "status_text": 'N "x\\y"\n', "temperature": None, "of_another_version": 1.0}
    batch = make_batch(make_sample(NOON, BOX, pv_power=None))._replace(measurements={(BOX, NOON): values})
    (line,) = line_protocol(batch, "solar")
    _, fields, at = line.split(" ", 1)[0], line.split(" ", 1)[1].rsplit(" ", 1)[0], line.rsplit(" ", 1)[1]
    assert (fields, at) == ('pv1_voltage=381.0,status_text="N \\"x\\\\y\\""', str(NOON))


@pytest.mark.parametrize("wanted", [True, False])
def test_device_metrics_are_sent_with_their_samples_if_wanted(service, tmp_path, wanted):
    async def main():
        harness = StoreHarness(tmp_path / "samples.sqlite")
        sink = InfluxSink(v2_config(service.url, device_metrics=wanted), ManualClock())
        delivery = harness.delivery(sink, ManualClock())
        await delivery.feed.start()
        harness.write(make_sample(NOON, BOX), make_sample(NOON + 300, BOX), make_sample(NOON))
        rows = [StoredMeasurements(BOX, at, NOON, {"pv1_voltage": 380.0 + at - NOON}) for at in (NOON, NOON + 150)]
        harness.store.write(Batch(measurements=rows))
        await drain(delivery)
        await harness.close()

    asyncio.run(main())
    lines = [line for one in service.requests for line in one.body.decode().splitlines()]
    assert ["pv1_voltage=380.0" in line for line in lines if f",device={BOX.device}," in line] == [wanted, False]
    assert not any("pv1_voltage" in line for line in lines if "device=" not in line)


def test_line_protocol_omits_missing_and_infinite_values():
    sample = make_sample(
        pv_power=1234.5, grid_power=-0.0, battery_soc=None, pv_energy_total=1e-3, load_power=float("inf")
    )
    assert list(line_protocol(make_batch(sample, make_sample(NOON + 300, BOX, pv_power=None)), "solar")) == [
        "solar,plant=11,plant_name=Roof,vendor=growatt pv_power=1234.5,grid_power=0.0,pv_energy_total=0.001 1782036000"
    ]


def test_line_protocol_of_device_has_device_tag_and_plant_name():
    batch = SampleBatch((make_sample(NOON, BOX),), {ROOF: SeriesInfo(ROOF, "My roof"), BOX: SeriesInfo(BOX, "Box")})
    assert list(line_protocol(batch, "pv")) == [
        "pv,device=INV1,plant=11,plant_name=My\\ roof,vendor=growatt pv_power=1000.0 1782036000"
    ]


hostile = st.text(st.sampled_from("ab,= \\\"'\n\r\t#😀é\x00\x1b\u2028"), max_size=12) | st.text(max_size=12)


@given(
    hostile.filter(lambda name: name.encode("utf-8", "replace").decode() == name),
    st.sampled_from(["INV 1,=\\", ""]),
)
def test_line_protocol_is_valid_for_any_name(name, device):
    series = Series("growatt", "11", device)
    (line,) = line_protocol(SampleBatch((make_sample(NOON, series),), {ROOF: SeriesInfo(ROOF, name)}), "solar")
    ((measurement, tags, fields, moment),) = parse_lines(line)
    plain = "".join(" " if char <= " " or "\x7f" <= char <= "\xa0" or char in "\u2028\u2029" else char for char in name)
    expected = {"plant": "11", "vendor": "growatt"}
    if plain.strip():
        expected["plant_name"] = plain.strip().replace("\\", "/")
    if device:
        expected["device"] = "INV 1,=/"
    assert (measurement, tags, fields, moment) == ("solar", expected, {"pv_power": "1000.0"}, NOON)


def test_money_of_each_day_follows_its_samples(tmp_path, service):
    """Each day has one point, at its midnight; a later sample of the day overwrites it."""

    async def deliver():
        harness, clock = StoreHarness(tmp_path / "s.sqlite"), ManualClock(NOON + 60)
        reader = MoneyReader([Tariff(start=date(2026, 6, 1), currency="EUR", import_price=0.3, standing=0.5)])
        feed = PriorityFeed(harness.open_reader(), sink := InfluxSink(v2_config(service.url), clock), clock, reader)
        delivery = DeliveryLoop(sink, feed, clock)
        await feed.start()
        try:
            for moment, imported in ((NOON - 86400, 4.0), (NOON, 1.0), (NOON + 300, 2.0)):
                day = day_at(moment, ZoneInfo("Europe/Berlin"))
                row = Day(ROOF, day, {"grid_import_energy": imported}, Quality.LIVE, False, moment)
                entries = [make_sample(moment), make_sample(moment, BOX)]
                harness.write(*entries)
                harness.store.write(Batch(days=[row]))
                await drain(delivery)
                clock.moment += 300
        finally:
            await harness.close()

    asyncio.run(deliver())
    lines = [one for request in service.requests for one in parse_lines(request.body.decode())]
    midnight, tags = NOON - 12 * 3600, {"currency": "EUR", "plant": "11", "plant_name": "Roof", "vendor": "growatt"}
    money = [one for one in lines if one[0] == "solar_money"]
    assert all(one[1] == tags for one in money)
    points = [(at, float(fields["cost"])) for _, _, fields, at in money]
    assert points[0] == (midnight - 86400, pytest.approx(0.3 * 4 + 0.5))
    assert [cost for at, cost in points if at == midnight] == [pytest.approx(0.8), pytest.approx(1.1)]
    assert len([one for one in lines if one[0] == "solar"]) == 6


def test_escape_tag_replaces_trailing_backslash():
    assert escape_tag("roof\\") == "roof/"


def test_influx_v2_sink_writes_to_bucket_with_token(service):
    send(InfluxSink(v2_config(service.url + "/"), ManualClock()), make_sample(), make_sample(NOON + 300))
    (request,) = service.requests
    assert request.path == "/api/v2/write"
    assert request.query == {"org": "home & co", "bucket": "solar", "precision": "s"}
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert [point[3] for point in parse_lines(request.body.decode())] == [NOON, NOON + 300]


def test_influx_v1_sink_writes_to_database_with_credentials_in_header_only(service):
    send(InfluxSink(v1_config(service.url, username="me", password="hünter2"), ManualClock()), make_sample())
    (request,) = service.requests
    assert (request.path, request.query) == ("/write", {"db": "solar", "precision": "s"})
    assert request.headers["authorization"] == "Basic " + b64encode("me:hünter2".encode()).decode()


def test_influx_sink_sends_no_request_without_values(service):
    send(InfluxSink(v2_config(service.url), ManualClock()), make_sample(pv_power=None))
    assert service.requests == []


@pytest.mark.parametrize(
    ("status", "body", "error", "lost", "seconds"),
    [
        (400, '{"error":"unable to parse"}', SinkRejected, None, None),
        (400, '{"error":"partial write: points beyond retention policy dropped=3"}', SinkRejected, 3, None),
        (
            422,
            '{"message":"failure writing points: partial write: dropped 2: field type conflict"}',
            SinkRejected,
            2,
            None,
        ),
        (422, '{"message":"unprocessable"}', SinkRejected, 1, None),
        (400, '{"error":"partial write: unable to parse \'…\': missing field value dropped=0"}', SinkRejected, 1, None),
        (413, "", SinkRejected, None, None),
        (401, '{"message":"unauthorized access"}', RetryLater, None, 600.0),
        (404, '{"error":"database not found: \\"solar\\""}', RetryLater, None, 600.0),
        (429, "", RetryLater, None, 17),
        (503, "", RetryLater, None, 17),
        (307, "", RetryLater, None, 600.0),
    ],
)
def test_influx_sink_maps_error_response_to_rejection_or_retry(service, status, body, error, lost, seconds):
    service.reply = lambda request: response(status, body, Retry_After="17")
    with pytest.raises(error, match=f"127.0.0.1:{service.port} returned {status}") as caught:
        send(InfluxSink(v2_config(service.url), ManualClock()), make_sample(), make_sample(NOON + 1))
    assert getattr(caught.value, "rejected", None) == lost
    assert getattr(caught.value, "seconds", None) == seconds


def test_influx_sink_skips_single_rejected_line(tmp_path, service):
    bad = str(NOON + 11)

    def reply(request):
        return response(400, "unable to parse") if bad.encode() in request.body else response(204)

    service.reply = reply

    async def scenario():
        harness = StoreHarness(tmp_path / "samples.sqlite")
        delivery = harness.delivery(InfluxSink(v2_config(service.url), ManualClock()), ManualClock())
        await delivery.send_once()
        harness.write(*(make_sample(NOON + step) for step in range(30)))
        assert (await drain(delivery))[-1] == IDLE_SECONDS
        harness.write(make_sample(NOON + 300))
        await drain(delivery)
        assert (delivery.progress.sent, delivery.progress.skipped) == (30, 1)
        await harness.close()

    asyncio.run(scenario())
    received = {
        p[3] for one in service.requests if bad.encode() not in one.body for p in parse_lines(one.body.decode())
    }
    assert received == {NOON + step for step in range(30) if step != 11} | {NOON + 300}


@pytest.mark.parametrize("name", ["", "_internal", "#comment", "two words", "a,b", "a\\", "a=b"])
def test_influx_sink_rejects_measurement_that_needs_escaping(name):
    with pytest.raises(ConfigError, match="measurement"):
        InfluxSink(v2_config("https://db.example.com", measurement=name), ManualClock())


def test_influx_sink_name_is_unique_per_database_and_measurement_without_secrets():
    names = {
        InfluxSink(one, ManualClock()).name
        for one in (
            v2_config("https://db.example.com"),
            v2_config("https://db.example.com", measurement="pv"),
            v2_config("https://db.example.com", bucket="other"),
            v1_config("http://localhost:8086", username="me", password="hunter22"),
        )
    }
    assert len(names) == 4
    assert not any(TOKEN in name or "hunter22" in name for name in names)
