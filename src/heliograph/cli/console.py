"""The collector's events as sentences for a terminal, and a line with the current values after each poll."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from heliograph.cli.table import amount
from heliograph.cli.terminal import paint, printable, wrap
from heliograph.cli.timefmt import format_duration
from heliograph.current import CurrentState
from heliograph.eventlog import LogEvent
from heliograph.store.base import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.current import PlantState
    from heliograph.store.base import Store
    from heliograph.store.threaded import StoreThread

MAX_PLANT_LINES = 5
"""Accounts with more plants get one line with their sum."""
_IDLE_WATTS = 10.0
_STYLES = {logging.WARNING: "warning", logging.ERROR: "problem"}

_SENTENCES = {
    "collector.started": "Collecting {accounts} into {store}. Press Ctrl-C to stop.",
    "web.listening": "Page: {address}",
    "gapfill.done": "history of plant {plant}: {span} {period}: {result}",
    "gapfill.deferred": "{account}: gap filling postponed: {why}",
    "poll.resumed": "{account}: next poll in {wait}, as planned before this start",
    "poll.plant_failed": "{account}: plant {plant} was not polled: {why}",
    "poll.waiting": "{account}: next poll in {wait}: {why}",
    "poll.failed": "{account}: poll failed: {why}",
    "timezone.missing": "{account}: {advice}",
    "store.checking": "checking {path}: {why}",
    "store.damaged": "{path} is damaged ({why}); new samples go to {samples_go_to}: {advice}",
    "store.unchecked": "{path} could not be checked: {why}",
    "store.recovered": "the store is available again",
    "account.unencrypted": "{account}: {server}: {advice}",
    "output.connected": "{output}: connected to {host}",
    "output.disconnected": "{output}: data is not accepted: {why}",
    "output.recovered": "{output}: data is accepted again",
    "output.unencrypted": "{output}: {host} has no encryption: {advice}",
    "service.failed": "{service}: {reason}",
    "curtailment.restored": "{account}: curtailment {order} has ended",
}
_WORDS = {
    "curve": "power curve",
    "days": "daily energies",
    "months": "monthly energies",
    "years": "yearly energies",
    "data": "stored",
    "empty": "the cloud has none",
    "failed": "no usable response",
}
"""The spans and results of history queries in words."""


class PollLines:
    """Prints the plants of an account from the store after each of its polls."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.polled: asyncio.Queue[str] = asyncio.Queue()
        """Names of accounts that were polled."""

    async def run(self, pollers: Sequence[AccountPoller], store: StoreThread, stop: asyncio.Event) -> None:
        """Print until stopped."""
        by_name = {poller.progress.name: poller for poller in pollers}
        current: list[CurrentState] = []
        stopped = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            polled = asyncio.ensure_future(self.polled.get())
            await asyncio.wait((polled, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not polled.done():
                polled.cancel()
                break
            poller = by_name[polled.result()]
            moment = int(poller.clock.now())
            wanted = {series_of(plant) for plant in poller.progress.plants}
            states = await store.run(partial(_plants, current=current, moment=moment))
            for line in poll_lines(poller.progress.name, [one for one in states if one.series in wanted]):
                self.print_line(moment, line)

    def print_line(self, moment: float, text: str, style: str | None = None) -> None:
        """Print one line with this machine's time of day, wrapped at words at a terminal."""
        start = f"{time.strftime('%H:%M:%S', time.localtime(moment))}  "
        text = wrap(start + text, self.stream, hanging=len(start)).removeprefix(start)
        print(f"{start}{paint(text, style, self.stream) if style else text}", file=self.stream, flush=True)


def _plants(store: Store, current: list[CurrentState], moment: int) -> tuple[PlantState, ...]:
    # Created once, because it caches the reporting patterns; again after the store was reopened.
    if not current or current[0].store is not store:
        current[:] = [CurrentState(store)]
    return current[0].plants(moment)


def poll_lines(account: str, plants: Sequence[PlantState]) -> list[str]:
    """Return one line per plant, or one for the account if it has many plants."""
    if not plants:
        return [f"{printable(account)}: polled, no plants"]
    if len(plants) <= MAX_PLANT_LINES:
        width = max(len(printable(plant.title)) for plant in plants)
        return [f"{printable(plant.title):{width}}  {describe_values(plant)}" for plant in plants]
    known = [watts for plant in plants if (watts := plant.values.get("pv_power")) is not None]
    return [f"{printable(account)}: {len(plants)} plants, solar {amount(sum(known), 'W')} from {len(known)} of them"]


def describe_values(plant: PlantState) -> str:
    """Return the current powers, the battery's state of charge and today's solar energy of a plant in words."""
    values = plant.values
    parts = []
    for name, label in (("pv_power", "solar"), ("load_power", "house")):
        if (watts := values.get(name)) is not None:
            parts.append(f"{label} {amount(watts, 'W')}")
    soc, watts = values.get("battery_soc"), values.get("battery_power")
    if soc is not None or watts is not None:
        charge = "" if soc is None else f" {amount(soc, '%')}"
        parts.append(f"battery{charge}{_direction(watts, 'discharging', 'charging')}")
    if (watts := values.get("grid_power")) is not None:
        parts.append(_direction(watts, "importing", "exporting").strip() or "no grid exchange")
    if (energy := values.get("pv_energy_today")) is not None:
        mark = "~" if "pv_energy_today" in plant.provisional else ""
        parts.append(f"today {mark}{amount(energy, 'kWh')}")
    return ", ".join(parts) or "no current values"


def _direction(watts: float | None, positive: str, negative: str) -> str:
    if watts is None or abs(watts) < _IDLE_WATTS:
        return ""
    return f" {positive if watts > 0 else negative} {amount(abs(watts), 'W')}"


def log_to_console(lines: PollLines) -> None:
    """Print the events of the collector as sentences from now on."""
    logging.basicConfig(level=logging.INFO, handlers=[_ConsoleHandler(lines)])


class _ConsoleHandler(logging.Handler):
    def __init__(self, lines: PollLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        facts: Mapping[str, Any] = record.msg.facts if isinstance(record.msg, LogEvent) else {}
        if facts.get("event") == "poll.done" and facts.get("saved"):
            self._lines.polled.put_nowait(facts["account"])  # logged by the poller, on the event loop's thread
            return
        text = describe_event(facts) if facts else record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__})"  # its message may contain secrets
        self._lines.print_line(record.created, text, _STYLES.get(record.levelno))


def describe_event(facts: Mapping[str, Any]) -> str:
    """Return an event as a sentence; an unknown one as its name and fields.

    >>> describe_event({"event": "poll.failed", "account": "home", "error": "Throttled", "why": "quota used"})
    'home: poll failed: quota used'
    >>> describe_event({"event": "store.unavailable", "batches": 2, "why": "disk full"})
    'store unavailable: batches 2, why disk full'
    """
    shown = {name: printable(str(value)) for name, value in facts.items() if name != "event"}
    fields = ", ".join(f"{name} {value}" for name, value in shown.items())
    if facts["event"] == "gapfill.done":
        shown |= {name: _WORDS.get(shown[name], shown[name]) for name in ("span", "result") if name in shown}
    if "seconds" in facts:
        shown["wait"] = format_duration(timedelta(seconds=float(facts["seconds"])))
    if "accounts" in facts:
        shown["accounts"] = "1 account" if facts["accounts"] == 1 else f"{facts['accounts']} accounts"
    try:
        return _SENTENCES[str(facts["event"])].format_map(shown)
    except KeyError:  # another event, or one without these fields
        return f"{str(facts['event']).replace('.', ' ').replace('_', ' ')}: {fields}"
