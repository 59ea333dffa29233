"""A real Chromium and a real server, for browser tests and screenshots."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from heliograph.store import open_store
from heliograph.tariffs.reader import MoneyReader
from support.web_scenes import Running
from support.website import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """Return the path of Chromium: $CHROMIUM, otherwise the first found on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def opened() -> Iterator:
    """Start a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


class Visited(NamedTuple):
    """A served scene, with the clock, accounts and store that a test may change."""

    url: str
    clock: Running
    accounts: list
    where: Path


@contextmanager
def site(folder: Path, scene) -> Iterator[Visited]:
    """Serve a scene: a filled store, a clock that runs from the time of the scene, and accounts."""
    where = folder / "samples.sqlite"
    with open_store(where) as store:
        filled = scene(store)
    clock, accounts = Running(filled.now), list(filled.accounts)
    money = MoneyReader(filled.tariffs)
    with served(where, seen=lambda: tuple(accounts), clock=clock, money=money) as running:
        yield Visited(running.address.rstrip("/"), clock, accounts, where)


class Watched:
    """A page and the errors it has logged."""

    def __init__(self, page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) => "
            "console.error('policy', event.violatedDirective, event.blockedURI))"
        )

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(f"{kind}: {text}")


def watched(browser, width: int = 1280, height: int = 900, **options) -> Watched:
    """Open a tab of this size."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    return Watched(context.new_page())


def sideways(page) -> int:
    """Return how many pixels a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
