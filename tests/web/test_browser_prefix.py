"""The page in a real Chromium below a path of a real nginx, and in a frame as in Home Assistant's ingress."""

import pytest

from heliograph.store import open_store
from heliograph.store.base import Batch
from support.alarm_rows import raised, store_alarms
from support.browser import chromium, opened, watched
from support.reverse_proxy import proxied
from support.web_scenes import SCENES, Running, fleet
from support.website import TOKEN, entry, served

pytestmark = [
    pytest.mark.skipif(
        chromium() is None,
        reason="no Chromium was found to look at the page with; install one (Debian: chromium) or name it in $CHROMIUM",
    ),
    # Threads and sockets of the driver end when it does.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

INGRESS_PATH = "/api/hassio_ingress/a-Token_0"
CHART = "[data-chart][data-drawn]:not([aria-busy])"


@pytest.fixture(scope="module")
def browser():
    with opened() as running:
        yield running


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Return the path of a store with many plants, of which one has an alarm, and the time of its scene."""
    where = tmp_path_factory.mktemp("town") / "samples.sqlite"
    with open_store(where) as store:
        filled = SCENES["full-sun"](store)
        fleet(store, 20)
        first = next(iter(store.series())).series
        store_alarms(store, raised(plant=first.plant, at=int(filled.now) - 600, title="Home"))
    return where, filled, first


def test_every_way_through_the_page_stays_below_the_path_of_a_proxy(browser, scene, tmp_path):
    where, filled, _ = scene
    options = {"token": TOKEN, "trusted_proxies": ("127.0.0.1",), "clock": Running(filled.now)}
    with served(where, **options) as site:
        forward = f"proxy_set_header X-Forwarded-Prefix /solar; proxy_pass http://127.0.0.1:{site.port}/;"
        headers = " ".join(
            f"proxy_set_header {name};" for name in ("Host $http_host", "X-Forwarded-For $proxy_add_x_forwarded_for")
        )
        with proxied(tmp_path / "nginx", f"location /solar/ {{ {headers} {forward} }}") as address:
            tab = watched(browser, accept_downloads=True)
            requested = []
            tab.page.on("request", lambda request: requested.append(request.url))
            page = tab.page
            page.goto(f"{address}/solar/")
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("heading", level=1, name="Plants").wait_for()
            assert page.url == f"{address}/solar/"
            page.get_by_role("searchbox").fill("haus")
            page.wait_for_url(lambda url: "q=haus" in url)
            assert page.url.startswith(f"{address}/solar/?")
            page.get_by_role("link", name="Haus am See").click()
            page.wait_for_selector(CHART)
            with page.expect_download() as download:
                page.get_by_role("link", name="Save as CSV").click()
            assert download.value.suggested_filename.endswith(".csv")
            page.get_by_role("link", name="Status").click()
            page.get_by_role("heading", level=1, name="Status").wait_for()
            page.get_by_role("link", name="Heliograph, all plants").click()
            page.get_by_role("heading", level=1, name="Plants").wait_for()
            manifest = page.evaluate(
                "fetch(document.querySelector('link[rel=manifest]').href).then((one) => one.json())"
            )
            assert manifest["start_url"] == "../"
            page.context.close()
    assert any("/solar/api/v1/events/live" in one for one in requested)
    assert {one for one in requested if not one.startswith((f"{address}/solar/", "blob:", "data:"))} == set()
    # The first response asks for the token.
    assert [one for one in tab.problems if "401" not in one] == []


def test_page_is_live_in_the_frame_of_the_ingress_and_an_alarm_is_acknowledged(browser, scene, tmp_path):
    where, filled, first = scene
    clock = Running(filled.now)
    with served(where, host="0.0.0.0", ingress="127.0.0.1", clock=clock) as site:
        location = (
            f"location {INGRESS_PATH}/ {{ proxy_set_header Host $http_host; "
            f"proxy_set_header X-Ingress-Path {INGRESS_PATH}; proxy_pass http://127.0.0.1:{site.port}/; }}"
        )
        frame = f"location = / {{ return 200 '<iframe src=\"{INGRESS_PATH}/status\"></iframe>'; }}"
        with proxied(tmp_path / "nginx", location, frame) as address:
            tab = watched(browser)
            page = tab.page
            page.goto(f"{address}/")
            inner = page.frame_locator("iframe")
            inner.get_by_role("button", name="Acknowledge").click()
            inner.get_by_text("Acknowledged", exact=True).wait_for()
            assert inner.get_by_role("button", name="Acknowledge").count() == 0
            page.goto(f"{address}{INGRESS_PATH}/plant/{first.vendor}/{first.plant}")
            page.wait_for_selector(CHART)
            with open_store(where) as store:
                store.write(Batch(samples=[entry(first, int(clock.now()), pv_power=4321.0)]))
            page.get_by_text("4.32").first.wait_for()
            page.context.close()
    assert [one for one in tab.problems if "icon" not in one and "404" not in one] == []
