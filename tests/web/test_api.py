"""Tests of the JSON API over a real socket: responses, rejected requests and hostile names."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import quote, urlencode

import pytest

from heliograph.collect.freshness import Freshness
from heliograph.config import Account
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES, METRICS
from heliograph.store import open_store
from heliograph.store.base import Batch, PollStatus, Series, SeriesInfo
from heliograph.store.threaded import StoreThread
from heliograph.web.paths import encode_id
from heliograph.web.state import StateCache
from support.website import HOME, HOSTILE, IDS, NOON, ZONE, Still, entry, home, hostile, numbered, served, written

API = "/api/v1"
PLANT = f"{API}/plants/growatt/11"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(written(tmp_path_factory.mktemp("web") / "samples.sqlite", home(), hostile())) as site:
        yield site


def test_api_plant_has_devices_zone_and_every_metric(site):
    response = site.ask(PLANT)
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    found = response.json
    assert found["name"] == "Home"
    assert found["zone"] == ZONE
    assert found["freshness"] == "live"
    assert found["measured_at"] == "2026-06-21T10:00:00Z"
    assert found["fetched_at"] == "2026-06-21T10:00:20Z"
    assert set(found["values"]) == set(METRICS)
    assert found["values"]["grid_power"] == -700.5
    assert found["values"]["ac_power"] is None
    assert [one["device"] for one in found["devices"]] == ["SN1"]


@pytest.fixture(scope="module")
def site_with_odd_ids(tmp_path_factory):
    with served(written(tmp_path_factory.mktemp("odd") / "samples.sqlite", numbered())) as site:
        yield site


@pytest.mark.parametrize("name", IDS)
def test_api_finds_plant_and_device_by_encoded_id(site_with_odd_ids, name):
    plant = f"{API}/plants/goodwe/{encode_id(name)}"
    assert site_with_odd_ids.ask(plant).json["plant"] == name
    for resource in ("samples", "days"):
        found = site_with_odd_ids.ask(f"{plant}/{resource}?{urlencode({'device': name})}")
        assert found.status == 200
        assert (found.json["plant"], found.json["device"]) == (name, name)
    assert site_with_odd_ids.ask(f"{plant}/repairs").json["plant"] == name


def test_api_accepts_percent_encoded_plant_id(site_with_odd_ids):
    for name in set(IDS) - {".", ".."}:
        assert site_with_odd_ids.ask(f"{API}/plants/goodwe/{quote(name, safe='')}").json["plant"] == name


def test_api_plant_omits_stale_values(tmp_path):
    clock = Still()
    with served(written(tmp_path / "s.sqlite", home()), clock=clock) as site:
        assert site.ask(PLANT).json["values"]["pv_power"] == 1500.0
        clock.moment += 24 * 3600
        found = site.ask(PLANT).json
    assert found["values"]["pv_power"] is None
    assert found["values"]["pv_energy_today"] is None
    assert found["values"]["pv_energy_total"] == 4567.8
    assert (found["freshness"], found["poll"]) == ("not-polled", None)


def test_state_cache_reads_store_once_within_two_seconds(tmp_path):
    reads, ticks = [], [0.0]

    def read_accounts():
        reads.append(1)
        return ()

    async def ask():
        reader = StoreThread(partial(open_store, written(tmp_path / "s.sqlite", home())))
        source = StateCache(reader, read_accounts, clock=(clock := Still()), timer=lambda: ticks[0])
        await asyncio.gather(*(source.current() for _ in range(5)))
        assert len(reads) == 1
        ticks[0] = 1.9
        await source.current()
        assert len(reads) == 1
        ticks[0] = 2.0
        assert (await source.current()).at == NOON
        assert len(reads) == 2
        clock.moment += 8 * 3600  # the computer was suspended
        assert (await source.current()).at == clock.moment
        assert len(reads) == 3
        await reader.close()

    asyncio.run(ask())


def test_api_plants_are_filtered_sorted_and_paged(tmp_path):
    many = [Series("growatt", f"{number:04}") for number in range(1000)]
    rows = [entry(one, NOON, pv_power=None if place % 10 == 0 else float(place)) for place, one in enumerate(many)]
    known = [SeriesInfo(one, f"Plant {999 - place}", None, ZONE) for place, one in enumerate(many)]
    other = Batch(samples=[entry(Series("goodwe", "x"), NOON - 86400)], series_info=[SeriesInfo(Series("goodwe", "x"))])
    with served(written(tmp_path / "s.sqlite", Batch(samples=rows, series_info=known), other)) as site:

        def listed(query):
            return site.ask(f"{API}/plants?{query}").json

        whole = listed("limit=1000")
        assert whole["total"] == 1001
        assert len(whole["plants"]) == 1000
        assert "devices" not in whole["plants"][0]
        page = listed("limit=10&offset=995")
        assert [one["plant"] for one in page["plants"]] == [f"{number:04}" for number in range(994, 1000)]
        assert listed("vendor=goodwe")["total"] == 1
        assert listed("q=PLANT%2099")["total"] == 11
        assert listed("freshness=live")["total"] == 1000
        best = listed("sort=pv_power&order=desc&limit=3")["plants"]
        assert [one["values"]["pv_power"] for one in best] == [999.0, 998.0, 997.0]
        for order in ("asc", "desc"):
            last = listed(f"sort=pv_power&order={order}&limit=101&offset=900")["plants"]
            assert [one["values"]["pv_power"] for one in last] == [None] * 101
        assert listed("sort=name&vendor=growatt&limit=1")["plants"][0]["name"] == "Plant 0"


def test_api_samples_have_mean_low_and_high_per_bucket(site):
    found = site.ask(f"{PLANT}/samples?from=2026-06-21T10:00:00%2B02:00&to=2026-06-21T12:00:01%2B02:00&points=10").json
    assert found["seconds"] == 900
    assert found["starts"][0] == "2026-06-21T08:00:00Z"
    assert len(found["starts"]) == 9
    assert set(found["metrics"]) == {"pv_power", "grid_power", "battery_power", "battery_soc", "load_power"}
    assert found["metrics"]["grid_power"] == {side: [-700.5] * 9 for side in ("mean", "low", "high")}


def test_api_samples_include_requested_metric_without_data(site):
    found = site.ask(f"{PLANT}/samples?metrics=ac_power,pv_power").json
    assert list(found["metrics"]) == ["ac_power", "pv_power"]
    assert set(found["metrics"]["ac_power"]["mean"]) == {None}


def test_api_samples_default_range_is_local_day_of_plant(site):
    found = site.ask(f"{PLANT}/samples?points=2000").json
    assert found["starts"][0] == "2026-06-20T22:00:00Z"
    assert found["starts"][-1] == "2026-06-21T10:00:00Z"


def test_api_samples_include_end_day(site):
    found = site.ask(f"{PLANT}/samples?from=2026-06-20&to=2026-06-20&points=24").json
    assert found["seconds"] == 3600
    assert len(found["starts"]) == 24
    assert found["starts"][0] == "2026-06-19T22:00:00Z"


def test_api_samples_of_device(site):
    found = site.ask(f"{PLANT}/samples?device=SN1").json
    assert found["device"] == "SN1"
    assert len(found["starts"]) == 1
    assert site.ask(f"{PLANT}/samples?device=SN2").status == 404


def test_api_samples_of_years_are_limited_to_points(tmp_path):
    rows = [entry(HOME, NOON - 14400 * past, pv_power=float(past)) for past in range(3 * 365 * 6)]
    with served(
        written(tmp_path / "s.sqlite", Batch(samples=rows, series_info=[SeriesInfo(HOME, "Home", None, ZONE)]))
    ) as site:
        found = site.ask(f"{PLANT}/samples?from=2023-07-01&to=2026-06-21&points=2000").json
    assert 1000 < len(found["starts"]) <= 2010
    assert found["seconds"] == 24 * 3600
    assert max(found["metrics"]["pv_power"]["high"]) > 6_500


def test_api_days_are_local_and_include_both_ends(site):
    found = site.ask(f"{PLANT}/days?from=2026-06-19&to=2026-06-21").json
    assert [one["day"] for one in found["days"]] == ["2026-06-19", "2026-06-20", "2026-06-21"]
    assert [one["final"] for one in found["days"]] == [True, False, False]
    assert set(found["days"][0]["values"]) == set(ENERGIES)
    assert found["days"][2]["values"] == {name: 20.0 if name == "pv_energy" else None for name in ENERGIES}
    assert len(site.ask(f"{PLANT}/days").json["days"]) == 31


def test_api_repairs_of_plant_and_devices_are_newest_first(site):
    found = site.ask(f"{PLANT}/repairs").json
    assert found["total"] == 2
    assert [(one["device"], one["metric"], one["kept"]) for one in found["repairs"]] == [
        ("SN1", "pv_power", None),
        (None, "pv_energy_total", 4567.8),
    ]
    assert len(site.ask(f"{PLANT}/repairs?limit=1").json["repairs"]) == 1


def test_api_accounts_have_budget_pause_and_problem(site):
    one, other = site.ask(f"{API}/accounts").json["accounts"]
    assert one["budget"]["requests"] == {"used": 120, "limit": 500, "reserve": 20, "next_free": None}
    assert one["budget"]["pause"]["kind"] == "locked"
    assert datetime.fromisoformat(one["budget"]["pause"]["until"]) == datetime.fromtimestamp(NOON, UTC) + timedelta(1)
    assert other["budget"] is None
    assert other["problem"] == "its memory cannot be read"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{API}/plants?form=1", "unknown parameter 'form'"),
        (f"{API}/plants?limit=0", "from 1 to 1000"),
        (f"{API}/plants?limit=1001", "from 1 to 1000"),
        (f"{API}/plants?limit=1e3", "must be an integer"),
        (f"{API}/plants?limit=%D9%A1", "must be an integer"),
        (f"{API}/plants?limit=1&limit=2", "repeated"),
        (f"{API}/plants?sort=secret", "must be one of"),
        (f"{API}/plants?q=", "characters"),
        (f"{PLANT}/samples?points=2001", "from 1 to 2000"),
        (f"{PLANT}/samples?metrics=pv_power,nothing", "nothing"),
        (f"{PLANT}/samples?metrics=*)%20FROM%20sample--", "must not contain"),
        (f"{PLANT}/samples?from=1026-01-01", "1970 to 2199"),
        (f"{PLANT}/samples?from=2026-02-30", "must be a day"),
        (f"{PLANT}/samples?from=2026-01-01T25:00:00Z", "must be a time"),
        (f"{PLANT}/samples?from=2026-06-21T10:00:00", "must be a day"),
        (f"{PLANT}/samples?from=1970-01-01&to=2199-12-31", "days apart"),
        (f"{PLANT}/samples?from=2026-06-22&to=2026-06-21", "must be before"),
        (f"{PLANT}/repairs?from=2000-01-01&to=2026-06-21", "days apart"),
        (f"{PLANT}/days?from=1970-01-01&to=2199-12-31", "days apart"),
        (f"{PLANT}/days?from=2026-06-22", "must be before"),
        (f"{PLANT}/days?from=2026-06-21T10:00:00Z", "must be a day"),
    ],
)
def test_api_invalid_parameter_returns_problem_with_reason(site, path, reason):
    response = site.ask(path)
    assert response.status == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(response.json) == {"type", "title", "status", "detail"}
    assert reason in response.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        f"{API}/plants/growatt/12",
        f"{API}/plants/growatt/%00",
        f"{API}/plants/../../etc/passwd",
        f"{API}/plants/growatt/..%2f..%2f..%2fetc%2fpasswd",
        f"{API}/plants/growatt/11/../../../secret",
        "/assets/../api.py",
        "/assets/..%2fapi.py",
        "/assets/%2e%2e/api.py",
        "//etc/passwd",
    ],
)
def test_api_unknown_path_is_not_found(site, path):
    response = site.ask(path)
    assert response.status == 404
    assert b"root:" not in response.body


def test_api_accepts_unescaped_plus_sign_in_time(site):
    one = site.ask(f"{PLANT}/samples?from=2026-06-21T10:00:00+02:00").json
    assert one == site.ask(f"{PLANT}/samples?from=2026-06-21T08:00:00Z").json


def test_api_returns_304_for_matching_etag(site):
    first = site.ask(PLANT)
    again = site.ask(PLANT, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert site.ask(PLANT, If_None_Match='W/"other"').status == 200
    assert site.ask(PLANT, If_None_Match=f'"x", {first.headers["ETag"]}').status == 304


def test_api_compresses_long_responses_if_accepted(site):
    plain = site.ask(f"{API}/plants")
    packed = site.ask(f"{API}/plants", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) * 5 < len(plain.body)


def test_api_head_response_has_no_body(site):
    response = site.ask(PLANT, "HEAD")
    assert (response.status, response.body) == (200, b"")
    assert response.headers["ETag"]


def test_api_missing_store_has_no_plants_and_is_healthy(tmp_path):
    with served(tmp_path / "none.sqlite") as site:
        assert site.ask(f"{API}/plants").json["total"] == 0
        assert len(site.ask(f"{API}/accounts").json["accounts"]) == 2
        assert site.ask("/healthz").json == {"status": "ok", "reasons": [], "plants": dict.fromkeys(Freshness, 0)}
        assert site.ask(PLANT).status == 404
    assert not (tmp_path / "none.sqlite").exists()


def test_api_unreadable_store_returns_503_with_reason_until_readable(tmp_path):
    store_path = tmp_path / "samples.sqlite"
    store_path.write_text("no database " * 100)
    clock = Still()
    with served(store_path, clock=clock) as site:
        for path in ("/healthz", "/metrics", PLANT, f"{API}/plants"):
            assert site.ask(path).status == 503
        health = site.ask("/healthz").json
        assert health["status"] == "failing"
        assert "not a store of heliograph" in health["reasons"][0]
        assert site.ask(PLANT).headers["Retry-After"] == "10"
        store_path.unlink()
        written(store_path, home())
        clock.moment += 3600
        assert site.ask("/healthz").status == 200
        assert site.ask(PLANT).status == 200


def test_a_plant_with_an_unknown_zone_is_shown_in_utc(tmp_path):
    info = SeriesInfo(HOME, "Roof", None, "UTC+03:19:58.800000")
    with served(written(tmp_path / "s.sqlite", home(), Batch(series_info=[info]))) as site:
        for path in ("/", "/metrics", "/healthz", f"{API}/plants"):
            assert site.ask(path).status == 200, path
        assert site.ask(PLANT).json["zone"] == "UTC"


def test_health_fails_when_the_state_that_the_page_shows_cannot_be_read(tmp_path):
    def broken():
        raise RuntimeError("hunter2 is no account")

    with served(written(tmp_path / "s.sqlite", home()), seen=broken) as site:
        assert site.ask("/").status == 500
        answer = site.ask("/healthz")
    assert answer.status == 503
    assert answer.json == {
        "status": "failing",
        "reasons": ["the current state cannot be read (RuntimeError); the log has the details"],
        "plants": None,
    }


def test_health_counts_plants_by_freshness_and_is_ok_without_collector(tmp_path):
    clock = Still()
    with served(written(tmp_path / "s.sqlite", home()), clock=clock) as site:
        assert site.ask("/healthz").json["plants"]["live"] == 1
        clock.moment += 24 * 3600
        answer = site.ask("/healthz")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert answer.json["plants"] == dict.fromkeys(Freshness, 0) | {"not-polled": 1}


def test_api_plant_reports_its_last_and_next_poll(tmp_path):
    polls = [PollStatus(HOME, NOON + 20, 720, NOON + 7200, "locked until 14:00")]
    with served(written(tmp_path / "s.sqlite", home(), Batch(polls=polls))) as site:
        found, listed = site.ask(PLANT).json, site.ask(f"{API}/plants").json["plants"][0]
    assert found["poll"] == listed["poll"]
    assert found["poll"] == {
        "polled_at": "2026-06-21T10:00:20Z",
        "interval_seconds": 720,
        "next_at": "2026-06-21T12:00:00Z",
        "reason": "locked until 14:00",
    }
    assert [one["freshness"] for one in found["devices"]] == ["live"]


def test_api_unavailable_database_is_reported_without_password():
    with served("postgresql://ada:s3cret-word@127.0.0.1:1/solar") as site:
        responses = [site.ask(path) for path in ("/healthz", PLANT, "/metrics")]
    assert [one.status for one in responses] == [503] * 3
    assert all(b"s3cret-word" not in one.body for one in responses)


def test_api_store_error_is_reported_without_password():
    from heliograph.web.api import _problem

    error = StoreError("postgresql://ada:s3cret-word@db/solar?password=s3cret-word: no such table")
    response = asyncio.run(_problem(None, error))
    assert response.status_code == 503
    assert b"no such table" in response.body
    assert b"s3cret-word" not in response.body


def test_api_returns_hostile_names_unchanged_as_ascii(site):
    response = site.ask(f"{API}/plants?vendor=goodwe")
    assert response.body.isascii()
    assert not any(byte < 0x20 or byte == 0x7F for byte in response.body)
    names = [one["name"] for one in response.json["plants"]]
    stored = [name.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}") for name in HOSTILE]
    assert names == stored
    device = site.ask(f"{API}/plants/goodwe/h0").json["devices"][0]
    assert device["name"] == HOSTILE[0]


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", '"},{"a":"', "\r\nSet-Cookie: a=b", "\x1b[2J", "\u202e"])
def test_api_problem_escapes_request_text(site, word):
    from urllib.parse import quote

    for path in (f"{API}/plants/growatt/{quote(word, safe='')}", f"{API}/plants?{quote(word, safe='')}=1"):
        response = site.ask(path)
        assert response.status in (400, 404)
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in response.headers
        assert response.body.isascii()
        assert json.loads(response.body)["status"] == response.status


def test_api_problem_truncates_long_request_text(site):
    response = site.ask(f"{API}/plants?vendor={'x' * 5000}")
    assert response.status == 400
    assert len(response.body) < 1000
    assert site.ask(f"{API}/plants?{'x' * 5000}=1").status == 400
    assert len(site.ask(f"{API}/plants?{'x' * 5000}=1").body) < 1000
    assert site.ask(f"{API}/plants?vendor={'x' * 100_000}").status == 400


def test_api_and_metrics_omit_infinite_values(tmp_path):
    rows = [entry(HOME, NOON, pv_power=float("inf"), grid_power=5.0)]
    with served(
        written(tmp_path / "s.sqlite", Batch(samples=rows, series_info=[SeriesInfo(HOME, None, None, ZONE)]))
    ) as site:
        found = site.ask(PLANT)
        assert found.json["values"]["pv_power"] is None
        assert b"Infinity" not in found.body + site.ask(f"{PLANT}/samples").body
        assert "Inf" not in site.ask("/metrics").body.decode()


def test_api_and_pages_contain_no_account_secret(tmp_path):
    from heliograph.cli.serve import AccountStatusProvider

    account = Account(name="home", vendor="growatt", username="ada@example.com", password=Secret("hunter2-hunter2"))
    with served(written(tmp_path / "s.sqlite", home()), seen=AccountStatusProvider([account])) as site:
        responses = [site.ask(path).body for path in (f"{API}/accounts", "/metrics", "/healthz", "/", "/status")]
    assert b'"account":"home"' in responses[0]
    assert b'"limit"' in responses[0]
    for body in responses:
        assert b"hunter2" not in body
        assert b"ada@example.com" not in body


def test_account_status_provider_reports_error_text():
    from heliograph.cli.serve import AccountStatusProvider
    from heliograph.errors import CloudError

    account = Account(name="home", vendor="growatt", username="ada", password=Secret("hunter2-hunter2"))
    (status,) = AccountStatusProvider(
        [account], lambda: {"home": CloudError("no answer", vendor="growatt", call="plants")}
    )()
    assert isinstance(status, AccountStatus)
    assert status.problem == "growatt plants: no answer"
    assert status.budget is not None
