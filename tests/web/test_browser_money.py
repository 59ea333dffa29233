"""Tests of the report, of money and of saved charts in a real Chromium, without any violation of the content policy."""

import struct

import pytest

from support.browser import chromium, opened, sideways, site, watched
from support.paths import TESTS
from support.web_scenes import HOME, SCENES

pytestmark = [
    pytest.mark.skipif(
        chromium() is None,
        reason="no Chromium was found to look at the page with; install one (Debian: chromium) or name it in $CHROMIUM",
    ),
    # Threads and sockets of the driver end when it does.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

REPORT = f"/plant/goodwe/{HOME.plant}/report"
DRAWN = "[data-drawn]:not([aria-busy])"


@pytest.fixture(scope="module")
def browser():
    with opened() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with site(tmp_path_factory.mktemp("home"), SCENES["money"]) as running:
        yield running


@pytest.fixture
def tab(browser, home):
    """Open tabs, and check at the end that none has logged an error."""
    tabs = []

    def open_one(path, **options):
        one = watched(browser, **options)
        tabs.append(one)
        one.page.goto(home.url + path)
        return one.page

    yield open_one
    for one in tabs:
        one.page.context.close()
    assert [problem for one in tabs for problem in one.problems] == []


def saved(page, tmp_path):
    """Click on the button and return the name and the size of the picture."""
    with page.expect_download() as download:
        page.click("[data-png]")
    file = tmp_path / "chart.png"
    download.value.save_as(file)
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return download.value.suggested_filename, struct.unpack(">II", data[16:24])


# The script paints on a canvas: what it has painted is read before it becomes a file.
COLOURS = """async () => {
  const toBlob = HTMLCanvasElement.prototype.toBlob;
  const canvas = await new Promise((resolve) => {
    HTMLCanvasElement.prototype.toBlob = function () { resolve(this); };
    document.querySelector("[data-png]").click();
  });
  HTMLCanvasElement.prototype.toBlob = toBlob;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const counts = {};
  for (let at = 0; at < data.length; at += 4) {
    const colour = `rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`;
    counts[colour] = (counts[colour] ?? 0) + 1;
  }
  return counts;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_are_saved_as_a_picture_in_the_colours_of_the_page(tab, tmp_path, scheme):
    page = tab("/?span=month", color_scheme=scheme)
    name, (width, height) = saved(page, tmp_path)
    box = page.locator("[data-picture]").bounding_box()
    assert name == "Haus-am-See-June-2026.png"
    assert (width, height) == pytest.approx((2 * box["width"] + 64, 2 * box["height"] + 144), abs=2)
    counts = page.evaluate(COLOURS)
    for selector in (".bars .sun", ".bars .export", ".bars .house"):
        fill = page.eval_on_selector(selector, "one => getComputedStyle(one).fill")
        assert counts.get(fill, 0) > 1000, selector
    text = page.eval_on_selector(".legend", "one => getComputedStyle(one).color")
    assert counts.get(text, 0) > 100


def test_curves_are_saved_as_a_picture_without_the_caption(tab, tmp_path):
    page = tab("/")
    page.wait_for_selector(DRAWN)
    name, (_, height) = saved(page, tmp_path)
    assert name == "Haus-am-See-Sun-21-June-2026.png"
    assert height < 2 * page.locator("[data-picture]").bounding_box()["height"]
    line = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--house')").strip()
    rgb = f"rgb({int(line[1:3], 16)}, {int(line[3:5], 16)}, {int(line[5:7], 16)})"
    assert page.evaluate(COLOURS).get(rgb, 0) > 300


def test_data_is_saved_by_a_link_of_the_server(tab):
    page = tab("/?span=year")
    with page.expect_download() as download:
        page.click("text=Save as CSV")
    assert download.value.suggested_filename == f"heliograph-{HOME.plant}-year-2026-01-01-energy.csv"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_report_has_no_horizontal_overflow_and_large_tap_targets(tab, width):
    page = tab(REPORT, width=width, has_touch=width < 1000)
    assert sideways(page) == 0
    if width < 1000:
        links = ".saves a, .saves button, .step, .back a, .figures a"
        boxes = page.eval_on_selector_all(links, "all => all.map(one => one.getBoundingClientRect())")
        assert [box for box in boxes if box["height"] < 43 or box["width"] < 43] == []


def test_report_is_printed_on_white_without_controls_and_fits_the_paper(tab):
    # A4 without its margins, at 96 pixels per inch.
    page = tab(REPORT, width=688, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert sideways(page) == 0
    assert page.eval_on_selector("body", "one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
    for selector in (".top", ".saves", ".step", ".back"):
        assert not page.locator(selector).first.is_visible(), selector
    wide = page.eval_on_selector_all(".wide", "all => all.filter(one => one.scrollWidth > one.clientWidth).length")
    assert wide == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_print_button_prints(tab):
    page = tab(REPORT)
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    page.click("text=Print")
    assert page.title() == "printed"


def test_buttons_that_need_a_script_are_absent_without_it(browser, home):
    page = watched(browser, java_script_enabled=False).page
    page.goto(home.url + REPORT)
    assert not page.locator("[data-print]").is_visible()
    assert page.locator("text=Save as CSV").is_visible()
    page.context.close()


def test_money_and_report_have_sufficient_contrast(tab):
    script = (TESTS / "support" / "contrast.js").read_text(encoding="utf-8")
    for scheme in ("light", "dark"):
        page = tab("/?span=month", color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate(script) == []
        page.click("text=Report of 2026")
        page.wait_for_selector(".report")
        assert page.evaluate(script) == []
