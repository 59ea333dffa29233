"""Webhooks: what is posted, how it is signed, what answers come to; and where outputs may be sent at all."""

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
from support.http_service import HALF, NOON, ROOF, Hand, Kept, Service, answer, configured, drained, entry
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


def hook(url, clock=None, secret=SECRET, plants=()):
    return WebhookSink(configured(url=url, secret=secret, plants=plants), clock or Hand())


def sent(sink, *entries):
    asyncio.run(sink.send(SampleBatch(entries, {ROOF: SeriesInfo(ROOF, "Mein Dach ☀")})))


def test_webhook_posts_samples_as_json_with_id(service):
    sent(
        hook(f"{service.url}/in?to=me"),
        entry(quality=Quality.REPAIRED, pv_power=5.0, battery_soc=None),
        entry(series=BOX),
    )
    (asked,) = service.asked
    assert (asked.path, asked.query, asked.headers["content-type"]) == ("/in", {"to": "me"}, "application/json")
    body = json.loads(asked.body)
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
    sent(hook(service.url), entry())
    sent(hook(service.url, secret=None), entry())
    signed, bare = service.asked
    moment, proof = (part.partition("=")[2] for part in signed.headers["heliograph-signature"].split(","))
    assert moment == str(NOON)
    assert proof == hmac.new(SECRET.encode(), f"{moment}.".encode() + signed.body, sha256).hexdigest()
    assert "heliograph-signature" not in bare.headers


def test_webhook_retry_has_same_id_and_new_timestamp(service, tmp_path):
    replies = [RESET, HALF, answer(503), answer(429, "", Retry_After="60"), answer(202)]
    service.reply = lambda asked: replies.pop(0)

    async def story():
        kept, clock = Kept(tmp_path / "samples.sqlite"), Hand()
        delivery = kept.delivery(hook(service.url, clock), clock)
        await delivery.send_once()
        kept.write(entry())
        taken = await delivery.send_once()
        kept.write(entry(NOON + 300))
        clock.moment += taken
        waits = await drained(delivery)
        await kept.close()
        assert waits[2] == 60.0
        assert waits[-1] == IDLE_SECONDS

    replies.append(answer())
    asyncio.run(story())
    bodies = [json.loads(asked.body) for asked in service.asked]
    assert len({body["id"] for body in bodies[:5]}) == 1
    assert len({body["sent_at"] for body in bodies[:5]}) == 5
    assert bodies[5]["id"] != bodies[0]["id"]


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_webhook_skips_rejected_sample_and_sends_others(service, tmp_path, status):
    service.reply = lambda asked: answer(status if b'"1.5' in asked.body or b": 1.5" in asked.body else 200)

    async def story():
        kept = Kept(tmp_path / "samples.sqlite")
        delivery = kept.delivery(hook(service.url), Hand())
        await delivery.send_once()
        kept.write(entry(NOON, pv_power=1.5), entry(NOON + 1), entry(NOON + 2))
        await drained(delivery)
        assert (delivery.progress.sent, delivery.progress.skipped) == (2, 1)
        await kept.close()

    asyncio.run(story())


@pytest.mark.parametrize(("status", "seconds"), [(301, 600), (401, 600), (403, 600), (404, 600), (410, 86400)])
def test_webhook_user_errors_skip_no_samples(service, status, seconds):
    service.reply = lambda asked: answer(status, "", Location="http://127.0.0.1:9/elsewhere")
    with pytest.raises(RetryLater) as caught:
        sent(hook(service.url), entry())
    assert caught.value.seconds == seconds
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_webhook_temporary_errors_respect_retry_after(service, status):
    service.reply = lambda asked: answer(status, "", Retry_After=formatdate(NOON + 90, usegmt=True))
    with pytest.raises(RetryLater) as caught:
        sent(hook(service.url), entry())
    assert caught.value.seconds == 90
    service.reply = lambda asked: answer(status, "", Retry_After="soon")
    with pytest.raises(RetryLater) as caught:
        sent(hook(service.url), entry())
    assert caught.value.seconds is None


def test_webhook_connection_error_is_retried_and_reported_without_path(service):
    service.close()
    with pytest.raises(RetryLater, match=f"127.0.0.1:{service.port}") as caught:
        sent(hook(f"{service.url}/services/T0/secret-path"), entry())
    assert "secret-path" not in str(caught.value)


def test_webhook_wants_only_configured_plants_and_their_devices():
    sink = hook("https://example.com/", plants=("11",))
    assert [sink.wants(one) for one in (ROOF, BOX, Series("growatt", "12"))] == [True, True, False]
    assert hook("https://example.com/").wants(Series("goodwe", "7"))


def test_webhook_name_errors_and_logs_contain_no_secret_repeated_by_server(service, caplog):
    caplog.set_level(logging.DEBUG)
    path = "services/T0secret/B0secret"
    url = f"{service.url}/{path}?key=query-secret"
    service.reply = lambda asked: answer(403, f"{SECRET} {path} {url} {asked.headers}".encode())
    sink = hook(url)
    with pytest.raises(RetryLater) as caught:
        sent(sink, entry())
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
    service.reply = lambda asked: answer(400, "no\nline \x1b[31mbreaks " + "x" * 1000)
    with pytest.raises(SinkRejected) as caught:
        sent(hook(service.url), entry())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_webhook_documented_receiver_accepts_only_genuine_requests(service):
    page = (DOCS / "outputs.md").read_text("utf-8")
    space = {}
    exec(page.split("```python\n")[1].split("```")[0], space)
    sent(hook(service.url, Hand(time())), entry())
    sent(hook(service.url, Hand(time() - 3600)), entry())
    genuine, (new, old) = space["genuine"], service.asked
    header = new.headers["heliograph-signature"]
    assert genuine(header, new.body, SECRET)
    assert not genuine(header, new.body + b" ", SECRET)
    assert not genuine(header, new.body, "another")
    assert not genuine(old.headers["heliograph-signature"], old.body, SECRET)
