"""Every setting of the catalogues, set and undone on an emulated device, by library and command line."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from heliograph import GoodWe, Growatt
from heliograph.cli.main import run
from heliograph.cli.settings import common
from heliograph.cli.settings.common import resolve_device
from heliograph.config import load
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.settings import Clock, Journal, Orders
from heliograph.settings.definition import matches, validate, windows_of
from support.growatt_emulator import NOON

TABLE = """\
[[account]]
vendor = "{vendor}"
username = "{username}"
password = "{password}"
server = "{server}"
writes = true
grid_code = true
writes_per_day = 1000
requests_per_day = 100000
"""
DEVICES = {
    "growatt": ["tlx", "mix", "spa", "inverter", "storage", "noah", "nexa", "plant"],
    "goodwe": ["inverter", "hybrid"],
}


class EmulatedClock(Clock):
    def __init__(self, emulator):
        self.clock = emulator.world.clock

    def now(self):
        return self.clock.now().timestamp()

    def sleep(self, seconds):
        self.clock.set(datetime.fromtimestamp(self.now() + seconds, self.clock.now().tzinfo))


@pytest.fixture(scope="module")
def world():
    emulator = build_emulator(
        EmulatorOptions(start=datetime.fromisoformat(NOON), speed=0, accounts=2, extra_plants=("nexa",))
    )
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


@pytest.fixture
def accounts(world, tmp_path, monkeypatch):
    """A configuration with one account per vendor."""
    emulator, ready = world
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.setattr(common, "CLOCK", EmulatedClock(emulator))
    servers = {"growatt": ready["growatt"], "goodwe": ready["url"]}
    text = "".join(TABLE.format(server=servers[one["vendor"]], **one) for one in ready["accounts"])
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "config.toml").chmod(0o600)
    return load(tmp_path / "config.toml", {}).accounts


def device_of(accounts, vendor, family, now):
    vendor_accounts = [one for one in accounts if one.vendor == vendor]
    with pytest.raises(Exception, match="Devices:"):
        resolve_device(vendor_accounts, "no such device", now)
    folder = common.journal_folder()
    (path,) = folder.glob(f"{vendor}-*.devices.json")
    rows = [one["device"] for one in json.loads(path.read_text())["devices"]]
    named = next(one for one in reversed(rows) if one["family"] == family)
    return resolve_device(vendor_accounts, named["id"] + ("/plant" if family == "plant" else ""), now)


def as_argument(value):
    return ("on" if value else "off") if isinstance(value, bool) else value


def different(setting, present):
    """Return valid values that differ from the present ones."""
    found = dict(present or {})
    windows = {
        f"{part}{suffix}": number for number, suffix in windows_of(setting) for part in ("start", "end", "enabled")
    }
    window = int(setting.name.rpartition("_")[2]) if setting.name.rpartition("_")[2].isdigit() else 0
    for one in setting.parameters:
        if one.name == "currency":
            continue  # from a list that only the cloud has
        if one.name in windows:
            hour = windows[one.name] + 2 * window
            found[one.name] = (
                {"s": f"{hour:02d}:05", "e": f"{hour:02d}:35"}[one.name[0]] if "enabled" not in one.name else True
            )
            continue
        present_value = found.get(one.name)
        found[one.name] = {
            "number": lambda one=one, present_value=present_value: next(
                v for v in (one.low, one.high) if v != present_value
            ),
            "choice": lambda one=one, present_value=present_value: next(
                (v for v in one.choices if v != present_value), one.choices[0]
            ),
            "switch": lambda present_value=present_value: not present_value,
            "time": lambda present_value=present_value: "03:05" if present_value != "03:05" else "04:05",
            "moment": lambda: "2026-06-21 12:10:00",
            "text": lambda present_value=present_value: "Sunny side" if present_value != "Sunny side" else "Shadow",
        }[one.kind]()
    return validate(setting, found)


def each_setting(accounts, vendor, family):
    """Yield the resolved device, its `Orders`, and each setting with its current values."""
    now = common.CLOCK.now()
    found = device_of(accounts, vendor, family, now)
    orders = common.orders_of(found.account)
    snapshot = orders.look(found.device)
    for name, setting in snapshot.settings.items():
        yield found, orders, setting, snapshot.current[name]


FAMILIES = [(vendor, family) for vendor, families in DEVICES.items() for family in families]


@pytest.mark.parametrize(("vendor", "family"), FAMILIES)
def test_every_setting_is_set_and_undone_by_the_library(vendor, family, accounts, tmp_path):
    count = 0
    for found, orders, setting, before in each_setting(accounts, vendor, family):
        wanted = different(setting, before)
        plan = orders.plan(found.device, {setting.name: wanted})
        order = orders.carry(plan)
        assert order.state == ("applied" if setting.readable else "unknown"), (setting.name, order)
        if plan.notes:
            with pytest.raises(ConfigError):
                orders.undo(found.device)
            # An unset curve is read as 255, and a clock advances.
            assert before is None or setting.name in {"power_factor_curve", "clock"}
            continue
        back = orders.undo(found.device)
        assert back.state == order.state, (setting.name, back)
        assert matches(setting, before, orders.look(found.device).reported[setting.name]), setting.name
        count += 1
    assert count


@pytest.mark.parametrize(("vendor", "family"), FAMILIES)
def test_every_setting_is_set_and_undone_by_the_command_line(vendor, family, accounts, capsys):
    for found, _, setting, before in each_setting(accounts, vendor, family):
        wanted = different(setting, before)
        pairs = [f"{setting.name}.{name}={as_argument(one)}" for name, one in wanted.items()]
        ends = 0 if setting.readable else 4
        assert run(["settings", "set", found.key, *pairs, "--yes", "--json"]) == ends, capsys.readouterr()
        result = json.loads(capsys.readouterr().out)
        assert result["order"]["changes"][0]["new"] == wanted
        if result["notes"]:
            assert run(["settings", "undo", result["order"]["id"], "--yes"]) == 2
            capsys.readouterr()
        else:
            assert run(["settings", "undo", result["order"]["id"], "--yes"]) == ends, capsys.readouterr()
            capsys.readouterr()


def test_setting_of_the_other_goodwe_dialect_is_not_shown_and_not_recorded(accounts, capsys):
    found = device_of(accounts, "goodwe", "hybrid", common.CLOCK.now())
    assert run(["settings", "show", found.key, "--json"]) == 0
    offered = {row["name"] for row in json.loads(capsys.readouterr().out)["settings"]}
    assert ("immediate_charge" in offered, "active_power_rate" in offered) == (True, False)
    for more in (["--yes"], ["--dry-run"]):
        assert run(["settings", "set", found.key, "active_power_rate=50", *more]) == 2
        err = capsys.readouterr().err
        assert "active_power_rate can be set through the SEMS Portal only; this account is served by SEMS+" in err
        assert "Set it in GoodWe's app" in err
    assert list(common.journal_folder().glob("goodwe-*.jsonl")) == []


def test_all_families_of_the_emulator_are_covered(world):
    """`DEVICES` contains all families of the emulated devices."""
    _, ready = world
    for vendor, kind in (("growatt", Growatt), ("goodwe", GoodWe)):
        account = next(one for one in ready["accounts"] if one["vendor"] == vendor)
        server = ready["growatt"] if vendor == "growatt" else ready["url"]
        client = kind(account["username"], account["password"], server=server, keeper=None)
        families = {
            row.device.family for one in client.snapshots() for row in one.devices if client.settings_of(row.device)
        }
        assert families <= set(DEVICES[vendor])


def test_client_without_keeper_needs_a_journal(tmp_path):
    client = Growatt("me", "secret", keeper=None)
    assert Orders(client, journal=Journal(tmp_path, "mine")).log() == ()
    with pytest.raises(Exception, match="keeper=None"):
        Orders(client)
