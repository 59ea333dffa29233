"""Alarms in the JSON API, on the pages and in the metrics, over a real socket."""

import pytest

from heliograph.alarms.model import AlarmResponse, AlarmSubject, response_row
from heliograph.store import open_store
from heliograph.store.base import Batch
from support.alarm_rows import raised, store_alarms
from support.website import NOON, TOKEN, home, hostile, served, written

SEEN = '0 W <b>"hostile"</b>'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("alarms") / "samples.sqlite", home(), hostile())
    acknowledged = raised("low_yield", at=NOON - 7200)
    with open_store(path) as store:
        store_alarms(
            store,
            raised(at=NOON - 3600, seen=SEEN),
            acknowledged,
            raised("quota", at=NOON - 60, subject=AlarmSubject("growatt", "", "home"), title="home"),
            raised("fault", at=NOON - 9000, cleared_at=NOON - 6000),
        )
        store.write(Batch(alarms=[response_row(acknowledged.key, AlarmResponse(at=NOON - 100))]))
    with served(path) as running:
        yield running


def rules(site, query=""):
    return [(one["rule"], one["state"]) for one in site.ask(f"/api/v1/alarms{query}").json["alarms"]]


def test_api_lists_active_alarms_and_filters_them(site):
    assert rules(site) == [("no_yield", "raised"), ("low_yield", "acknowledged"), ("quota", "raised")]
    assert rules(site, "?state=cleared") == [("fault", "cleared")]
    assert rules(site, "?rule=quota") == [("quota", "raised")]
    assert rules(site, "?plant=12") == []
    assert site.ask("/api/v1/alarms?state=unknown").status == 400
    (found,) = site.ask("/api/v1/alarms?rule=no_yield").json["alarms"]
    assert (found["plant"], found["account"], found["seen"]) == ("11", None, SEEN)
    assert found["raised_at"] == "2026-06-21T09:00:00Z"


def test_plant_page_shows_raised_alarms_with_the_next_step(site):
    page = site.ask("/plant/growatt/11").body.decode()
    assert "No yield in daylight, since 11:00" in page
    alarm = raised(at=NOON - 3600)
    assert f'action="/alarms/{alarm.id}/acknowledge?plant"' in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "Yield far below" not in page


def test_status_page_lists_every_active_alarm(site):
    page = site.ask("/status").body.decode()
    for text in ("No yield in daylight", "Yield far below the plant", "Acknowledged", "Account home"):
        assert text in page
    assert "A device reports a fault" not in page


def test_fleet_page_counts_raised_alarms(site):
    page = site.ask("/").body.decode()
    assert "2 alarms" in page
    assert "No yield in daylight (1), the daily request quota is used up (1)" in page


def test_metrics_have_a_line_per_active_alarm(site):
    lines = [one for one in site.ask("/metrics").body.decode().splitlines() if one.startswith("heliograph_alarm{")]
    assert len(lines) == 3
    assert (
        'heliograph_alarm{vendor="growatt",plant="11",account="",name="Home",rule="no_yield",severity="error",'
        'state="raised"} 1.0' in lines
    )


@pytest.fixture
def answered(tmp_path):
    """Serve a store with one raised alarm, and return it with the address of its form."""
    path, alarm = written(tmp_path / "samples.sqlite", home()), raised(at=NOON - 3600)
    with open_store(path) as store:
        store_alarms(store, alarm)
    return path, alarm, f"/alarms/{alarm.id}/acknowledge"


def test_alarm_is_acknowledged_by_its_form_and_no_longer_a_notice(answered):
    path, _, form = answered
    with served(path) as site:
        own = {"Origin": f"http://127.0.0.1:{site.port}", "Content_Type": "application/x-www-form-urlencoded"}
        assert b"No yield in daylight" in site.ask("/").body
        sent = site.ask(f"{form}?plant", "POST", **own)
        assert (sent.status, sent.headers["Location"]) == (303, "/plant/growatt/11")
        assert b"No yield in daylight" not in site.ask("/").body
        assert rules(site) == [("no_yield", "acknowledged")]
        assert site.ask(form, "POST", **own).headers["Location"] == "/status"
        assert form.encode() not in site.ask("/status").body
        assert site.ask("/alarms/000000/acknowledge", "POST", **own).status == 404


def test_form_of_another_site_and_other_methods_acknowledge_nothing(answered):
    path, _, form = answered
    with served(path) as site:
        assert site.ask(form, "POST").status == 403
        for origin in ("null", "http://evil.example", f"https://127.0.0.1:{site.port}0"):
            assert site.ask(form, "POST", Origin=origin).status == 403
        own = {"Origin": f"http://127.0.0.1:{site.port}"}
        assert site.ask(form, "POST", Host="evil.example", Origin="http://evil.example").status == 421
        for method in ("PUT", "DELETE", "PATCH"):
            assert site.ask(form, method, **own).status == 405
        for path_of_others in ("/alarms", f"{form}/x", "/alarms/x/acknowledge", f"/x{form}", "/status"):
            assert site.ask(path_of_others, "POST", **own).status == 405
        assert site.ask(form).status == 405
        assert rules(site) == [("no_yield", "raised")]


def test_acknowledging_needs_the_token(answered):
    path, _, form = answered
    with served(path, token=TOKEN) as site:
        own = {"Origin": f"http://127.0.0.1:{site.port}"}
        assert site.ask(form, "POST", **own).status == 401
        cookie = site.ask(f"/?token={TOKEN}").headers["Set-Cookie"].partition(";")[0]
        assert site.ask(form, "POST", Cookie=cookie).status == 403
        assert site.ask(form, "POST", Cookie=cookie, **own).status == 303
        assert site.ask(form, "POST", Authorization=f"Bearer {TOKEN}", **own).status == 303
