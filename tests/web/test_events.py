"""Events and the history of device metrics in the JSON API and on the pages, over a real socket."""

import pytest

from heliograph.model import EventKind
from heliograph.store import open_store
from heliograph.store.base import Batch, Series, StoredEvent, StoredMeasurements
from support.website import NOON, home, hostile, served, written

ROOF = Series("growatt", "11")
EVIL = '<b>"hostile"</b>'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("events") / "samples.sqlite", home(), hostile())
    with open_store(path) as store:
        box = next(one.series for one in store.series() if one.series[:2] == ROOF[:2] and one.series.device)
        fault = StoredEvent(box, NOON - 3600, EventKind.FAULT, "302", NOON, None, EVIL, EVIL, "fault log")
        changed = StoredEvent(ROOF, NOON - 7200, EventKind.FIRMWARE, "firmware", NOON, NOON - 7200, "firmware changed")
        old = fault._replace(started_at=NOON - 90 * 86400, ended_at=NOON - 90 * 86400 + 60)
        values = {"pv1_voltage": 381.0, "status_text": "Normal"}
        measured = [
            StoredMeasurements(box, NOON - 600 + 60 * n, NOON, {**values, "temperature": 40.0 + n}) for n in range(5)
        ]
        store.write(Batch(events=[fault, changed, old], measurements=measured))
    with served(path) as running:
        running.box = box.device
        yield running


def events(site, query=""):
    return site.ask(f"/api/v1/plants/growatt/11/events{query}").json


def test_api_lists_the_events_of_a_month_newest_first(site):
    found = events(site)
    assert (found["total"], [one["kind"] for one in found["events"]]) == (2, ["fault", "firmware"])
    assert found["events"][0] == {
        "device": site.box,
        "kind": "fault",
        "code": "302",
        "text": EVIL,
        "advice": EVIL,
        "started_at": "2026-06-21T09:00:00Z",
        "ended_at": None,
        "source": "fault log",
    }


def test_api_filters_events_by_kind_device_and_time(site):
    assert events(site, "?kind=firmware")["total"] == 1
    assert events(site, f"?device={site.box}")["total"] == 1
    assert events(site, "?from=2026-01-01")["total"] == 3
    assert len(events(site, "?limit=1")["events"]) == 1
    assert site.ask("/api/v1/plants/growatt/11/events?kind=unknown").status == 400
    assert site.ask("/api/v1/plants/growatt/99/events").status == 404


def test_page_lists_events_with_escaped_texts(site):
    page = site.ask("/plant/growatt/11/events").body.decode()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "code 302, since 11:00." in page
    assert "Firmware changed" in page
    assert '"/plant/growatt/11/events"' in site.ask("/plant/growatt/11").body.decode()


def test_page_of_a_plant_without_events_says_so(site):
    page = site.ask("/plant/goodwe/12/events")
    assert page.status in (200, 404)


def measurements(site, query=""):
    return site.ask(f"/api/v1/plants/growatt/11/measurements?device={site.box}{query}")


def test_api_has_the_history_of_device_metrics(site):
    found = measurements(site, "&metrics=temperature,pv1_voltage&points=2000").json
    assert found["device"] == site.box
    temperatures = found["metrics"]["temperature"]
    filled = [value for value in temperatures["high"] if value is not None]
    assert (min(v for v in temperatures["low"] if v is not None), max(filled)) == (40.0, 44.0)
    assert len(found["starts"]) == len(temperatures["mean"])


def test_api_history_has_all_metrics_with_values_by_default(site):
    assert {"temperature", "pv1_voltage"} <= measurements(site).json["metrics"].keys()
    assert "status_text" not in measurements(site).json["metrics"]
    assert measurements(site, "&metrics=status_text").status == 400
    assert site.ask("/api/v1/plants/growatt/11/measurements").json["metrics"] == {}
