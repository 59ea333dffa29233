"""Tests of the page as HTML without JavaScript: content, queries, errors, escaping and size."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.counters.repair import repair_counters
from heliograph.collect.freshness import Freshness
from heliograph.current import AccountStatus, DeviceState, PlantState
from heliograph.errors import ConfigError
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, PollStatus, Series, SeriesInfo, StoredMeasurements, StoredSample
from heliograph.web.page import fleet as page_fleet
from heliograph.web.page import flow, format, history, totals  # noqa: A004
from heliograph.web.page import status as page_status
from heliograph.web.page.bars import bar_chart
from support.browser import site
from support.web_scenes import HOME, SCENES, Scene, at
from support.website import HOSTILE, Site, budget, served

BERLIN = ZoneInfo("Europe/Berlin")


class VisibleText(HTMLParser):
    """The visible text of a page, in one line."""

    def __init__(self, page):
        super().__init__()
        self.parts = []
        self.skipped = 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.skipped += tag in ("title", "svg") and tag == "svg"

    def handle_endtag(self, tag):
        self.skipped -= tag == "svg"

    def handle_data(self, data):
        if not self.skipped:
            self.parts.append(data)

    def __str__(self):
        return re.sub(r"\s+", " ", " ".join(self.parts).replace("\u202f", " "))


def fetch_page(site, path="/", status=200):
    response = Site(site.url, site.clock).ask(path)
    assert response.status == status, response.body[:300]
    return response.body.decode()


def fetch_text(site, path="/", status=200):
    return str(VisibleText(fetch_page(site, path, status)))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with site(tmp_path_factory.mktemp("home"), SCENES["full-sun"]) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with site(tmp_path_factory.mktemp("fleet"), SCENES["fleet"]) as running:
        yield running


def serve_scene(tmp_path, scene):
    return site(tmp_path, SCENES.get(scene, scene) if isinstance(scene, str) else scene)


def test_front_page_shows_single_plant_and_describes_flow(home):
    content = fetch_text(home)
    assert "Haus am See" in content
    assert "Solar is producing 3.06 kW. The house uses 406 W and the battery is idle (100 %)." in content
    assert "2.66 kW is exported to the grid." in content
    assert "Live, 2 min ago" in content
    assert "local time 13:07" in content
    assert "Solar 14.5 kWh" in content
    assert "Lifetime Solar 33.3 MWh" in content
    assert "Self-consumption 61 %" in content
    assert "Self-sufficiency 100 %" in content
    assert "61 of 180 requests" in content
    assert "GW10K-ET hybrid · 9010KETU21AW0001" in content


@pytest.mark.parametrize("zone", [None, "Mars/Olympus", "UTC"])
def test_page_of_a_plant_without_a_known_time_zone_says_that_its_times_are_utc(tmp_path, zone):
    def scene(store):
        store.write(
            Batch(
                samples=[StoredSample(HOME, at(13), at(13), Quality.LIVE, Status.ONLINE, {"pv_power": 1.0})],
                series_info=[SeriesInfo(HOME, "Home", None, zone)],
            )
        )
        return Scene(at(13, 7))

    with site(tmp_path, scene) as shown:
        content = fetch_text(shown)
    assert "UTC 11:07" in content
    assert "local time" not in content


def test_history_day_is_shown_as_table(home):
    content = fetch_text(home)
    assert "From Solar Battery Grid House State of charge" in content
    assert re.search(r"00:00 0 W \d+ W", content)
    assert "1 rejected value" in content
    assert "pv energy total 0 kWh 21,034.2 kWh a total fell" in content
    assert "a total fell; the cloud says 0 in the morning" in content


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("span=day&at=2026-06-20", "Sat 20 June 2026"),
        ("span=week&at=2026-06-18", "15 – 21 Jun 2026"),
        ("span=month&at=2026-06-18", "June 2026"),
        ("span=year", "2026"),
        ("span=week&at=2026-06-01&show=power", "1 – 7 Jun 2026"),
        ("span=day&at=2019-02-03", "Sun 3 February 2019"),
    ],
)
def test_history_heading_names_the_span(home, query, expected):
    assert expected in fetch_text(home, f"/?{query}")


@pytest.mark.parametrize("query", ["span=decade", "at=yesterday", "at=1066-10-14", "at=9999-12-31", "show=money"])
def test_unknown_period_is_page_not_found(home, query):
    assert "Page not found" in fetch_text(home, f"/?{query}", 404)


def test_history_links_next_span_and_today_only_from_earlier_spans(home):
    assert 'rel="next"' not in fetch_page(home)
    earlier = fetch_page(home, "/?span=day&at=2026-06-20")
    assert 'rel="next"' in earlier
    assert ">Today</a>" in earlier


def test_history_month_has_bars_and_table_with_total(home):
    page = fetch_page(home, "/?span=month")
    assert page.count('class="slot"') == 30
    content = str(VisibleText(page))
    assert "Sat 20 Jun" in content
    assert "Total" in content


def text_of_totals(page):
    return str(
        VisibleText(re.search(r'<div class="totals">.*?(?=<figure|<ul class="legend|<p class="nothing)', page)[0])
    )


@pytest.mark.parametrize(
    ("query", "solar", "house"),
    [
        ("", "Solar 14.5 kWh Self-consumption 61 %", "House 6.92 kWh Self-sufficiency 100 %"),
        ("span=day&at=2026-06-20", "Solar 50.3 kWh Self-consumption 30 %", "House 12.0 kWh Self-sufficiency 100 %"),
        ("span=week", "Solar 297 kWh Self-consumption 32 %", "House 89.7 kWh Self-sufficiency 100 %"),
        ("span=month", "Solar 996 kWh Self-consumption 30 %", "House 283 kWh Self-sufficiency 100 %"),
        ("span=year&show=power", "Solar 1.63 MWh Self-consumption 31 %", "House 482 kWh Self-sufficiency 100 %"),
    ],
)
def test_totals_and_shares_are_shown_for_every_period(home, query, solar, house):
    content = text_of_totals(fetch_page(home, f"/?{query}"))
    assert solar in content
    assert house in content
    assert "Battery Charged" in content


def test_totals_name_the_days_without_data(home):
    assert "Data of 35 of 172 days." in fetch_text(home, "/?span=year")
    assert "Data of" not in fetch_text(home, "/?span=week")


def test_chosen_period_comes_before_the_current_flow(home):
    for query, first, second in (("", "Now", "Sun 21 June 2026"), ("span=month", "June 2026", "Now")):
        headings = re.findall(r"<h2[^>]*>([^<]+)", fetch_page(home, f"/?{query}"))
        assert headings.index(first) < headings.index(second)


def test_plant_page_opens_on_the_last_day_with_data(tmp_path):
    def scene(store):
        return SCENES["full-sun"](store)._replace(now=at(13, day=date(2026, 11, 28)))

    with serve_scene(tmp_path, scene) as running:
        page = fetch_page(running)
        content = str(VisibleText(page))
        assert "Sun 21 June 2026" in content
        assert "Solar 14.5 kWh" in text_of_totals(page)
        assert "at=2026-11-28" in page
        assert "November 2026" in fetch_text(running, "/?span=month&at=2026-11-28")
        assert "June 2026" in fetch_text(running, "/?span=month")
        assert "online" not in content
    assert "9010KETU21AW0001 not polled" in content


def test_totals_share_counts_only_days_with_both_energies():
    days = [{"pv_energy": 10.0, "grid_export_energy": 4.0}, {"pv_energy": 30.0, "grid_export_energy": None}]
    assert totals._split(days, "pv_energy", "grid_export_energy").share == 60
    assert totals._split(days[1:], "pv_energy", "grid_export_energy") is None
    assert totals._split([], "pv_energy", "grid_export_energy") is None


def test_poll_note_says_how_late_data_arrives():
    plant = PlantState(
        series=HOME, name=None, zone=BERLIN, status=Status.ONLINE, quality=Quality.LIVE, measured_at=at(12),
        fetched_at=at(12), freshness=Freshness.LIVE, sample_interval=300, values={},
        poll=PollStatus(HOME, at(12), 720, at(12) + 720),
    )  # fmt: skip
    assert format.poll_note(plant, at(12)) == "polled every 12 minutes, next 12:12"
    late = replace(plant, arrival_delay=1000.0)
    assert format.poll_note(late, at(12)) == "polled every 12 minutes, data arrives 17 minutes late, next 12:12"


def test_device_badge_agrees_with_its_plant():
    device = DeviceState(
        series=HOME._replace(device="A"), name=None, family=None, status=Status.ONLINE, measured_at=at(12),
        freshness=Freshness.LIVE, values={},
    )  # fmt: skip
    plant = PlantState(
        series=HOME, name=None, zone=BERLIN, status=Status.ONLINE, quality=Quality.LIVE, measured_at=at(12),
        fetched_at=at(12), freshness=Freshness.LIVE, sample_interval=300, values={}, devices=(device,),
    )  # fmt: skip

    def label(freshness=Freshness.LIVE, **changed):
        return format.device_badge(replace(device, **changed), replace(plant, freshness=freshness), at(13)).label

    assert label() == "online"
    assert label(Freshness.OFFLINE_UNEXPECTED) == "offline"
    assert label(Freshness.OFFLINE_EXPECTED) == "asleep"
    assert label(Freshness.OFFLINE_UNEXPECTED, status=Status.FAULT) == "fault"
    assert label(Freshness.NOT_POLLED) == "not polled"

    silent = replace(device, freshness=Freshness.OFFLINE_UNEXPECTED)
    assert format.device_badge(silent, plant, at(13)).label == "silent"
    assert format.device_badge(replace(silent, status=Status.OFFLINE), plant, at(13)).label == "offline"
    rotated = replace(device, freshness=Freshness.NOT_POLLED)
    assert format.device_badge(rotated, plant, at(13)).label == "online"


def test_history_year_reports_number_of_days_per_month(home):
    assert "May 14 of 31 days" in fetch_text(home, "/?span=year")


def test_history_span_without_data_is_reported(home):
    assert "No data for March 2026." in fetch_text(home, "/?span=month&at=2026-03-01")


def test_pages_have_no_inline_script_style_handler_or_external_resource(home, fleet, tmp_path):
    with serve_scene(tmp_path, "empty") as empty:
        pages = [
            fetch_page(home),
            fetch_page(home, "/?span=month"),
            fetch_page(home, "/status"),
            fetch_page(fleet),
            fetch_page(empty),
        ]
    pages.append(fetch_page(home, "/plant/x/y", 404))
    for page in pages:
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", page))
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


def test_assets_of_page_are_served_with_etag(home):
    site = Site(home.url, home.clock)
    names = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', fetch_page(home))) | {
        "/assets/chart.js",
        "/assets/axis.js",
    }
    names |= {f"/assets/{one['src']}" for one in json.loads(site.ask("/assets/manifest.webmanifest").body)["icons"]}
    assert {"/assets/uplot.js", "/assets/page.css", "/assets/icon-192.png", "/assets/icon.svg"} <= names
    for name in names:
        response = site.ask(name)
        assert response.status == 200, name
        assert response.headers["content-type"].startswith(
            ("text/css", "text/javascript", "image/svg+xml", "image/png", "application/manifest+json")
        )
        assert site.ask(name, if_none_match=response.headers["etag"]).status == 304


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpage.py", "page.py", "%00"])
def test_assets_unknown_file_is_not_found(home, name):
    assert Site(home.url, home.clock).ask(f"/assets/{name}").status == 404


def test_load_of_a_page_is_reported_with_its_plants(tmp_path):
    other, loads = HOME._replace(plant="other"), []

    def sample(series):
        return StoredSample(series, at(13), at(13), Quality.LIVE, Status.ONLINE, {"pv_power": 1.0})

    with open_store(tmp_path / "s.sqlite") as store:
        store.write(Batch(samples=[sample(HOME), sample(other)]))
    with served(tmp_path / "s.sqlite", on_load=loads.append) as site:
        html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        assert site.ask("/", **html).status == 200
        assert site.ask(f"/plant/goodwe/{other.plant}", **html).status == 200
        site.ask("/", accept="text/html", x_heliograph_refresh="1")
        site.ask("/")
        site.ask("/status", **html)
    assert [set(one) for one in loads] == [{HOME, other}, {other}]


def test_fleet_table_has_fifty_plants_per_page(fleet):
    page = fetch_page(fleet)
    assert page.count("<tr>") == 51
    content = str(VisibleText(page))
    assert "1,000 plants" in content
    assert "1–50 of 1,000" in content
    assert content.index("Am Hang 2 ") < content.index("Am Hang 10 ")


def test_fleet_table_is_filtered_by_name_and_state(fleet):
    assert "1–50 of 125" in fetch_text(fleet, "/?q=lindenweg")
    faulty = fetch_page(fleet, "/?state=fault")
    assert faulty.count('class="badge bad"') == faulty.count("<tr>") - 1 == 11
    assert "No plants match." in fetch_text(fleet, "/?q=nowhere")
    assert "No plants match." in fetch_text(fleet, "/?page=999")


def test_fleet_is_searched_and_filtered_by_account(fleet):
    page = fetch_page(fleet, "/?account=south")
    assert "1–50 of 364" in str(VisibleText(page))
    assert page.count("<small>south · goodwe</small>") == 50
    assert '<option value="south" selected>south</option>' in page
    assert "1–50 of 364" in fetch_text(fleet, "/?q=south")
    assert "1–50 of 636" in fetch_text(fleet, "/?q=North")
    assert "No plants match." in fetch_text(fleet, "/?account=west")


def test_fleet_sums_are_those_of_the_matching_plants(fleet):
    every, some = fetch_text(fleet), fetch_text(fleet, "/?account=south&q=lindenweg&page=1")
    assert re.search(r"Plants 1,000 Power 1\.7\d MW from 976 plants Today [78]\.\d\d MWh from 1,000 plants", every)
    found = re.search(r"Plants (\d+) of 1,000 Power (\S+) kW from \d+ plants Today (\S+) kWh", some)
    assert found
    rows = re.findall(r"<tr>.*?</tr>", fetch_page(fleet, "/?account=south&q=lindenweg"))[1:]
    assert len(rows) == int(found[1])
    energies = [float(re.search(r'data-label="Today">([\d.]+)\u202fkWh', row)[1]) for row in rows]
    assert float(found[3].replace(",", "")) == pytest.approx(sum(energies), abs=2)


def test_fleet_yield_is_that_of_plants_with_known_size():
    def plant(energy, size):
        return SimpleNamespace(values={"pv_energy_today": energy}, peak_power=size)

    assert page_fleet._yield([plant(10.0, 5.0), plant(5.0, 10.0), plant(99.0, None), plant(None, 9.0)]) == 1.0
    assert page_fleet._yield([plant(99.0, None)]) is None


@pytest.mark.parametrize("query", ["sort=colour", "state=sunny", "page=0", "page=-1", "page=%C2%B2"])
def test_unknown_fleet_query_is_page_not_found(fleet, query):
    assert "Page not found" in fetch_text(fleet, f"/?{query}", 404)


def test_fleet_table_sorts_missing_values_last(fleet):
    def column(query):
        cells = re.findall(
            r'data-label="Battery">(?:(\d+)|<span class="gap">)', fetch_page(fleet, f"/?sort=charge&{query}")
        )
        return [int(cell) if cell else None for cell in cells]

    rising, falling = column("page=1"), column("falling=1&page=1")
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert rising[0] < falling[0]
    assert column("page=20") == column("falling=1&page=20") == [None] * 50


def test_fleet_page_is_compressed_and_small(fleet):
    response = Site(fleet.url, fleet.clock).ask("/", accept_encoding="gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.body) < 20_000


def test_unknown_plant_is_page_not_found(fleet):
    assert "Unknown plant" in fetch_text(fleet, "/plant/goodwe/%3Cb%3E", 404)


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/nowhere", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/nowhere", "*/*", "application/problem+json"),
        ("/api/v1/nowhere", "text/html", "application/problem+json"),
    ],
)
def test_unknown_path_is_page_for_browsers_and_problem_for_programs(fleet, path, accept, kind):
    response = Site(fleet.url, fleet.clock).ask(path, Accept=accept)
    assert (response.status, response.headers["Content-Type"]) == (404, kind)


def test_empty_store_shows_next_steps(tmp_path):
    with serve_scene(tmp_path, "empty") as empty:
        content = fetch_text(empty)
    assert "No plants yet" in content
    assert "heliograph setup" in content
    assert "heliograph run" in content


def test_missing_store_shows_next_steps(tmp_path):
    with served(tmp_path / "nowhere.sqlite", seen=tuple) as running:
        response = running.ask("/")
        assert response.status == 200
        assert "No plants yet" in response.body.decode()
        assert running.ask("/status").status == 200


def test_unreadable_store_is_reported_with_503(tmp_path):
    (tmp_path / "samples.sqlite").write_bytes(b"not a database, but as long as the head of one" * 100)
    with served(tmp_path / "samples.sqlite") as running:
        response = running.ask("/")
    assert response.status == 503
    assert "The store cannot be read" in response.body.decode()


def test_locked_account_is_reported_first_on_every_page(tmp_path):
    with serve_scene(tmp_path, "locked") as locked:
        for path in ("/", "/status"):
            content = fetch_text(locked, path)
            assert "Account home is locked by the vendor until" in content
            assert "The cloud locked the account after too many logins by another program." in content
            assert "No requests are sent until then" in content
            assert "Next request at" not in content


def test_budget_usage_shows_the_next_request_of_scripts_or_after_the_quota():
    later = datetime(2026, 6, 21, 12, 30, tzinfo=UTC)
    for used, expected in (
        (100, "Scripts wait until 12:30 (daily quota is spread out)."),
        (200, "Next request at 12:30 (quota used up)."),
    ):
        account = AccountStatus(
            name="home",
            vendor="growatt",
            budget=budget(requests_used=used, requests_limit=200, next_free=later, pause=None),
        )
        assert expected in str(page_status.budget_usage(account, at(12)))


def test_plant_page_reports_stale_data_but_not_night_as_problem(tmp_path):
    (tmp_path / "late").mkdir()
    with serve_scene(tmp_path / "late", "stale") as late:
        content = fetch_text(late)
    assert "No data since 09:20" in content
    assert "Fault reported by GW10K-ET" in content
    assert "The current power flow is unknown." in content
    assert "Solar is producing" not in content
    with serve_scene(tmp_path, "asleep") as asleep:
        content = fetch_text(asleep)
    assert "Offline for the night; last update 21:00" in content
    assert "Offline until sunrise." in content
    assert "No data since" not in content
    assert "This plant has no meter" in content
    assert "Self-sufficiency" not in content


def test_plant_page_reports_how_often_the_plant_is_polled(home):
    content = fetch_text(home)
    assert "polled every 12 minutes, next 13:1" in content


def test_plant_page_reports_why_the_plant_is_not_polled(tmp_path):
    def scene(store):
        found = SCENES["locked"](store)
        return found._replace(now=at(15))

    with serve_scene(tmp_path, scene) as running:
        content, table = fetch_text(running), fetch_text(running, "/?state=not+polled")
    assert "Not polled; last update 12:25" in content
    assert "Not polled since 12:26" in content
    assert "locked until 09:19. Live values are hidden until the next poll." in content
    assert "unexpected" not in content
    assert "No data since" not in content + table


def test_plant_page_reports_that_the_collector_is_not_running(tmp_path):
    def scene(store):
        return SCENES["full-sun"](store)._replace(now=at(15))

    with serve_scene(tmp_path, scene) as running:
        content = fetch_text(running)
    assert "Last polled 13:05, the poll at 13:17 did not happen: is the collector running?" in content


def scene_with_polls(*energies, plants=(HOME,)):
    """Return a scene with the repaired counters of the first polls of a day, five minutes apart."""

    def scene(store):
        counters, moment = {}, at(13)
        store.write(Batch(series_info=[SeriesInfo(one, "Haus am See", None, "Europe/Berlin") for one in plants]))
        for energy in energies:
            values = {"pv_power": 3000.0, "pv_energy_today": energy, "pv_energy_total": 800 + energy}
            entry = StoredSample(HOME, moment, moment + 60, Quality.LIVE, Status.ONLINE, values)
            repaired = repair_counters(counters, entry, ZoneInfo("Europe/Berlin"))
            states = {HOME: repaired.state}
            store.write(Batch(samples=[repaired.sample], days=repaired.days, repairs=repaired.repairs, counters=states))
            counters, moment = repaired.state, moment + 300
        return Scene(moment)

    return scene


def test_first_counters_are_shown_at_once_and_marked_until_confirmed(tmp_path):
    reason = "Values with ~ are not confirmed by a second reading yet, or calculated from the power since."
    for polls, shown in (((9.1,), "~9.10"), ((9.1, 9.1), "~9.10"), ((9.1, 9.4), "9.40")):
        folder = tmp_path / f"{len(polls)} {shown}"
        folder.mkdir()
        with serve_scene(folder, scene_with_polls(*polls)) as running:
            content = fetch_text(running)
        assert f"Solar {shown} kWh" in content
        assert (reason in content) is ("~" in shown)
        assert f"Solar {'~' if len(polls) == 1 else ''}809 kWh" in content.split("Lifetime")[1]
        assert "Rejected values" not in content


def test_plants_page_marks_energies_of_today_that_are_not_confirmed(tmp_path):
    with serve_scene(tmp_path, scene_with_polls(9.1, plants=(HOME, HOME._replace(plant="2")))) as running:
        assert fetch_text(running).count("~9.10 kWh") == 2, "of the plant and of all plants"


def test_implausible_first_counter_of_today_is_explained(tmp_path):
    with serve_scene(tmp_path, scene_with_polls(900.0)) as running:
        content = fetch_text(running)
    assert "Today's counters are not plausible yet; their readings are listed as rejected values." in content
    assert "pv energy today 900 kWh – unknown more than can be" in content


def scene_with_name(name):
    def scene(store):
        moment = at(13)
        series = [Series("goodwe", "1<b>"), Series("goodwe", "2"), Series("goodwe", "2", "<i>SN")]
        values = {"pv_power": 100.0, "pv_energy_today": 1.0}
        store.write(
            Batch(
                series_info=[SeriesInfo(one, name, name if one.device else None, "Europe/Berlin") for one in series],
                samples=[StoredSample(one, moment, moment, Quality.LIVE, Status.FAULT, values) for one in series],
                days=[Day(series[1], date(2026, 6, 20), {"pv_energy": 3.0}, Quality.LIVE, True, moment)],
            )
        )
        return Scene(moment)

    return scene


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_pages_escape_hostile_names(tmp_path, name):
    with serve_scene(tmp_path, scene_with_name(name)) as hostile:
        for path in ("/", "/plant/goodwe/2", "/plant/goodwe/1%3Cb%3E", "/plant/goodwe/2?span=month", "/status"):
            page = fetch_page(hostile, path)
            tags = set(re.findall(r"<([a-zA-Z]+)", page))
            assert not tags & {"b", "i", "img"}, path
            assert "<script>" not in page
            assert "onerror=alert(1)&gt;" in page or "onerror" not in page


def test_history_table_of_25_hour_day_has_25_rows(tmp_path):
    def scene(store):
        moment = int(datetime(2026, 10, 26, 11, 0, tzinfo=UTC).timestamp())
        start = int(datetime(2026, 10, 25, tzinfo=BERLIN).timestamp())
        store.write(
            Batch(
                series_info=[SeriesInfo(HOME, "Home", None, "Europe/Berlin")],
                samples=[
                    StoredSample(
                        HOME, start + 300 * number, moment, Quality.LIVE, Status.ONLINE, {"load_power": 100.0 + number}
                    )
                    for number in range(25 * 12)
                ],
            )
        )
        return Scene(moment)

    with serve_scene(tmp_path, scene) as running:
        page = fetch_page(running, "/?at=2026-10-25")
    rows = re.findall(r'<th scope="row">(\d\d:\d\d \w+)', page)
    assert len(rows) == 25
    assert rows[2:5] == ["02:00 CEST", "02:00 CET", "03:00 CET"]


def test_utc_offsets_change_with_daylight_saving():
    start = int(datetime(2026, 3, 29, tzinfo=BERLIN).timestamp())
    assert history.utc_offsets(BERLIN, start, start + 23 * 3600) == ((start, 3600), (start + 2 * 3600, 7200))
    assert history.utc_offsets(UTC, start, start + 86400) == ((start, 0),)


def test_energy_split_omits_unknown_shares():
    assert format.split_solar({"pv_energy": 10.0, "grid_export_energy": None}).share is None
    assert format.split_solar({"pv_energy": 10.0, "grid_export_energy": 12.0}).share is None
    assert format.split_house({"load_energy": 0.0, "grid_import_energy": 0.0}) is None
    assert format.split_house({"load_energy": 8.0, "grid_import_energy": 2.0}).share == 75


def test_flow_nodes_omit_unknown_parts():
    assert [one.name for one in flow.flow_nodes({"pv_power": 5.0, "grid_power": None})] == ["sun"]
    assert [one.name for one in flow.flow_nodes({"pv_power": None, "load_energy_total": 5.0})] == ["house"]
    assert flow.flow_nodes({}) == []


def test_flow_diagram_arrows_follow_power_direction():
    drawn = str(flow.flow_diagram(flow.flow_nodes({"pv_power": 900.0, "load_power": 900.0, "grid_power": 3.0})))
    assert 'class="leg sun pace-5"' in drawn
    assert "M210 126L210 170" in drawn
    assert 'points="210,183 ' in drawn
    assert "M223 196L281 196" in drawn
    assert 'points="294,196 ' in drawn
    assert "leg grid" not in drawn


def test_bar_chart_marks_days_without_data():
    days = [
        history.Bar(date(2026, 6, 1 + number), {"pv_energy": value}, 1, 1) for number, value in enumerate((4.0, None))
    ]
    drawn = str(bar_chart(days, "week", lambda day: f"?at={day}"))
    assert drawn.count('class="sun"') == 1
    assert "Tue 2: no data" in drawn


def test_fleet_query_round_trips_through_url():
    query = page_fleet.FleetQuery("näh & fern", "live", "today", falling=True, page=3, account="süd")
    from urllib.parse import parse_qsl, urlsplit

    assert page_fleet.parse_fleet_query(dict(parse_qsl(urlsplit(query.query()).query))) == query
    assert page_fleet.FleetQuery().query() == "/"
    with pytest.raises(ConfigError):
        page_fleet.parse_fleet_query({"sort": "x"})


def test_parse_fleet_query_accepts_former_names_from_bookmarks():
    assert page_fleet.parse_fleet_query({"sort": "heard", "state": "late"}) == page_fleet.FleetQuery(
        state="stale", sort="updated"
    )


def test_device_page_shows_inputs_phases_values_and_state(tmp_path):
    with serve_scene(tmp_path, "devices") as running:
        plant = fetch_page(running, f"/plant/goodwe/{HOME.plant}")
        assert f'href="/plant/goodwe/{HOME.plant}/device/9010KETU21AW0001"' in plant
        content = fetch_text(running, f"/plant/goodwe/{HOME.plant}/device/9010KETU21AW0001")
        for text in (
            "AC power 3.06",
            "PV inputs",
            "2 398.1 6.90 2 747 12.9 9 874.0",
            "Grid frequency 49.98 Hz",
            "Work mode Battery first",
        ):
            assert text in content
        assert "12 586.0 8.86 5 068 19 714.2" in fetch_text(running, "/plant/growatt/1840213/device/MAX0000001")
        assert "Unknown device" in fetch_text(running, "/plant/growatt/1840213/device/other", 404)


def test_device_page_draws_the_lines_of_a_day(tmp_path):
    address = f"/plant/goodwe/{HOME.plant}/device/9010KETU21AW0001"
    with serve_scene(tmp_path, "devices") as running:
        page = fetch_page(running, address)
        for title in ("Power of the inputs", "Voltage of the phases", "Temperatures", "Battery voltage"):
            assert f"<h3>{title}</h3>" in page
        assert "PV 1 563 to 3 016 W" in fetch_text(running, address)
        assert "No measurements of this device for Sat 20 June 2026" in fetch_text(running, f"{address}?at=2026-06-20")
        assert "Next day" in fetch_page(running, f"{address}?at=2026-06-20")
        for odd in ("yesterday", "0001-01-01", "9999-12-31"):
            fetch_text(running, f"{address}?at={odd}", 404)
        assert fetch_page(running, "/plant/growatt/1840213/device/MAX0000001").count("PV 12") == 3


def test_day_of_a_device_leaves_a_gap_where_measurements_are_missing(tmp_path):
    def scene(store):
        found = SCENES["devices"](store)
        series = HOME._replace(device="9010KETU21AW0001")
        rows = [
            StoredMeasurements(series, found.now - 40000 + past, found.now, {"pv3_power": float(past)})
            for past in (0, 900, 1800, 12600, 13500)
        ]
        store.write(Batch(measurements=rows))
        return found

    with serve_scene(tmp_path, scene) as running:
        page = fetch_page(running, f"/plant/goodwe/{HOME.plant}/device/9010KETU21AW0001")
    (line,) = [one for one in re.findall(r'<path d="([^"]*)"', page) if one.count("L") == 3]
    assert line.count("M") == 2


def test_device_page_escapes_texts_of_the_cloud(tmp_path):
    def scene(store):
        found = SCENES["devices"](store)
        hostile = {"status_text": "<script>alert(1)</script>", "pv1_voltage": 1.0}
        series = HOME._replace(device="9010KETU21AW0001")
        store.write(Batch(measurements=[StoredMeasurements(series, found.now - 60, found.now, hostile)]))
        return found

    with serve_scene(tmp_path, scene) as running:
        page = fetch_page(running, f"/plant/goodwe/{HOME.plant}/device/9010KETU21AW0001")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
