"""A store with known history, and `heliograph serve` as a process over it."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from heliograph.local_time import day_start
from heliograph.metrics import ENERGIES
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, Series, SeriesInfo, StoredSample
from support.web_scenes import at, fill, hybrid, polled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOKEN = "a-token-for-the-tests-only"
BERLIN = ZoneInfo("Europe/Berlin")
INDIA = ZoneInfo("Asia/Kolkata")
LAST = date(2026, 6, 20)
FIRST = LAST - timedelta(days=87)
"""The clocks change on the fifth of the 88 days."""
HOME = Series("goodwe", "6ad3f1c2-0b58-4b6e-9d6f-3f5d5b1a7c02")
FARM = Series("growatt", "1840213")
"""A plant in India, with two days."""
INVERTER = ("9010KETU21AW0001", "GW10K-ET", "hybrid", Status.ONLINE)


class StoreServer:
    """A store in a file, served with a token."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "heliograph.sqlite"
        self._token_file = folder / "token"
        self._token_file.write_text(TOKEN)
        self._config = folder / "heliograph.toml"
        self._config.write_text("")
        self._config.chmod(0o600)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def write(self, batch: Batch) -> None:
        """Write to the store, as a collector does beside the server."""
        with open_store(self.path) as store:
            store.write(batch)

    def fill_home(self) -> None:
        """Store 88 days of a home with a battery, with its curves."""
        now = at(23, 59, LAST)
        with open_store(self.path) as store:
            fill(store, hybrid(now), HOME, "Haus am See", FIRST, now, [INVERTER])

    def fill_today(self, series: Series = HOME) -> None:
        """Store a home with a battery from the day before yesterday until now."""
        now = time()
        first = datetime.now(BERLIN).date() - timedelta(days=2)
        with open_store(self.path) as store:
            fill(store, hybrid(now), series, "Haus am See", first, now, [INVERTER])
            store.write(polled(series, now - 30))

    def fill_farm(self, values: Mapping[date, float], powers: Mapping[int, float] | None = None) -> None:
        """Store days of solar energy of the plant in India, and its power by epoch seconds."""
        days = [day_of(FARM, day, kwh) for day, kwh in values.items()]
        samples = [
            StoredSample(FARM, moment, moment + 30, Quality.LIVE, Status.ONLINE, {"pv_power": power})
            for moment, power in (powers or {day_start(max(values) + timedelta(days=1), INDIA): 0.0}).items()
        ]
        info = SeriesInfo(FARM, "Farm", None, "Asia/Kolkata")
        self.write(Batch(days=days, samples=samples, series_info=[info]))

    def days(self, series: Series, first: date = FIRST, last: date = LAST) -> dict[date, dict[str, float | None]]:
        """Return the stored days."""
        with open_store(self.path) as store:
            return {row.day: dict(row.values) for row in store.known_days(series, first, last)}

    def restart(self, token: str) -> None:
        """Serve with another token at the same address."""
        self._token_file.write_text(token)
        self.__exit__()
        self._start(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        self._start("0")
        return self

    def _start(self, port: str) -> None:
        command = [sys.executable, "-m", "heliograph", "serve", "--port", port, "--host", "127.0.0.1"]
        command += ["--token-file", str(self._token_file), "--config", str(self._config), "--store", str(self.path)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.url = line.rpartition(" ")[2].strip().rstrip("/")
        assert self.url.startswith("http://"), line

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=30)


def day_of(series: Series, day: date, kwh: float, written_at: int | None = None) -> Day:
    """Return a day with its solar energy."""
    values = {energy: kwh if energy == "pv_energy" else None for energy in ENERGIES}
    written = day_start(day, BERLIN) + 100_000 if written_at is None else written_at
    return Day(series, day, values, Quality.LIVE, final=True, written_at=written)
