"""Tests of the webhook sink: body, signature and error responses; and of the allowed addresses of sinks."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from email.utils import formatdate
from hashlib import sha256
from time import time

import pytest

from heliograph.errors import ConfigError
from heliograph.model import Quality
from heliograph.outputs.delivery import IDLE_SECONDS
from heliograph.outputs.http import SinkEndpoint
from heliograph.outputs.sink import RetryLater, SampleBatch, SinkRejected
from heliograph.outputs.webhook import WebhookSink
from heliograph.store.base import Series, SeriesInfo
from support.http_service import (
    NOON,
    ROOF,
    TRUNCATED_RESPONSE,
    ManualClock,
    Service,
    StoreHarness,
    drain,
    make_config,
    make_sample,
    response,
)
from support.paths import DOCS
from support.raw_server import RESET
from support.secret_leaks import forms, leaks, seen

SECRET = "hunter2-and-möre"
BOX = Series("growatt", "11", "INV1")


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def make_sink(url, clock=None, secret=SECRET, plants=()):
    return WebhookSink(make_config(url=url, secret=secret, plants=plants), clock or ManualClock())


def send(sink, *entries):
    asyncio.run(sink.send(SampleBatch(entries, {ROOF: SeriesInfo(ROOF, "Mein Dach ☀")})))


def test_webhook_posts_samples_as_json_with_id(service):
    send(
        make_sink(f"{service.url}/in?to=me"),
        make_sample(quality=Quality.REPAIRED, pv_power=5.0, battery_soc=None),
        make_sample(series=BOX),
    )
    (request,) = service.requests
    assert (request.path, request.query, request.headers["content-type"]) == ("/in", {"to": "me"}, "application/json")
    body = json.loads(request.body)
    assert set(body) == {"id", "sent_at", "samples"}
    assert body["sent_at"] == "2026-06-21T10:00:00+00:00"
    assert body["samples"][0] == {
        "vendor": "growatt",
        "plant": "11",
        "device": None,
        "name": "Mein Dach ☀",
        "measured_at": "2026-06-21T10:00:00+00:00",
        "fetched_at": "2026-06-21T10:01:00+00:00",
        "quality": "repaired",
        "status": "online",
        "values": {"pv_power": 5.0, "battery_soc": None},
    }
    assert (body["samples"][1]["device"], body["samples"][1]["name"]) == ("INV1", None)


def test_webhook_signature_covers_time_and_body(service):
    send(make_sink(service.url), make_sample())
    send(make_sink(service.url, secret=None), make_sample())
    signed, unsigned = service.requests
    moment, signature = (part.partition("=")[2] for part in signed.headers["heliograph-signature"].split(","))
    assert moment == str(NOON)
    assert signature == hmac.new(SECRET.encode(), f"{moment}.".encode() + signed.body, sha256).hexdigest()
    assert "heliograph-signature" not in unsigned.headers


def test_webhook_retry_has_same_id_and_new_timestamp(service, tmp_path):
    replies = [RESET, TRUNCATED_RESPONSE, response(503), response(429, "", Retry_After="60"), response(202)]
    service.reply = lambda request: replies.pop(0)

    async def scenario():
        harness, clock = StoreHarness(tmp_path / "samples.sqlite"), ManualClock()
        delivery = harness.delivery(make_sink(service.url, clock), clock)
        await delivery.send_once()
        harness.write(make_sample())
        wait = await delivery.send_once()
        harness.write(make_sample(NOON + 300))
        clock.moment += wait
        waits = await drain(delivery)
        await harness.close()
        assert waits[2] == 60.0
        assert waits[-1] == IDLE_SECONDS

    replies.append(response())
    asyncio.run(scenario())
    bodies = [json.loads(request.body) for request in service.requests]
    assert len({body["id"] for body in bodies[:5]}) == 1
    assert len({body["sent_at"] for body in bodies[:5]}) == 5
    assert bodies[5]["id"] != bodies[0]["id"]


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_webhook_skips_rejected_sample_and_sends_others(service, tmp_path, status):
    service.reply = lambda request: response(status if b'"1.5' in request.body or b": 1.5" in request.body else 200)

    async def scenario():
        harness = StoreHarness(tmp_path / "samples.sqlite")
        delivery = harness.delivery(make_sink(service.url), ManualClock())
        await delivery.send_once()
        harness.write(make_sample(NOON, pv_power=1.5), make_sample(NOON + 1), make_sample(NOON + 2))
        await drain(delivery)
        assert (delivery.progress.sent, delivery.progress.skipped) == (2, 1)
        await harness.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("status", "seconds"), [(301, 600), (401, 600), (403, 600), (404, 600), (410, 86400)])
def test_webhook_user_errors_skip_no_samples(service, status, seconds):
    service.reply = lambda request: response(status, "", Location="http://127.0.0.1:9/elsewhere")
    with pytest.raises(RetryLater) as caught:
        send(make_sink(service.url), make_sample())
    assert caught.value.seconds == seconds
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_webhook_temporary_errors_respect_retry_after(service, status):
    service.reply = lambda request: response(status, "", Retry_After=formatdate(NOON + 90, usegmt=True))
    with pytest.raises(RetryLater) as caught:
        send(make_sink(service.url), make_sample())
    assert caught.value.seconds == 90
    service.reply = lambda request: response(status, "", Retry_After="soon")
    with pytest.raises(RetryLater) as caught:
        send(make_sink(service.url), make_sample())
    assert caught.value.seconds is None


def test_too_large_response_is_retried_after_ten_minutes_and_skips_no_samples(service):
    service.reply = lambda request: response(200, b"x" * 2_000_001)
    with pytest.raises(RetryLater, match=r"response too large: .* Check") as caught:
        send(make_sink(service.url), make_sample())
    assert caught.value.seconds == 600.0


def test_response_header_with_an_odd_byte_is_ignored(service):
    service.reply = lambda request: response(503, "", Retry_After="X").replace(b"X", b"\xff")
    with pytest.raises(RetryLater, match="returned 503") as caught:
        send(make_sink(service.url), make_sample())
    assert caught.value.seconds is None


def test_webhook_connection_error_is_retried_and_reported_without_path(service):
    service.close()
    with pytest.raises(RetryLater, match=f"127.0.0.1:{service.port}") as caught:
        send(make_sink(f"{service.url}/services/T0/secret-path"), make_sample())
    assert "secret-path" not in str(caught.value)


def test_webhook_wants_only_configured_plants_and_their_devices():
    sink = make_sink("https://example.com/", plants=("11",))
    assert [sink.wants(one) for one in (ROOF, BOX, Series("growatt", "12"))] == [True, True, False]
    assert make_sink("https://example.com/").wants(Series("goodwe", "7"))


def test_webhook_name_errors_and_logs_contain_no_secret_repeated_by_server(service, caplog):
    caplog.set_level(logging.DEBUG)
    path = "services/T0secret/B0secret"
    url = f"{service.url}/{path}?key=query-secret"
    service.reply = lambda request: response(403, f"{SECRET} {path} {url} {request.headers}".encode())
    sink = make_sink(url)
    with pytest.raises(RetryLater) as caught:
        send(sink, make_sample())
    secrets = {form for one in (SECRET, path, "B0secret", "query-secret") for form in forms(one)}
    logged = " ".join(str(one.msg) for one in caplog.records)
    assert leaks(seen(caught.value, with_locals=False) + sink.name + repr(sink) + logged, secrets) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/in",
        "http://localhost:8086",
        "http://127.0.0.1/",
        "http://[::1]:8086/",
        "http://192.168.1.5:8086/",
        "http://10.1.2.3/",
        "http://influxdb:8086",
        "http://nas.local/",
        "http://nas.fritz.home.arpa/",
    ],
)
def test_sink_endpoint_accepts_https_and_local_addresses(url):
    SinkEndpoint(url, SECRET)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/in",
        "http://8.8.8.8/",
        "http://[2001:4860:4860::8888]/",
        "http://local.example.com/",
        "http://localhost.example.com/",
        "ftp://127.0.0.1/",
        "https://",
        "example.com",
        "https://me:hunter2@example.com/",
        "https://[::1/",
        "https://example.com:port/",
    ],
)
def test_sink_endpoint_rejects_other_addresses_without_showing_secret(url):
    with pytest.raises(ConfigError) as caught:
        SinkEndpoint(url + "?token=hunter2" if "@" not in url else url)
    assert "hunter2" not in str(caught.value)


def test_webhook_error_has_server_text_in_one_short_line(service):
    service.reply = lambda request: response(400, "no\nline \x1b[31mbreaks " + "x" * 1000)
    with pytest.raises(SinkRejected) as caught:
        send(make_sink(service.url), make_sample())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_webhook_documented_receiver_accepts_only_genuine_requests(service):
    page = (DOCS / "outputs.md").read_text("utf-8")
    space = {}
    exec(page.split("```python\n")[1].split("```")[0], space)
    send(make_sink(service.url, ManualClock(time())), make_sample())
    send(make_sink(service.url, ManualClock(time() - 3600)), make_sample())
    genuine, (new, old) = space["genuine"], service.requests
    header = new.headers["heliograph-signature"]
    assert genuine(header, new.body, SECRET)
    assert not genuine(header, new.body + b" ", SECRET)
    assert not genuine(header, new.body, "another")
    assert not genuine(old.headers["heliograph-signature"], old.body, SECRET)
