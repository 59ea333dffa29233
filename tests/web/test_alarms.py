"""Alarms in the JSON API, on the pages and in the metrics, over a real socket."""

import pytest

from heliograph.alarms.model import AlarmResponse, AlarmSubject, response_row
from heliograph.store import open_store
from heliograph.store.base import Batch
from support.alarm_rows import raised, store_alarms
from support.website import NOON, home, hostile, served, written

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
    assert "heliograph alarms ack " in page
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
    assert "No yield in daylight (1), the daily request quota is nearly used (1)" in page


def test_metrics_have_a_line_per_active_alarm(site):
    lines = [one for one in site.ask("/metrics").body.decode().splitlines() if one.startswith("heliograph_alarm{")]
    assert len(lines) == 3
    assert (
        'heliograph_alarm{vendor="growatt",plant="11",account="",name="Home",rule="no_yield",severity="error",'
        'state="raised"} 1.0' in lines
    )
