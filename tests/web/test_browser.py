"""Tests of the page in a real Chromium: navigation, live updates, dark mode, widths, keyboard and hostile names."""

import re
from contextlib import ExitStack
from datetime import date

import pytest

from heliograph.local_time import day_bounds
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Series, SeriesInfo, StoredSample
from heliograph.web.page.format import power
from heliograph.web.page.history import utc_offsets
from support.browser import chromium, opened, sideways, site, watched
from support.paths import TESTS
from support.web_scenes import HOME, SCENES, ZONE, Scene, at, fill, fleet, hybrid
from support.website import HOSTILE, IDS, numbered

pytestmark = [
    pytest.mark.skipif(
        chromium() is None,
        reason="no Chromium was found to look at the page with; install one (Debian: chromium) or name it in $CHROMIUM",
    ),
    # Threads and sockets of the driver end when it does.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

MOST_BYTES = 200_000
CHART = "[data-chart]"
YEAR_ENDS = date(2026, 12, 31)


@pytest.fixture(scope="module")
def browser():
    with opened() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with site(tmp_path_factory.mktemp("home"), SCENES["full-sun"]) as running:
        yield running


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    def scene(store):
        filled = SCENES["full-sun"](store)
        fleet(store, 119)
        return filled

    with site(tmp_path_factory.mktemp("town"), scene) as running:
        yield running


@pytest.fixture
def serving(tmp_path):
    """Serve scenes until all tabs are closed, because a tab without its server logs errors."""
    with ExitStack() as stack:
        yield lambda scene: stack.enter_context(site(tmp_path, scene))


@pytest.fixture
def tab(browser, serving):
    """Open tabs, and check at the end that none has logged an error."""
    tabs = []

    def open_one(url, **options):
        one = watched(browser, **options)
        tabs.append(one)
        one.page.goto(url)
        return one.page

    yield open_one
    for one in tabs:
        one.page.context.close()
    assert [problem for one in tabs for problem in one.problems] == []


def wait_for_chart(page):
    page.wait_for_selector(f"{CHART}[data-drawn]:not([aria-busy])")
    return int(page.locator(CHART).get_attribute("data-drawn"))


def test_navigation_from_fleet_to_plant_spans_zoom_and_back(tab, town):
    page = tab(town.url)
    page.get_by_role("searchbox").fill("haus")
    page.get_by_role("link", name="Haus am See").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Haus am See"
    assert wait_for_chart(page) > 100
    page.get_by_role("link", name="Week").click()
    page.get_by_role("link", name="Power").click()
    assert wait_for_chart(page) > 500
    before = page.locator(CHART).get_attribute("data-drawn")
    chart_box = page.locator(".u-over").bounding_box()
    with page.expect_response(re.compile("/samples")) as response_info:
        page.mouse.move(chart_box["x"] + chart_box["width"] * 0.2, chart_box["y"] + 100)
        page.mouse.down()
        page.mouse.move(chart_box["x"] + chart_box["width"] * 0.4, chart_box["y"] + 120, steps=4)
        page.mouse.up()
    assert response_info.value.ok
    whole = page.get_by_role("button", name="Reset zoom")
    whole.wait_for()
    page.wait_for_selector(f"{CHART}[data-drawn]:not([data-drawn='{before}'])")
    with page.expect_response(re.compile("/samples")):
        page.locator(".u-over").dblclick()
    whole.wait_for(state="detached")
    page.get_by_role("link", name="Previous week").click()
    assert "8 – 14 Jun 2026" in page.inner_text("#past")
    page.get_by_role("link", name="Month").click()
    page.locator(".bars .slot").nth(9).click()
    assert "10 June 2026" in page.inner_text("#past")
    for _ in range(6):
        page.go_back()
    assert page.get_by_role("heading", level=1).inner_text() == "Plants"


def test_fleet_is_filtered_by_account_as_selected(tab, town):
    page = tab(town.url)
    page.get_by_label("Account").select_option("south")
    page.wait_for_url("**/?account=south")
    page.get_by_text("north · growatt").first.wait_for(state="detached")
    assert page.get_by_text("south · goodwe").count() > 10
    page.get_by_role("searchbox").fill("hang")
    page.wait_for_url("**/?q=hang&account=south")


def test_search_that_was_typed_before_the_script_was_loaded(town, browser):
    one = watched(browser)

    def type_first(route):
        one.page.get_by_role("searchbox").fill("haus")
        route.continue_()

    one.page.route("**/page.js*", type_first)
    one.page.goto(town.url)
    one.page.wait_for_url("**/?q=haus")
    one.page.get_by_role("link", name="Hang").first.wait_for(state="detached")
    one.page.context.close()
    assert one.problems == []


def test_page_updates_after_events(tab, serving, browser):
    running = serving(SCENES["full-sun"])
    page = tab(running.url)
    wait_for_chart(page)
    page.evaluate("document.querySelector('.flow').marked = true")
    page.locator("summary").first.click()
    moment = int(running.clock.now())
    with open_store(running.where) as store:
        values = {**store.latest(HOME)[0].values, "pv_power": 4321.0, "battery_power": -1500.0}
        store.write(Batch(samples=[StoredSample(HOME, moment, moment, Quality.LIVE, Status.ONLINE, values)]))
    page.get_by_text("Solar is producing 4.32\u202fkW").wait_for(timeout=15_000)
    assert page.get_by_text("Live, just now").is_visible()
    assert page.locator(".leg.battery").count() == 1
    assert page.evaluate("document.querySelector('.flow').marked"), "unchanged elements are not replaced"
    assert page.locator("details[open]").count() == 1


def test_lost_connection_is_reported_until_it_is_back(browser, home):
    one = watched(browser)
    page = one.page
    page.goto(home.url)
    wait_for_chart(page)
    page.context.set_offline(True)
    page.route("**/*", lambda route: route.abort())
    page.evaluate("dispatchEvent(new Event('visibilitychange')); document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("Connection lost.").wait_for(timeout=15_000)
    assert page.get_by_text("Solar is producing").is_visible()
    page.unroute("**/*")
    page.context.set_offline(False)
    page.get_by_text("Connection lost.").wait_for(state="hidden", timeout=20_000)
    page.context.close()


def test_open_page_changes_to_new_day_at_midnight(tab, serving):
    def scene(store):
        return SCENES["night"](store)._replace(now=at(23, 59))

    running = serving(scene)
    page = tab(running.url)
    wait_for_chart(page)
    assert "Sun 21 June 2026" in page.inner_text("#past")
    running.clock.go(at(0, 5, date(2026, 6, 22)))
    moment = int(running.clock.now()) - 60
    with open_store(running.where) as store:
        values = store.latest(HOME)[0].values
        store.write(Batch(samples=[StoredSample(HOME, moment, moment, Quality.LIVE, Status.ONLINE, values)]))
    page.get_by_text("Mon 22 June 2026").wait_for(timeout=15_000)
    wait_for_chart(page)
    page.get_by_text("Mon 22 Jun, 00:00").wait_for()


def test_page_reloads_when_unreadable_store_is_readable(browser, serving, tmp_path):
    running = serving(SCENES["night"])
    one = watched(browser)
    running.where.rename(tmp_path / "away")
    running.where.mkdir()
    one.page.goto(running.url)
    one.page.get_by_role("heading", name="The store cannot be read").wait_for()
    running.where.rmdir()
    (tmp_path / "away").rename(running.where)
    one.page.get_by_role("heading", name="Haus am See").wait_for(timeout=20_000)
    wait_for_chart(one.page)
    one.page.context.close()


def test_page_follows_dark_color_scheme(tab, home):
    colours = []
    for scheme in ("light", "dark"):
        page = tab(home.url, color_scheme=scheme)
        wait_for_chart(page)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour))) for colour in colours)
    assert light > 700
    assert dark < 100


PATHS = ("/", "/?span=week&show=power", "/?span=month", "/?span=year", "/status", "/plant/no/thing")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1600])
def test_page_has_no_horizontal_overflow(browser, home, town, width):
    one = watched(browser, width, 800)
    for url in [*(home.url + path for path in PATHS), town.url]:
        one.page.goto(url)
        for details in one.page.locator("summary").all():
            details.click()
        if one.page.locator(CHART).count():
            wait_for_chart(one.page)
        assert sideways(one.page) <= 0, url
    one.page.context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scene", ["full-sun", "night"])
def test_flow_diagram_texts_stay_inside_their_ring(browser, scene, width, serving):
    """The corners of every text of a node are inside its disc, including the stroke."""
    running = serving(SCENES[scene])
    one = watched(browser, width)
    one.page.goto(running.url)
    texts = one.page.evaluate("""() => [...document.querySelectorAll(".end")].flatMap((end) => {
        const disc = end.querySelector(".disc").getBBox();
        const [x, y, r] = [disc.x + disc.width / 2, disc.y + disc.height / 2, disc.width / 2];
        return [...end.querySelectorAll("text")].map((text) => {
            const box = text.getBBox();
            const far = Math.max(Math.abs(box.y + 3 - y), Math.abs(box.y + box.height - 4 - y));
            return { text: text.textContent, room: r - Math.hypot(box.width / 2, far) };
        });
    })""")
    assert len(texts) == 9
    assert [one for one in texts if one["room"] < 8] == []
    one.page.context.close()


def test_power_is_formatted_alike_in_javascript_and_html(tab, home):
    page = tab(home.url)
    shown = page.evaluate("""async () => {
        const { power } = await import("/assets/axis.js");
        return [0, 842.4, 3400, -12400, 1250000].map((one) => power(one));
    }""")
    assert shown == [power(one) for one in (0, 842.4, 3400, -12400, 1250000)]


def test_page_is_installable(tab, home):
    page = tab(home.url)
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["url"].endswith("/assets/manifest.webmanifest")
    assert manifest["errors"] == []
    # A browser context of a test is private, and no private window installs anything.
    problems = {one["errorId"] for one in session.send("Page.getInstallabilityErrors")["installabilityErrors"]}
    assert problems <= {"in-incognito"}


SMALL_TARGETS = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
  .filter((one) => one.checkVisibility() && !one.matches(".skip, .bars *"))
  .map((one) => [one.textContent.trim().slice(0, 30) || one.name, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 43.5 || box.height < 43.5)
  .map(([text, box]) => `${text}: ${Math.round(box.width)}x${Math.round(box.height)}`)"""


@pytest.mark.parametrize("width", [320, 390, 768])
def test_tap_targets_are_large_enough(tab, home, town, width):
    """Except the bars of a chart, whose links are also in the table below."""
    page = tab(home.url, width=width, has_touch=True, is_mobile=True)
    # Without the last path, which logs an error.
    for url in [*(home.url + path for path in PATHS[:-1]), town.url, f"{town.url}/plant/{HOME.vendor}/{HOME.plant}"]:
        page.goto(url)
        for details in page.locator("summary").all():
            details.click()
        if page.locator(CHART).count():
            wait_for_chart(page)
        assert page.evaluate(SMALL_TARGETS) == [], url
        assert sideways(page) <= 0, url


CUT_LABELS = """() => {
  // Labels are drawn on a canvas: those that begin left of it, or end right of it, are cut.
  const cut = [];
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { a, e } = this.getTransform();
    const width = this.measureText(text).width;
    const from = x * a + e - { left: 0, start: 0, center: width / 2, right: width, end: width }[this.textAlign];
    if (from < 0 || from + width > this.canvas.width) cut.push(text);
    window.labels = [...(window.labels ?? []), text];
    return draw.call(this, text, x, y);
  };
  window.cut = cut;
}"""


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("wide_font", [False, True])
def test_chart_axis_labels_are_never_cut(browser, home, width, wide_font):
    one = watched(browser, width)
    one.page.add_init_script(f"({CUT_LABELS})()")
    if wide_font:
        one.page.add_init_script(
            "Object.defineProperty(CSSStyleDeclaration.prototype, 'fontFamily', { get: () => 'DejaVu Sans Mono' });"
        )
    for query in ("", "?span=week&show=power"):
        one.page.goto(f"{home.url}/{query}")
        wait_for_chart(one.page)
        labels = one.page.evaluate("window.labels")
        assert any(label.startswith("\u2212") for label in labels)
        assert one.page.evaluate("window.cut") == []
    one.page.context.close()


def test_chart_stacks_areas_and_names_directions(tab, home):
    page = tab(f"{home.url}/?at=2026-06-21")
    wait_for_chart(page)
    assert "Grid export 2.66\u202fkW, House" in page.inner_text(".readout")
    legend = page.locator(".legend button").all_inner_texts()
    assert legend == ["Solar", "Battery", "Grid", "House", "State of charge"]


def test_page_text_has_sufficient_contrast(browser, home, town):
    script = (TESTS / "support" / "contrast.js").read_text(encoding="utf-8")
    for scheme in ("light", "dark"):
        one = watched(browser, color_scheme=scheme, reduced_motion="reduce")
        for url in (home.url, f"{home.url}/?span=month", f"{home.url}/status", town.url):
            one.page.goto(url)
            assert one.page.evaluate(script) == [], f"{url} {scheme}"
        one.page.context.close()


def hostile(store):
    now = at(13)
    for number, name in enumerate(HOSTILE):
        series = [Series("goodwe", f"h{number}"), Series("goodwe", f"h{number}", "SN<script>alert(1)</script>")]
        values = {"pv_power": 100.0, "pv_energy_today": 1.0}
        store.write(
            Batch(
                series_info=[SeriesInfo(one, name, "hybrid", "Europe/Berlin") for one in series],
                samples=[StoredSample(one, now - 60, now, Quality.LIVE, Status.FAULT, values) for one in series],
            )
        )
    return Scene(now)


def test_page_shows_hostile_name_without_executing_it(tab, serving):
    running = serving(hostile)
    page = tab(running.url, width=360)
    ran = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    assert HOSTILE[0] in page.inner_text("#found")
    assert sideways(page) <= 0
    for number in range(len(HOSTILE)):
        page.goto(f"{running.url}/plant/goodwe/h{number}")
        page.wait_for_selector(f"{CHART}[data-drawn]")
        assert sideways(page) <= 0, HOSTILE[number][:20]
    assert ran == []
    assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0


def test_fleet_link_and_chart_work_for_any_plant_id(tab, serving):
    def scene(store):
        store.write(numbered(at(13, 5)))
        return Scene(at(13, 7))

    running = serving(scene)
    page = tab(running.url)
    for number, name in enumerate(IDS):
        page.goto(running.url)
        with page.expect_response(lambda response: "/samples?" in response.url) as samples_response:
            page.get_by_role("link", name=f"Number {number}", exact=True).click()
        assert page.locator("h1").inner_text() == f"Number {number}"
        assert page.locator(".head .id").inner_text() == f"goodwe {name}"
        assert samples_response.value.json()["plant"] == name
        page.get_by_role("link", name="Week", exact=True).click()
        assert page.locator("h1").inner_text() == f"Number {number}"


def test_page_is_usable_by_keyboard(tab, town):
    page = tab(town.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0, "the focused link is visible"

    def to(name, limit=80):
        for _ in range(limit):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()").startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    to("Today")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?sort=today&falling=1")
    page.goto(f"{town.url}/?q=haus")
    to("Haus am See")
    page.keyboard.press("Enter")
    wait_for_chart(page)
    page.locator(".canvas").focus()
    first = page.inner_text(".readout")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".readout") != first
    with page.expect_response(re.compile("/samples")):
        page.keyboard.press("+")
    page.get_by_role("button", name="Reset zoom").wait_for()
    with page.expect_response(re.compile("/samples")):
        page.keyboard.press("0")
    page.get_by_role("button", name="Reset zoom").wait_for(state="detached")
    solar = page.get_by_role("button", name="Solar")
    solar.focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"


HOURS = """async ([offsets, since, until, most]) => {
  const { LocalTime } = await import("/assets/axis.js");
  const localTime = new LocalTime(offsets);
  return localTime.labels(localTime.ticks(since, until, most));
}"""


def test_chart_axis_is_local_time_of_plant_across_clock_changes(tab, home):
    page = tab(home.url, timezone_id="America/New_York")

    def hours(day, limit):
        since, until = day_bounds(day, ZONE)
        return page.evaluate(HOURS, [utc_offsets(ZONE, since, until), since, until, limit])

    autumn, spring = hours(date(2026, 10, 25), 30), hours(date(2026, 3, 29), 30)
    assert autumn[:6] == ["Sun 25", "01:00", "02:00", "02:00", "03:00", "04:00"]
    assert (len(autumn), autumn[-1]) == (26, "Mon 26")
    assert spring[:4] == ["Sun 29", "01:00", "03:00", "04:00"]
    assert hours(date(2026, 10, 25), 10) == ["Sun 25", *(f"{hour:02}:00" for hour in range(3, 24, 3)), "Mon 26"]
    assert hours(date(2026, 6, 21), 5) == ["Sun 21", "06:00", "12:00", "18:00", "Mon 22"]


def test_flow_animation_respects_reduced_motion(tab, home):
    page = tab(home.url, reduced_motion="no-preference")
    assert page.evaluate("getComputedStyle(document.querySelector('.dots')).animationName") == "run"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.dots')).animationName") == "none"


def test_page_is_complete_without_scripts(browser, home):
    one = watched(browser, java_script_enabled=False)
    one.page.goto(home.url)
    assert "Solar is producing" in one.page.inner_text("main")
    assert "The same values are in the table below" in one.page.inner_text("#past")
    one.page.get_by_text("Hourly averages (table)").click()
    assert one.page.locator(".figures tbody tr").first.is_visible()
    one.page.context.close()


@pytest.mark.parametrize("which", ["home", "town"])
def test_first_view_transfers_few_bytes(browser, which, request):
    one = watched(browser)
    session = one.page.context.new_cdp_session(one.page)
    session.send("Network.enable")
    sizes = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    one.page.goto(request.getfixturevalue(which).url, wait_until="load")
    if which == "home":
        wait_for_chart(one.page)
    print(f"first view of {which}: {sum(sizes):,.0f} bytes in {len(sizes)} responses")
    assert 10_000 < sum(sizes) < MOST_BYTES
    one.page.context.close()


def test_chart_draws_a_year_of_five_minute_samples(tab, serving, capsys):
    def scene(store):
        now = at(23, 55, day=YEAR_ENDS)
        fill(store, hybrid(now), HOME, "Haus am See", YEAR_ENDS.replace(month=1, day=1), now)
        return Scene(now)

    running = serving(scene)
    with open_store(running.where) as store:
        stored = sum(1 for _ in store.sample_times(HOME, 0, 1 << 40))
    page = tab(f"{running.url}/?span=year&show=power")
    points = wait_for_chart(page)
    took = page.locator(CHART).get_attribute("data-took")
    from_start = page.evaluate("performance.now() - performance.getEntriesByType('navigation')[0].startTime")
    assert stored == 105_120
    assert points == 365
    with capsys.disabled():
        print(f"\n  a year of {stored:,} samples: drawn in {took} ms, {from_start:.0f} ms after the request")
