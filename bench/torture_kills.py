"""`kill -9` at random moments: of the collector, a backfill, settings changes and outputs."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from typing import TYPE_CHECKING

from heliograph.store import open_store
from heliograph.store.base import Series
from support.http_service import Service
from torture_programs import FOREVER, Tally, Work, World, order_states, world

if TYPE_CHECKING:
    import random

DAYS = ("2025-06-18", "2025-06-20")


def is_sound(path: Path) -> bool:
    """Return whether SQLite finds no error in a store."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def collect(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Kill the collector; a poll is stored completely or not at all, and what it reported as saved is stored."""
    tally = Tally("kill -9: collect")
    with world(folder) as cloud:
        code, text = cloud.run("collect", "--once", "--no-backfill")
        tally.expect(code == 0, "stuck", text)
        usual = _seconds_of_a_poll(cloud)
        whole, poll = Work(usual), Work(usual / 2)
        known = cloud.times()
        for trial in range(trials):
            # At night some plants upload nothing: five hours of each afternoon.
            cloud.advance(seconds=300 if trial % 60 or not trial else 19 * 3600 + 300)
            cloud.make_due()
            program = cloud.start("collect", "--no-backfill")
            if trial % 2:
                program.wait_for("collector.started")
                poll.wait(program, chance, "poll.done")
            else:
                whole.wait(program, chance, "poll.done")
            saved = "saved=true" in program.text
            program.kill()
            tally.trials += 1
            found = cloud.times()
            fresh = {len(new - old) for old, new in zip(known, found, strict=True)}
            tally.struck += fresh == {0}
            tally.expect(all(old <= new for old, new in zip(known, found, strict=True)), "lost", f"trial {trial}")
            tally.expect(not saved or fresh != {0}, "lost", f"trial {trial}: reported as saved")
            tally.expect(len(fresh) == 1, "torn", f"trial {trial}: {fresh}")
            tally.check_output(program.text, trial)
            known = found
        _finish(cloud, tally)
        logins = cloud.emulator.log.as_dict(0)["logins"]
        tally.expect(sum(logins.values()) == 1, "mistakes", f"logins: {logins}")
    return tally


def _seconds_of_a_poll(cloud: World) -> float:
    """Return the time from start to the end of the first poll."""
    cloud.advance(seconds=300)
    begun = time.monotonic()
    cloud.make_due()
    program = cloud.start("collect", "--no-backfill")
    program.wait_for("poll.done")
    seconds = time.monotonic() - begun
    program.signal(signal.SIGTERM)
    program.wait()
    return seconds


def _finish(cloud: World, tally: Tally) -> None:
    """After all kills the collector continues by itself, and its store is sound."""
    cloud.advance(seconds=300)
    code, text = cloud.run("collect", "--once", "--no-backfill")
    tally.expect(code == 0, "stuck", text)
    tally.check_output(text, "at the end")
    tally.expect(is_sound(cloud.store), "torn", "integrity_check")


def backfill(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Kill backfills; each day is stored completely, with the record of its query, or not at all."""
    tally = Tally("kill -9: backfill")
    with world(folder) as cloud:
        words = ("backfill", "--since", DAYS[0], "--until", DAYS[1])
        whole = folder / "whole.sqlite"
        begun = time.monotonic()
        code, text = cloud.run(*words, "--store", str(whole))
        work = Work(time.monotonic() - begun)
        tally.expect(code == 0, "stuck", text)
        truth = _days_of(cloud, whole)
        for trial in range(trials):
            if trial % 6 == 0:
                for part in cloud.home.glob("heliograph.sqlite*"):
                    part.unlink()
                known: dict = {}
            program = cloud.start(*words)
            work.wait(program, chance)
            tally.struck += program.kill()
            tally.trials += 1
            found = _days_of(cloud, cloud.store)
            tally.expect(known.keys() <= found.keys(), "lost", f"trial {trial}")
            for day, samples in found.items():
                tally.expect(samples == truth.get(day), "torn", f"trial {trial}: {day} {samples}")
            tally.check_output(program.text, trial)
            known = found
        code, text = cloud.run(*words)
        tally.expect(code == 0 and _days_of(cloud, cloud.store) == truth, "stuck", text)
        tally.expect(is_sound(cloud.store), "torn", "integrity_check")
    return tally


def _days_of(cloud: World, store: Path) -> dict[tuple[Series, str], tuple[str, int]]:
    """Return the outcome and the number of samples of each day whose curve is recorded as fetched."""
    if not store.exists():
        return {}
    found = {}
    with open_store(store, create=False) as opened:
        for plant in cloud.plants:
            for period, record in opened.queries(plant, "curve").items():
                start = int(datetime.fromisoformat(f"{period}T00:00:00+02:00").timestamp())
                samples = len(list(opened.sample_times(plant, start, start + 86_400)))
                found[plant, period] = record.outcome, samples
    return found


def settings(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Kill settings changes; nothing is sent twice, and the journal says what the device has."""
    tally = Tally("kill -9: settings")
    with world(folder) as cloud:
        cloud.write_config(cloud.home, more="writes = true")
        plant = {one.family: one for one in cloud.emulator.accounts[0].plants}["tlx-battery"]
        device = plant.devices[0]
        for value in ("50", "51"):  # the first change logs in
            begun = time.monotonic()
            code, text = cloud.run("settings", "set", device, f"charge_stop_soc={value}", "--yes")
            tally.expect(code == 0, "stuck", text)
        work = Work(time.monotonic() - begun)
        orders = cloud.home / "orders"
        for trial in range(trials):
            if trial % 12 == 11:  # twenty writes a day are allowed
                orders.rename(folder / f"orders-{trial}")
            before = plant.settings["tlx"]["charge_stop_soc"]
            value = str(51 + trial % 40)
            program = cloud.start("settings", "set", device, f"charge_stop_soc={value}", "--yes")
            work.wait(program, chance)
            tally.struck += program.kill()
            tally.trials += 1
            after = plant.settings["tlx"]["charge_stop_soc"]
            tally.check_output(program.text, trial)
            recorded = any(f'"value":{value}' in line for line in _journal_tail(cloud)) if after != before else True
            tally.expect(recorded, "lost", f"trial {trial}: sent, but not in the journal")
            sent = _commands(cloud)
            code, text = cloud.run("settings", "check")
            tally.check_output(text, trial)
            tally.expect(_commands(cloud) <= sent, "mistakes", f"trial {trial}: check sent a command")
            tally.expect(plant.settings["tlx"]["charge_stop_soc"] == after, "mistakes", f"trial {trial}: changed")
            code, text = cloud.run("settings", "show", device, "--json")
            shown = {row["name"]: row["values"] for row in json.loads(text[text.find("{") :])["settings"]}
            tally.expect(shown["charge_stop_soc"] == {"value": float(after)}, "torn", f"trial {trial}")
        code, text = cloud.run("settings", "set", device, "charge_stop_soc=95", "--yes")
        tally.expect(code == 0, "stuck", text)
        tally.expect(bool(order_states(cloud.home)), "lost", "the journal is empty")
    return tally


def _journal_tail(cloud: World) -> list[str]:
    return [json.dumps(line, separators=(",", ":")) for line in order_states(cloud.home)[-12:]]


def _commands(cloud: World) -> int:
    return sum(one["path"] == "newTcpsetAPI.do" for one in cloud.emulator.log.as_dict(1000)["requests"])


def outputs(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Kill the collector while it sends to a webhook; every stored sample is received at least once."""
    tally = Tally("kill -9: outputs")
    service = Service()
    try:
        with world(folder) as cloud:
            cloud.write_config(
                cloud.home, tables=f'[[webhook]]\nurl = "{service.url}/in"\nsecret = "hunter2hunter2hunter2hunter2"\n'
            )
            code, text = cloud.run("collect", "--once", "--no-backfill")
            tally.expect(code == 0, "stuck", text)
            usual = _seconds_of_a_poll(cloud)
            work = Work(usual)
            for trial in range(trials):
                cloud.advance(seconds=300)
                cloud.make_due()
                program = cloud.start("collect", "--no-backfill")
                if trial % 2:
                    program.wait_for("saved=true")
                    time.sleep(chance.uniform(0, 0.3 * usual))
                else:
                    work.wait(program, chance, "saved=true")
                tally.struck += program.kill()
                tally.trials += 1
                tally.check_output(program.text, trial)
            _finish(cloud, tally)
            missing = _stored(cloud) - _received(service)
            tally.expect(not missing, "lost", f"{len(missing)} samples were not delivered")
    finally:
        service.close()
    return tally


def _stored(cloud: World) -> set[tuple[Series, int]]:
    with open_store(cloud.store, create=False) as store:
        names = [info.series for info in store.series()]
        return {(one, moment) for one in names for moment in store.sample_times(one, 0, FOREVER)}


def _received(service: Service) -> set[tuple[Series, int]]:
    return {
        (
            Series(one["vendor"], one["plant"], one["device"] or ""),
            int(datetime.fromisoformat(one["measured_at"]).timestamp()),
        )
        for request in service.requests
        for one in json.loads(request.body)["samples"]
    }
