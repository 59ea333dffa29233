"""Few open files, little memory, a clock that jumps, stopped programs that hold locks, and a database that restarts."""

from __future__ import annotations

import resource
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torture_kills  # adds the tests' support modules to the path
from support.killed_writer import Writer, check
from support.postgres_server import Server, programs
from support.store_fixtures import DatabasePlace
from torture_programs import Tally, Work, world

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def open_files(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Collect with 8 to 64 open files."""
    tally = Tally("`ulimit -n` 8 to 64")
    _limited(folder, tally, trials, lambda part: (resource.RLIMIT_NOFILE, 8 + round(56 * part)))
    chance.random()
    return tally


def memory(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Collect with little more address space than the program has at its start."""
    tally = Tally("`ulimit -v`, 1 to 600 MB more than at the start")
    _limited(folder, tally, trials, lambda part: (resource.RLIMIT_AS, _address_space() + int(2**20 * 600**part)))
    chance.random()
    return tally


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limited(folder: Path, tally: Tally, trials: int, limit_of: Callable[[float], tuple[int, int]]) -> None:
    with world(folder) as cloud:
        for number in range(trials):
            limits = (limit_of(number / max(1, trials - 1)),)
            home = folder / f"home-{number}"
            home.mkdir()
            cloud.write_config(home)
            trial = f"{limits[0][1]}"
            tally.trials += 1
            before = sum(cloud.emulator.log.as_dict(0)["logins"].values())
            cloud.advance(seconds=300)
            code, text = cloud.run("collect", "--once", "--no-backfill", home=home, limits=limits)
            tally.check_output(text, trial)
            tally.struck += code != 0
            saved = "saved=true" in text
            store = home / cloud.store.name
            known = cloud.times(store) if saved else None
            cloud.advance(seconds=300)
            code, text = cloud.run("collect", "--once", "--no-backfill", home=home)
            tally.check_output(text, f"{trial}: without limit")
            tally.expect(code == 0, "stuck", f"{trial}: {text[-400:]}")
            if code == 0 and known is not None:
                found = cloud.times(store)
                tally.expect(all(old < new for old, new in zip(known, found, strict=True)), "lost", trial)
            logins = sum(cloud.emulator.log.as_dict(0)["logins"].values()) - before
            tally.expect(logins <= 2, "mistakes", f"{trial}: {logins} logins")


def clock_jumps(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Collect and read current values while the machine's clock jumps by hours, days and a month."""
    tally = Tally("clock jumps (`faketime`)")
    if shutil.which("faketime") is None:
        tally.skipped = "`faketime` is not installed"
        return tally
    hour, day = 3600, 86_400
    jumps = [hour, -hour, day, -day, 30 * day, -30 * day]
    commands = [("collect", "--once", "--no-backfill"), ("now", "--json")]
    with world(folder) as cloud:
        known = cloud.times()
        for trial in range(trials):
            seconds, words = jumps[trial // 2 % len(jumps)], commands[trial % 2]
            cloud.advance(seconds=300)
            code, text = cloud.run_shifted(seconds, *words)
            tally.trials += 1
            tally.check_output(text, f"{seconds} s: {words[0]}")
            tally.struck += bool(seconds)
            tally.expect(code == 0, "stuck", f"{seconds} s: {words[0]}: {text[-400:]}")
            found = cloud.times()
            tally.expect(all(old <= new for old, new in zip(known, found, strict=True)), "lost", f"{seconds} s")
            if words[0] == "collect":
                tally.expect(code != 0 or known != found, "lost", f"{seconds} s: nothing new")
            known = found
        for words in commands:
            cloud.advance(seconds=300)
            code, text = cloud.run(*words)
            tally.expect(code == 0, "stuck", f"{words[0]} afterwards: {text[-400:]}")
        now = cloud.emulator.world.clock.now().timestamp()
        tally.expect(all(moment <= now for times in cloud.times() for moment in times), "mistakes", "a future sample")
        logins = sum(cloud.emulator.log.as_dict(0)["logins"].values())
        tally.expect(logins == 1, "mistakes", f"{logins} logins")
    chance.random()
    return tally


def stopped_holders(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Stop a collector that holds its locks: others are refused or read on, and it continues as if nothing was."""
    tally = Tally("SIGSTOP of a lock holder")
    with world(folder) as cloud:
        code, text = cloud.run("collect", "--once", "--no-backfill")
        tally.expect(code == 0, "stuck", text)
        poll = Work(0.3)
        for trial in range(trials):
            known = cloud.times()
            cloud.advance(seconds=300)
            cloud.make_due()
            holder = cloud.start("collect", "--no-backfill")
            tally.expect(holder.wait_for("collector.started"), "stuck", f"{trial}: {holder.text[-300:]}")
            poll.wait(holder, chance, "poll.done")
            holder.signal(signal.SIGSTOP)
            tally.trials += 1
            tally.struck += "poll.done" not in holder.text
            code, text = cloud.run("status")
            tally.check_output(text, f"{trial}: status")
            for words in (("collect", "--once"), ("doctor", "--repair")):
                code, text = cloud.run(*words)
                refused = code == 1 and ("another collector is" in text or "a collector is using it" in text)
                tally.expect(refused, "mistakes", f"{trial}: {words} {code} {text[-300:]}")
            if trial % 3 == 2:
                holder.kill()
                code, text = cloud.run("collect", "--once", "--no-backfill")
                tally.expect(code == 0, "stuck", f"{trial}: {text[-300:]}")
            else:
                holder.signal(signal.SIGCONT)
                tally.expect(holder.wait_for("saved=true"), "stuck", f"{trial}: {holder.text[-300:]}")
                holder.signal(signal.SIGTERM)
                tally.expect(holder.wait() == 0, "stuck", f"{trial}: {holder.text[-300:]}")
            tally.check_output(holder.text, trial)
            found = cloud.times()
            tally.expect(all(old < new for old, new in zip(known, found, strict=True)), "lost", f"{trial}")
        tally.expect(torture_kills.is_sound(cloud.store), "torn", "integrity_check")
    return tally


def postgres_restarts(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Restart PostgreSQL while a program writes, in order and by a crash; the writer continues by itself."""
    tally = Tally("PostgreSQL restarted during writes")
    try:
        binaries = programs()
    except BaseException as error:  # noqa: BLE001 - pytest's outcome is no Exception
        tally.skipped = str(error)
        return tally
    place = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))
    server = Server(binaries, place)
    server.start()
    try:
        database = DatabasePlace(server.url)
        there = 0
        with Writer(database.where) as writer:
            for trial in range(trials):
                writer.begin(there)
                for _ in range(1 + trial % 3):
                    writer.wait()
                time.sleep(chance.uniform(0, 0.05))
                server.stop(signal.SIGQUIT if trial % 2 else signal.SIGINT)
                server.start()
                tally.trials += 1
                tally.struck += 1
                with database.open() as store:
                    now = store.latest(torture_kills.Series("growatt", "11"))[0].measured_at // 1000
                tally.expect(now >= writer.acknowledged, "lost", f"{trial}: {now} of {writer.acknowledged}")
                while writer.acknowledged < now + 2:
                    writer.wait()
                writer.kill()
                with database.open() as store:
                    try:
                        there = check(store, writer.acknowledged)
                    except AssertionError as error:
                        tally.expect(False, "torn", f"{trial}: {error}")
                        break
    finally:
        server.stop()
        shutil.rmtree(place)
    folder.mkdir(exist_ok=True)
    return tally
