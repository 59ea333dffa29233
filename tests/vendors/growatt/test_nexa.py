"""A NEXA balcony battery: found beside a NOAH, read by its own calls, and consistent with its simulated household."""

from __future__ import annotations

from datetime import UTC

import pytest

from heliograph.errors import ConfigError, RequestRefused
from heliograph.model import Device, Status
from heliograph.vendors.base import PollRhythm
from support.growatt_emulator import EmulatedCloud, served_cloud

RHYTHM = PollRhythm(interval=600.0, flow_interval=600.0, slow_interval=3600.0)


@pytest.fixture(scope="module")
def nexa():
    with served_cloud(extra_plants=["nexa"], keeper=None) as (cloud, client):
        yield cloud, client, cloud.plant("nexa"), cloud.device("nexa")


def requests(cloud):
    return cloud.emulator.log.as_dict(0)["clouds"]["growatt"]["requests"]


def test_snapshot_of_a_nexa_has_the_values_of_its_household(nexa):
    cloud, client, plant, serial = nexa
    snapshot = client.snapshot(plant)
    true = cloud.true_values("nexa")
    (device,) = snapshot.devices
    assert (device.device.family, device.device.id, device.device.name) == ("nexa", serial, "NEXA 2000")
    assert device.status is Status.ONLINE
    for name in ("pv_power", "battery_power", "grid_power", "load_power", "pv_energy_today", "pv_energy_total"):
        assert snapshot.values[name] == pytest.approx(true[name], abs=0.06), name
    assert snapshot.values["battery_soc"] == round(true["battery_soc"])
    assert snapshot.sources["pv_power"].startswith("nexa_system_status")
    assert "ac_power" not in snapshot.values  # it is always 0


def test_live_poll_of_a_nexa_takes_one_request_and_sees_the_same_values(nexa):
    cloud, client, plant, _ = nexa
    client.live(RHYTHM, [plant])
    before = requests(cloud)
    poll = client.live(PollRhythm(interval=600.0, flow_interval=600.0, slow_interval=float("inf")), [plant])
    assert requests(cloud) - before == 1
    assert poll.snapshots[0].values["pv_power"] == pytest.approx(cloud.true_values("nexa")["pv_power"], abs=0.06)


def test_history_of_a_nexa_is_that_of_its_household(nexa):
    cloud, client, plant, _ = nexa
    curve = {sample.moment: sample.values for sample in client.day_curve(plant, "2026-06-20")}
    true = {moment.astimezone(UTC): values for moment, values in cloud.household("nexa").curve("2026-06-20")}
    assert len(curve) > 200
    for moment, values in curve.items():
        assert values.keys() == {"pv_power", "load_power"}
        assert values["pv_power"] == pytest.approx(true[moment]["pv_power"], abs=0.06)
        assert values["load_power"] == pytest.approx(true[moment]["load_power"], abs=0.06)
    for period in ("2026-06", "2026", ""):
        for row in client.period_energies(plant, period):
            assert row.values == {
                "pv_energy": pytest.approx(cloud.household("nexa").energies(row.period)["pv_energy"], abs=0.06)
            }


def test_battery_packs_of_nexa_and_noah(nexa):
    cloud, client, _, serial = nexa
    packs = client.nexa_battery_data(serial).packs
    assert [pack.id for pack in packs] == list(cloud.plants["nexa"].devices)
    assert {pack.state_of_charge for pack in packs} == {round(cloud.true_values("nexa")["battery_soc"])}
    assert all(10 < pack.temperature < 40 for pack in packs)
    batteries = client.noah_battery_data(cloud.device("noah"))
    assert [pack.id for pack in batteries.packs] == [cloud.device("noah")]
    assert batteries.temperature_unit == "0"


def test_calls_of_a_noah_do_not_know_a_nexa_and_the_reverse(nexa):
    cloud, client, _, serial = nexa
    for call in (client.noah_system_status, client.noah_info, client.noah_battery_data):
        with pytest.raises(RequestRefused):
            call(serial)
    for call in (client.nexa_system_status, client.nexa_info, client.nexa_battery_data):
        with pytest.raises(RequestRefused):
            call(cloud.device("noah"))


def test_nexa_settings_are_written_and_read_back(nexa):
    _, client, plant, serial = nexa
    device = Device(vendor="growatt", plant=plant, id=serial, family="nexa")
    client.write_setting(device, "default_output", {"mode": "battery-first", "power": 250})
    client.write_setting(device, "grid_charging", {"value": True})
    found = client.nexa_info(serial).settings
    assert (found.default_mode, found.default_power, found.grid_charging) == ("1", 250.0, True)
    assert client.read_settings(device)["default_output"] == {"mode": "battery-first", "power": 250.0}


def test_extra_plant_changes_no_other_plant():
    usual, extended = EmulatedCloud(), EmulatedCloud(extra_plants=["nexa"])
    assert [plant.id for plant in extended.holder.plants[:-1]] == [plant.id for plant in usual.holder.plants]
    assert [plant.devices for plant in extended.holder.plants[:-1]] == [plant.devices for plant in usual.holder.plants]
    assert extended.holder.password == usual.holder.password
    assert extended.true_values("mix") == usual.true_values("mix")


def test_unknown_extra_plant_is_rejected_with_the_known_ones():
    with pytest.raises(ConfigError, match="no emulated cloud has an optional plant 'next'; they are: max, nexa"):
        EmulatedCloud(extra_plants=["next"])


# Charts of plants and accounts


def test_plant_chart_has_a_day_a_month_a_year_and_all_years(nexa):
    cloud, client, _, _ = nexa
    plant, home = cloud.plant("tlx"), cloud.household("tlx")
    day = client.plant_chart(plant, 1, "2026-06-20").energies
    curve = {f"{moment:%H:%M}": values["ac_power"] for moment, values in home.curve("2026-06-20")}
    assert {time: float(text) for time, text in day.items()} == {
        time: pytest.approx(watts, abs=0.06) for time, watts in curve.items() if watts
    }
    assert client.plant_chart(plant, 2, "2026-06").raw == client.plant_detail(plant, 1, "2026-06").raw
    assert client.plant_chart(plant, 3, "2026-06").raw == client.plant_detail(plant, 2, "2026-06").raw
    years = client.plant_chart(plant, 4, "2026-06").energies
    assert float(years["2026"]) == pytest.approx(home.energies("2026")["pv_energy"], abs=0.06)
    assert client.plant_chart(plant, 4).raw == client.plant_years(plant, 2026).raw


def test_account_energy_is_the_sum_of_its_plants(nexa):
    cloud, client, _, _ = nexa
    found = client.account_energy_data()
    true = [cloud.true_values(family) for family in cloud.plants]
    assert found.energy_today == pytest.approx(sum(one["pv_energy_today"] for one in true), abs=0.06)
    assert found.energy_total == pytest.approx(sum(one["pv_energy_total"] for one in true), abs=0.06)
    assert found.power == pytest.approx(sum(one["pv_power"] for one in true), abs=0.06)
    assert (found.plant_count, found.devices.online, found.devices.offline) == (len(true), len(true), 0)
    assert found.money_today.startswith("€")
