"""Take the pictures of the page in docs/images: a real Chromium looks at a real server in each state.

python docs/screenshots.py               those the documentation shows
python docs/screenshots.py --all FOLDER  every state, light and dark, on a desk, a tablet and a phone
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.browser import opened, sideways, site, watched  # noqa: E402 - the tests' own browser and scenes
from support.web_scenes import HOME, SCENES  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 180_000
DESK, TABLET, PHONE = (1280, 900), (768, 1024), (390, 844)


class Picture(NamedTuple):
    """One picture: of which scene and address, in which light and on how much glass."""

    scene: str
    scheme: str
    size: tuple[int, int]
    path: str = "/"
    name: str = ""
    at: str = ""
    """The element that is scrolled to."""

    @property
    def file(self) -> str:
        """The name of the picture."""
        place = {PHONE: "phone", TABLET: "tablet"}.get(self.size, "desk")
        return f"{self.name or self.scene}-{self.scheme}-{place}.png"


SHOWN = (
    Picture("full-sun", "light", DESK),
    Picture("full-sun", "dark", DESK),
    Picture("full-sun", "light", DESK, "/?span=month", "month", "#past"),
    Picture("full-sun", "dark", DESK, "/?span=week&show=power", "week", "#past"),
    Picture("full-sun", "light", PHONE, "/?span=month", "month"),
    Picture("night", "dark", PHONE),
    Picture("asleep", "light", DESK),
    Picture("stale", "light", DESK),
    Picture("alarm", "light", PHONE),
    Picture("alarm", "dark", PHONE, f"/plant/{HOME.vendor}/{HOME.plant}/events", "events"),
    Picture("locked", "dark", PHONE),
    Picture("empty", "light", DESK),
    Picture("fleet", "light", DESK),
    Picture("fleet", "dark", PHONE),
    Picture("money", "light", DESK, f"/plant/{HOME.vendor}/{HOME.plant}/report", "report"),
)


def every() -> Iterable[Picture]:
    """Return every scene in both lights and both sizes, and every span of one."""
    for scheme in ("light", "dark"):
        for size in (DESK, TABLET, PHONE):
            yield from (Picture(scene, scheme, size) for scene in SCENES)
            yield Picture("locked", scheme, size, "/status", "status")
            yield Picture("alarm", scheme, size, f"/plant/{HOME.vendor}/{HOME.plant}/events", "events")
            yield Picture("money", scheme, size, f"/plant/{HOME.vendor}/{HOME.plant}/report", "report")
            for span in ("week", "month", "year"):
                yield Picture("full-sun", scheme, size, f"/?span={span}", f"{span}-energy", "#past")
                yield Picture("year", scheme, size, f"/?span={span}&show=power", f"{span}-power", "#past")


def main() -> int:
    """Take them; a page that is wider than its window or complains fails."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", metavar="FOLDER", type=Path, help="take every picture there is, into this folder")
    folder = parser.parse_args().all
    wanted, where = (every(), folder) if folder else (SHOWN, IMAGES)
    where.mkdir(parents=True, exist_ok=True)
    failed = 0
    with opened() as browser, ExitStack() as stack:
        sites: dict[str, str] = {}
        for one in wanted:
            if one.scene not in sites:
                home = Path(stack.enter_context(TemporaryDirectory()))
                sites[one.scene] = stack.enter_context(site(home, SCENES[one.scene])).url
            failed += not _take(browser, sites[one.scene], one, where / one.file, whole=bool(folder))
    return int(failed > 0)


def _take(browser, url: str, one: Picture, file: Path, *, whole: bool) -> bool:  # noqa: ANN001 - the driver is untyped here
    tab = watched(browser, *one.size, color_scheme=one.scheme, has_touch=one.size != DESK)
    page = tab.page
    page.goto(f"{url}{one.path}")
    if page.locator("[data-chart]").count():
        page.wait_for_selector("[data-drawn]:not([aria-busy])")
    if one.at and not whole:
        page.locator(one.at).screenshot(path=file)
    else:
        page.screenshot(path=file, full_page=whole)
    too_wide, size = sideways(page), file.stat().st_size
    page.context.close()
    print(f"{file.name}: {size / 1000:.0f} kB{f', {too_wide} px too wide' if too_wide > 0 else ''}", *tab.problems)
    return too_wide <= 0 and not tab.problems and (whole or size <= MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
