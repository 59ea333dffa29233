"""Voltages, currents and temperatures of emulated GoodWe inverters agree with their powers and vary with them."""

from __future__ import annotations

from datetime import datetime

import pytest

from heliograph.emulator.clouds.goodwe import EMULATION, electrics, inverters
from heliograph.emulator.clouds.goodwe.inverter_model import inverters_of
from heliograph.emulator.main import EmulatorOptions, build_emulator

TIMES = [f"2026-06-21T{hour:02d}:02:00+02:00" for hour in (2, 7, 10, 13, 17, 20)]


def frames(family, seed=7):
    """Return the inverters of a plant and their registers at several times of a day."""
    found = []
    for start in TIMES:
        options = EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=1, seed=seed)
        emulator = build_emulator(options, [EMULATION])
        (account,) = emulator.accounts
        plant = next(plant for plant in account.plants if plant.family == family)
        found += [
            (inverter, inverters.registers(inverter)) for inverter in inverters_of(plant, account, _Moment(emulator))
        ]
    return found


class _Moment:
    """What `inverters_of` needs of a request."""

    def __init__(self, emulator):
        self.now = emulator.world.clock.now
        self.uploaded_at = emulator.world.uploaded_at

    def fault(self, name):
        return None


@pytest.mark.parametrize("family", ["single", "hybrid", "meter", "several"])
def test_powers_are_voltage_times_current(family):
    for inverter, full in frames(family):
        strings, phases = range(1, inverter.family.strings + 1), range(1, inverter.family.phases + 1)
        solar = sum(full[f"vpv{place}"] * full[f"ipv{place}"] for place in strings)
        # Currents are rounded to 0.1 A.
        assert solar == pytest.approx(inverter.values["pv_power"], abs=0.05 * 390 * len(strings) + 1)
        output = sum(full[f"vac{place}"] * full[f"iac{place}"] for place in phases)
        expected = abs(inverter.values["ac_power"]) if inverter.status >= 0 else 0.0
        assert output == pytest.approx(expected, abs=0.05 * 240 * len(phases) + 1)
        if inverter.has_battery:
            stored = full["vbattery1"] * full["ibattery1"]
            assert stored == pytest.approx(inverter.values["battery_power"], abs=0.05 * 220 + 1)


@pytest.mark.parametrize("family", ["single", "hybrid", "meter"])
def test_voltages_and_temperatures_vary_within_plausible_limits(family):
    rows = [(inverter, full) for inverter, full in frames(family) if inverter.values["pv_power"] > 0]
    limits = {"vpv1": (300, 400), "vac1": (220, 240), "tempperature": (15, 60)}
    for name, (low, high) in limits.items():
        values = [full[name] for _, full in rows]
        assert len(set(values)) > 2, (name, values)  # a battery may keep the grid at 0 for hours
        assert all(low < value < high for value in values), (name, values)
    by_sun = sorted(rows, key=lambda row: row[0].values["pv_power"])
    assert [full["vpv1"] for _, full in by_sun] == sorted(full["vpv1"] for _, full in rows)


def test_export_raises_the_grid_voltage_and_load_the_temperature():
    inverter, _ = frames("hybrid")[0]
    usual = {"pv_power": 3000.0, "ac_power": 3000.0, "grid_power": 0.0}
    exporting, importing = usual | {"grid_power": -3000.0}, usual | {"grid_power": 3000.0}
    volts = [electrics.grid_voltage(inverter, values) for values in (importing, usual, exporting)]
    assert volts == sorted(set(volts))
    idle = electrics.temperature(inverter, usual | {"ac_power": 0.0})
    assert idle < electrics.temperature(inverter, usual)


def test_dark_inverter_has_no_voltage():
    asleep, full = frames("single")[0]
    assert (asleep.status, full["vpv1"], full["ipv1"], full["vac1"], full["tempperature"]) == (-1, 0.0, 0.0, 0.0, 0.0)


def test_values_depend_on_the_seed_only():
    first, second, other = ([full for _, full in frames("several", seed)] for seed in (7, 7, 8))
    assert [row["vpv1"] for row in first] == [row["vpv1"] for row in second]
    assert [row["vpv1"] for row in first] != [row["vpv1"] for row in other]
    assert len({row["tempperature"] for row in first[3:6]}) == 3  # inverters of one plant differ
