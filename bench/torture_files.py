"""Damaged files: flipped bits in store, write-ahead log, account state, journal and passwords; rows changed by hand."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import StoreError
from heliograph.metrics import METRICS
from heliograph.store import open_store
from torture_kills import is_sound
from torture_programs import Tally, World, world

if TYPE_CHECKING:
    import random
    from pathlib import Path

DAYS = ("2025-06-18", "2025-06-20")

STATEMENTS = (
    "UPDATE sample SET quality = 'l1ve' WHERE rowid_of = 0",
    "UPDATE sample SET status = 'fine'",
    "UPDATE sample SET pv_power = 'a lot' WHERE measured_at % 7 = 0",
    "UPDATE sample SET pv_power = X'00ff'",
    "UPDATE sample SET measured_at = 1e300 WHERE series = 1 AND measured_at = (SELECT max(measured_at) FROM sample)",
    "UPDATE sample SET measured_at = -1 - 9223372036854775807 WHERE series = 1 AND measured_at = 1750287300",
    "UPDATE sample SET measured_at = 9223372036854775807 WHERE series = 1 AND measured_at = 1750287600",
    "UPDATE sample SET measured_at = 'noon' WHERE series = 1 AND measured_at = (SELECT max(measured_at) FROM sample)",
    "UPDATE sample SET fetched_at = 'later'",
    "UPDATE sample SET grid_power = 9e999",
    "UPDATE counter SET state = 'no JSON'",
    "UPDATE counter SET state = '[[[[1]]]]'",
    'UPDATE counter SET state = \'{"pv_energy": "x"}\'',
    "UPDATE day SET day = 'tomorrow' WHERE day = (SELECT max(day) FROM day) AND series = 1",
    "UPDATE day SET pv_energy = 'much'",
    "UPDATE day SET final = 7",
    "UPDATE asked SET outcome = 'maybe', asked_at = 'once'",
    "UPDATE asked SET period = '2025-99' WHERE period = (SELECT max(period) FROM asked) AND series = 1",
    "UPDATE series SET zone = '../../etc/passwd'",
    "UPDATE series SET name = X'fffe', family = 12",
    "DELETE FROM series WHERE id = 1",
    "UPDATE sample SET series = 999 WHERE series = 1",
    "DROP TABLE repair",
    "DROP TABLE counter",
    "INSERT INTO repair SELECT series, measured_at, 'no_metric', 'x', 'y', 'z' FROM sample LIMIT 3",
)
"""Changes of a sound file by somebody else."""
STATEMENTS = tuple(one.replace("WHERE rowid_of = 0", "WHERE measured_at % 5 = 0") for one in STATEMENTS)


def flip_bits(path: Path, chance: random.Random, most: int) -> None:
    """Flip one to `most` bits of a file."""
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, most)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))


def _filled(cloud: World) -> None:
    code, text = cloud.run("backfill", "--since", DAYS[0], "--until", DAYS[1])
    assert code == 0, text
    for _ in range(4):
        cloud.advance(seconds=300)
        code, text = cloud.run("collect", "--once", "--no-backfill")
        while "poll.waiting" in text:  # the requests of the backfill are spread over the day
            time.sleep(5)
            code, text = cloud.run("collect", "--once", "--no-backfill")
        assert code == 0, text


def _copy(cloud: World, folder: Path, trial: int) -> Path:
    home = folder / f"copy-{trial}"
    shutil.copytree(cloud.home, home)
    return home


def store_bits(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Flip bits of the store, as after a power failure: it is checked beside collection, and repaired by a command."""
    tally = Tally("flipped bits: store")
    with world(folder) as cloud:
        _filled(cloud)
        whole = cloud.times()
        for trial in range(trials):
            home = _copy(cloud, folder, trial)
            flip_bits(home / cloud.store.name, chance, 2 ** (trial % 9))
            (home / f"{cloud.store.name}.unclean").touch()
            _use_damaged(cloud, home, tally, trial, whole)
            shutil.rmtree(home)
    return tally


def log_bits(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Flip bits of the write-ahead log of a killed collector: SQLite ignores it from the first damaged commit on."""
    tally = Tally("flipped bits: write-ahead log")
    with world(folder) as cloud:
        _filled(cloud)
        cloud.advance(seconds=300)
        cloud.make_due()
        program = cloud.start("collect", "--no-backfill")
        program.wait_for("saved=true")
        program.kill()
        # Each use of a store ends its log, so only copies are used.
        whole = cloud.times(_copy(cloud, folder, trials) / cloud.store.name)
        for trial in range(trials):
            home = _copy(cloud, folder, trial)
            (home / f"{cloud.store.name}-shm").unlink(missing_ok=True)
            flip_bits(home / f"{cloud.store.name}-wal", chance, 2 ** (trial % 7))
            copy = _copy(cloud, folder, trials + 1)
            shutil.copytree(home, copy, dirs_exist_ok=True)
            tally.struck += cloud.times(copy / cloud.store.name) != whole
            shutil.rmtree(copy)
            _use_damaged(cloud, home, tally, trial, whole)
            shutil.rmtree(home)
    return tally


def _use_damaged(cloud: World, home: Path, tally: Tally, trial: int, whole: list[set[int]]) -> None:
    """Collect into a damaged store, repair it if told to, and read everything."""
    tally.trials += 1
    store = home / cloud.store.name
    cloud.advance(seconds=300)
    _, said = cloud.run("status", home=home)
    tally.check_output(said, f"{trial}: status")
    code, text = cloud.run("collect", "--once", "--no-backfill", home=home)
    tally.check_output(text, f"{trial}: collect")
    acknowledged = _fresh(cloud, store, whole) if "saved=true" in text else None
    problem, readable = _unreadable(store)
    needs = code != 0 or "store.damaged" in text or problem
    tally.struck += bool(needs)
    if needs:
        command = _printed_command(said + text + problem)
        tally.expect(command is not None, "stuck", f"{trial}: no command in {(said + text + problem)[-300:]}")
        code, repaired = cloud.run(*(command or ["doctor", "--repair"]), home=home)
        tally.check_output(repaired, f"{trial}: repair")
        tally.expect(code == 0, "stuck", f"{trial}: {repaired[-300:]}")
        tally.commands += 1
        again = cloud.run(*(command or ["doctor", "--repair"]), home=home)
        tally.expect(again[0] == 0 and "is not damaged" in again[1], "stuck", f"{trial}: again {again[1][-300:]}")
    cloud.advance(seconds=300)
    code, text = cloud.run("collect", "--once", "--no-backfill", home=home)
    tally.check_output(text, f"{trial}: collect after all")
    tally.expect(code == 0, "stuck", f"{trial}: {text[-300:]}")
    problem, readable = _unreadable(store)
    tally.expect(not problem and is_sound(store), "stuck", f"{trial}: {problem}")
    tally.expect(readable > 0, "lost", f"{trial}: nothing is left")
    if acknowledged is not None:
        now = cloud.times(store)
        tally.expect(any(acknowledged), "lost", f"{trial}: not stored")
        tally.expect(all(old <= new for old, new in zip(acknowledged, now, strict=True)), "lost", f"{trial}: saved")


def _fresh(cloud: World, store: Path, whole: list[set[int]]) -> list[set[int]] | None:
    """Return the samples that were stored after the damage, which it cannot have hit."""
    try:
        # Samples that are older than these are damaged ones, whose times were changed.
        return [{one for one in new if one > max(old)} for old, new in zip(whole, cloud.times(store), strict=True)]
    except StoreError:
        return None


def _unreadable(store: Path) -> tuple[str, int]:
    """Read everything; return the error if that fails, and the number of samples."""
    samples = 0
    try:
        with open_store(store, create=False) as opened:
            opened.latest()
            for info in opened.series():
                for one in opened.samples(info.series, -(1 << 48), 1 << 48):
                    samples += 1
                    for name, value in one.values.items():
                        assert value is None or isinstance(value, float), (name, value)
                        assert name in METRICS
    except StoreError as error:
        return str(error), samples
    return "", samples


def _printed_command(text: str) -> list[str] | None:
    """Return the command that a program printed."""
    start = text.find("heliograph doctor --repair")
    if start < 0:
        return None
    line = text[start:].partition("\n")[0].rstrip('")').replace('\\"', '"')
    return shlex.split(line.partition(")")[0])[1 : 5 if "--store" in line else 3]


def state_bits(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Flip bits of the account state: collection goes on, with at most one new login."""
    tally = Tally("flipped bits: account state")
    with world(folder) as cloud:
        _filled(cloud)
        for trial in range(trials):
            home = _copy(cloud, folder, trial)
            (state,) = (home / "accounts").glob("*.json")
            flip_bits(state, chance, 2 ** (trial % 7))
            before = sum(cloud.emulator.log.as_dict(0)["logins"].values())
            _use_home(cloud, home, tally, trial)
            logins = sum(cloud.emulator.log.as_dict(0)["logins"].values()) - before
            tally.struck += logins > 0
            tally.expect(logins <= 1, "mistakes", f"{trial}: {logins} logins")
            shutil.rmtree(home)
    return tally


def journal_bits(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Flip bits of the journal of settings changes: nothing is sent because of it, and changes go on."""
    tally = Tally("flipped bits: journal")
    with world(folder) as cloud:
        cloud.write_config(cloud.home, more="writes = true")
        plant = {one.family: one for one in cloud.emulator.accounts[0].plants}["tlx-battery"]
        for value in (60, 61, 62):
            code, text = cloud.run("settings", "set", plant.devices[0], f"charge_stop_soc={value}", "--yes")
            assert code == 0, text
        _, usual = cloud.run("settings", "log")
        for trial in range(trials):
            home = _copy(cloud, folder, trial)
            (journal,) = (home / "orders").glob("*.jsonl")
            flip_bits(journal, chance, 2 ** (trial % 7))
            tally.trials += 1
            has = plant.settings["tlx"]["charge_stop_soc"]
            for words in (("settings", "log"), ("settings", "check")):
                code, text = cloud.run(*words, home=home)
                tally.check_output(text, f"{trial}: {words}")
                tally.struck += words[1] == "log" and text != usual
            tally.expect(plant.settings["tlx"]["charge_stop_soc"] == has, "mistakes", f"{trial}: sent")
            value = str(70 + trial % 20)
            code, text = cloud.run("settings", "set", plant.devices[0], f"charge_stop_soc={value}", "--yes", home=home)
            tally.check_output(text, f"{trial}: set")
            tally.expect(code == 0 or "heliograph" in text, "stuck", f"{trial}: {code} {text[-300:]}")
            shutil.rmtree(home)
    return tally


def password_bits(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Flip bits of the password file: the login that fails names the command, and nothing is sent a second time."""
    tally = Tally("flipped bits: passwords")
    with world(folder) as cloud:
        _filled(cloud)
        one = cloud.account
        text = cloud.config.read_text()
        cloud.config.write_text("".join(line for line in text.splitlines(keepends=True) if "password" not in line))
        for trial in range(trials):
            home = _copy(cloud, folder, trial)
            PasswordStore(home, keyring=False).save(one["vendor"], one["username"], Secret(one["password"]))
            for state in (home / "accounts").glob("*.json"):
                state.unlink()  # so that a login is needed
            (file,) = home.glob("passwords*.json")
            flip_bits(file, chance, 2 ** (trial % 6))
            tally.trials += 1
            before = cloud.emulator.log.as_dict(0)
            code, text = cloud.run("collect", "--once", "--no-backfill", home=home)
            tally.check_output(text, trial)
            tally.struck += code != 0
            tally.expect(one["password"] not in text, "mistakes", f"{trial}: the password is shown")
            again, said = cloud.run("collect", "--once", "--no-backfill", home=home)
            printed = "heliograph login" in text + said  # a password with one other letter is refused first
            tally.expect(again == 0 or printed, "stuck", f"{trial}: {code} {(text + said)[-600:]}")
            after = cloud.emulator.log.as_dict(0)
            refused = sum(after["rejected_logins"].values()) - sum(before["rejected_logins"].values())
            tally.expect(refused <= 1, "mistakes", f"{trial}: {refused} refused logins")
            shutil.rmtree(home)
    return tally


def _use_home(cloud: World, home: Path, tally: Tally, trial: int) -> None:
    """Collect and show the status; the store's data is still there."""
    tally.trials += 1
    known = cloud.times(home / cloud.store.name)
    cloud.advance(seconds=300)
    for words in (("status",), ("collect", "--once", "--no-backfill"), ("doctor",)):
        code, text = cloud.run(*words, home=home)
        tally.check_output(text, f"{trial}: {words[0]}")
        tally.expect(code == 0 or words[0] != "collect", "stuck", f"{trial}: {words[0]} {text[-300:]}")
    found = cloud.times(home / cloud.store.name)
    tally.expect(all(old <= new for old, new in zip(known, found, strict=True)), "lost", f"{trial}")


def damaged_rows(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Change rows of a sound store by hand: each command works, or says which command repairs the store."""
    tally = Tally("rows changed by hand")
    with world(folder) as cloud:
        _filled(cloud)
        for trial, statement in enumerate(STATEMENTS[:trials]):
            home = _copy(cloud, folder, trial)
            with closing(sqlite3.connect(home / cloud.store.name)) as database, database:
                database.execute(statement)
            tally.trials += 1
            chance.random()
            said, codes = "", []
            for words in (
                ("status",),
                ("collect", "--once", "--no-backfill"),
                ("history", "--year", "2025", "--json"),
                ("export", "--from", DAYS[0]),
            ):
                cloud.advance(seconds=60)
                code, text = cloud.run(*words, home=home)
                tally.check_output(text, f"{statement}: {words[0]}")
                said += text if code else ""
                codes.append(code)
            if any(codes):
                tally.struck += 1
                command = _printed_command(said)
                tally.expect(command is not None, "stuck", f"{statement}: {codes} {said[-300:]}")
            code, text = cloud.run("doctor", "--repair", home=home)
            tally.check_output(text, f"{statement}: repair")
            tally.expect(code == 0, "stuck", f"{statement}: {text[-300:]}")
            tally.commands += "is repaired" in text
            cloud.advance(seconds=300)
            for words in (("status",), ("collect", "--once", "--no-backfill"), ("history", "--year", "2025", "--json")):
                code, text = cloud.run(*words, home=home)
                tally.check_output(text, f"{statement}: {words[0]} afterwards")
                tally.expect(code == 0, "stuck", f"{statement}: {words[0]} {code} {text[-300:]}")
            shutil.rmtree(home)
    return tally
