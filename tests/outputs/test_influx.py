"""InfluxDB: what stands in its lines, for any name a cloud may tell, and what its answers come to."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ConfigError
from heliograph.outputs.delivery import IDLE_SECONDS
from heliograph.outputs.influx import InfluxSink, escape_tag, line_protocol
from heliograph.outputs.sink import RetryLater, SampleBatch, SinkRejected
from heliograph.store.base import Series, SeriesInfo
from support.http_service import NOON, ROOF, Hand, Kept, Service, answer, configured, drained, entry

BOX = Series("growatt", "11", "INV1")
TOKEN = "t0ken-that-opens"


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def second(url, **facts):
    usual = {"url": url, "token": TOKEN, "org": "home & co", "bucket": "solar", "database": None}
    return configured(**usual | {"username": None, "password": None, "measurement": "solar"} | facts)


def first(url, **facts):
    return second(url, **{"token": None, "org": None, "bucket": None, "database": "solar"} | facts)


def news(*entries, name="Roof"):
    return SampleBatch(entries, {one.series: SeriesInfo(one.series, name) for one in entries})


def sent(sink, *entries, name="Roof"):
    asyncio.run(sink.send(news(*entries, name=name)))


def parsed(text):
    """Read line protocol as its reference describes it: a backslash escapes comma, equals sign and space."""
    return [_point(line) for line in text.split("\n")]


def _point(line):
    parts, place = [[""]], 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            place += 1
            assert line[place] in ",= ", f"a stray backslash in {line!r}"
            parts[-1][-1] += line[place]
        elif sign == " ":
            parts.append([""])
        elif sign in ",=":
            parts[-1] += [sign, ""]
        else:
            parts[-1][-1] += sign
        place += 1
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


def test_line_protocol_omits_missing_and_infinite_values():
    whole = entry(pv_power=1234.5, grid_power=-0.0, battery_soc=None, pv_energy_total=1e-3, load_power=float("inf"))
    assert list(line_protocol(news(whole, entry(NOON + 300, BOX, pv_power=None)), "solar")) == [
        "solar,plant=11,plant_name=Roof,vendor=growatt pv_power=1234.5,grid_power=0.0,pv_energy_total=0.001 1782036000"
    ]


def test_line_protocol_of_device_has_device_tag_and_plant_name():
    told = SampleBatch((entry(NOON, BOX),), {ROOF: SeriesInfo(ROOF, "My roof"), BOX: SeriesInfo(BOX, "Box")})
    assert list(line_protocol(told, "pv")) == [
        "pv,device=INV1,plant=11,plant_name=My\\ roof,vendor=growatt pv_power=1000.0 1782036000"
    ]


hostile = st.text(st.sampled_from("ab,= \\\"'\n\r\t#😀é\x00\x1b\u2028"), max_size=12) | st.text(max_size=12)


@given(
    hostile.filter(lambda name: name.encode("utf-8", "replace").decode() == name), st.sampled_from(["INV 1,=\\", ""])
)
def test_line_protocol_is_valid_for_any_name(name, device):
    series = Series("growatt", "11", device)
    (line,) = line_protocol(SampleBatch((entry(NOON, series),), {ROOF: SeriesInfo(ROOF, name)}), "solar")
    ((measurement, tags, fields, moment),) = parsed(line)
    plain = "".join(" " if sign <= " " or "\x7f" <= sign <= "\xa0" or sign in "\u2028\u2029" else sign for sign in name)
    expected = {"plant": "11", "vendor": "growatt"}
    if plain.strip():
        expected["plant_name"] = plain.strip().replace("\\", "/")
    if device:
        expected["device"] = "INV 1,=/"
    assert (measurement, tags, fields, moment) == ("solar", expected, {"pv_power": "1000.0"}, NOON)


def test_escape_tag_replaces_trailing_backslash():
    assert escape_tag("roof\\") == "roof/"


def test_influx_v2_sink_writes_to_bucket_with_token(service):
    sent(InfluxSink(second(service.url + "/"), Hand()), entry(), entry(NOON + 300))
    (asked,) = service.asked
    assert asked.path == "/api/v2/write"
    assert asked.query == {"org": "home & co", "bucket": "solar", "precision": "s"}
    assert asked.headers["authorization"] == f"Token {TOKEN}"
    assert [point[3] for point in parsed(asked.body.decode())] == [NOON, NOON + 300]


def test_influx_v1_sink_writes_to_database_with_credentials_in_header_only(service):
    sent(InfluxSink(first(service.url, username="me", password="hünter2"), Hand()), entry())
    (asked,) = service.asked
    assert (asked.path, asked.query) == ("/write", {"db": "solar", "precision": "s"})
    assert asked.headers["authorization"] == "Basic " + b64encode("me:hünter2".encode()).decode()


def test_influx_sink_sends_no_request_without_values(service):
    sent(InfluxSink(second(service.url), Hand()), entry(pv_power=None))
    assert service.asked == []


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
    service.reply = lambda asked: answer(status, body, Retry_After="17")
    with pytest.raises(error, match=f"127.0.0.1:{service.port} returned {status}") as caught:
        sent(InfluxSink(second(service.url), Hand()), entry(), entry(NOON + 1))
    assert getattr(caught.value, "rejected", None) == lost
    assert getattr(caught.value, "seconds", None) == seconds


def test_influx_sink_skips_single_rejected_line(tmp_path, service):
    bad = str(NOON + 11)

    def reply(asked):
        return answer(400, "unable to parse") if bad.encode() in asked.body else answer(204)

    service.reply = reply

    async def story():
        kept = Kept(tmp_path / "samples.sqlite")
        delivery = kept.delivery(InfluxSink(second(service.url), Hand()), Hand())
        await delivery.send_once()
        kept.write(*(entry(NOON + step) for step in range(30)))
        assert (await drained(delivery))[-1] == IDLE_SECONDS
        kept.write(entry(NOON + 300))
        await drained(delivery)
        assert (delivery.progress.sent, delivery.progress.skipped) == (30, 1)
        await kept.close()

    asyncio.run(story())
    arrived = {p[3] for one in service.asked if bad.encode() not in one.body for p in parsed(one.body.decode())}
    assert arrived == {NOON + step for step in range(30) if step != 11} | {NOON + 300}


@pytest.mark.parametrize("name", ["", "_internal", "#comment", "two words", "a,b", "a\\", "a=b"])
def test_influx_sink_rejects_measurement_that_needs_escaping(name):
    with pytest.raises(ConfigError, match="measurement"):
        InfluxSink(second("https://db.example.com", measurement=name), Hand())


def test_influx_sink_name_is_unique_per_database_and_measurement_without_secrets():
    names = {
        InfluxSink(one, Hand()).name
        for one in (
            second("https://db.example.com"),
            second("https://db.example.com", measurement="pv"),
            second("https://db.example.com", bucket="other"),
            first("http://localhost:8086", username="me", password="hunter22"),
        )
    }
    assert len(names) == 4
    assert not any(TOKEN in name or "hunter22" in name for name in names)
