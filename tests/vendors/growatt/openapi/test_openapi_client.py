"""The client of the token API against the emulated cloud, over sockets: regions, intervals, errors, snapshots."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, timedelta

import pytest

from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import InvalidCredentials, RequestRefused, Throttled
from heliograph.keeper import Keeper
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.growatt import Growatt
from heliograph.vendors.growatt.openapi import AsyncGrowattToken, GrowattToken, auth, limits

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
BERLIN = "Europe/Berlin"


@pytest.fixture
def emulator():
    return build_emulator(EmulatorOptions(start=NOON, speed=0), [EMULATION])


@pytest.fixture
def ready(emulator):
    with serve_in_thread(emulator) as ready:
        yield ready


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)
    monkeypatch.setattr(limits, "COMMAND_GAP", 0.0)


@pytest.fixture
def now():
    return [NOON.timestamp()]


@pytest.fixture
def client(ready, emulator, now, tmp_path):
    token = ready["accounts"][0]["token"]

    def clock():
        emulator.world.clock.set(datetime.fromtimestamp(now[0], NOON.tzinfo))
        return now[0]

    keeper = Keeper(tmp_path / "accounts")
    return GrowattToken(token, server=ready["growatt"], zone=BERLIN, keeper=keeper, interactive=True, clock=clock)


def log(emulator):
    return json.loads(emulator.respond("GET", "/control/log").body)


def sent(emulator):
    return log(emulator)["clouds"]["growatt"]["requests"]


def plant(emulator, family):
    return next(plant for plant in emulator.accounts[0].plants if plant.family == family)


ROUNDED = 10.0
"""W by which the kW with two decimals of the password API may differ."""


def test_snapshots_agree_with_those_of_the_password_api(client, ready, emulator):
    account = ready["accounts"][0]
    with Growatt(account["username"], account["password"], server=ready["growatt"], keeper=None, zone=BERLIN) as other:
        by_password = {snapshot.plant.id: snapshot for snapshot in other.snapshots()}
    by_token = {snapshot.plant.id: snapshot for snapshot in client.snapshots()}
    assert by_token.keys() == by_password.keys()
    compared = 0
    for plant_id, snapshot in by_token.items():
        for name, value in snapshot.values.items():
            expected = by_password[plant_id].values.get(name)
            if value is not None and expected is not None:
                compared += 1
                assert abs(value - expected) <= (ROUNDED if name.endswith("power") else 0.1), (plant_id, name)
        assert snapshot.measured_at == by_password[plant_id].measured_at
        assert snapshot.status is by_password[plant_id].status
    assert compared > 50


def test_single_plant_is_polled_with_one_request(client, emulator, now):
    min_plant = plant(emulator, "tlx-battery").id
    client.snapshot(min_plant)
    before = client.budget.requests_used
    now[0] += 310
    snapshot = client.snapshot(min_plant)
    assert client.budget.requests_used == before + 1
    assert None not in (snapshot.battery_soc, snapshot.grid_power)


def test_equal_call_within_its_interval_is_not_sent(client, emulator, now):
    mix = plant(emulator, "tlx").id
    client.snapshot(mix)
    used = client.budget.requests_used
    now[0] += 200
    with pytest.raises(Throttled, match="was sent 200 s ago") as caught:
        client.snapshot(mix, max_age=0)
    assert caught.value.retry_after == pytest.approx(105)
    assert client.budget.requests_used == used
    # Only this call has to wait, not the account.
    assert client.budget.pause is None
    assert client.v1_plant_details(mix).name


def test_call_refused_as_too_often_makes_only_this_call_wait(client, emulator):
    emulator.faults.set({"too_often": True})
    with pytest.raises(Throttled, match="too often"):
        client.v1_plant_data(plant(emulator, "tlx").id)
    emulator.faults.set({"too_often": None})
    assert client.budget.pause is None
    assert client.plants()


def test_unknown_token_is_asked_once_and_not_again(ready, emulator, tmp_path):
    options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True}
    with pytest.raises(InvalidCredentials, match="ShinePhone app: Me, account name, API Token"):
        GrowattToken("0" * 32, **options).plants()
    sent_before = sent(emulator)
    with pytest.raises(InvalidCredentials, match="not sent again"):
        GrowattToken("0" * 32, **options).plants()
    assert sent(emulator) == sent_before


def test_region_is_found_by_asking_each_server_once(ready, monkeypatch, tmp_path):
    asked = []
    # The host of another region answers with the portal's login page.
    servers = {"eu": ready["growatt"] + "v1/", "us": ready["growatt"], "au": ready["growatt"], "cn": ready["growatt"]}
    monkeypatch.setattr(auth, "SERVERS", servers)
    monkeypatch.setattr(auth, "resolve_server", lambda server: ready["growatt"])
    real = auth.GrowattTokenProtocol.build_request

    def noted(self, session, call):
        asked.append(session.base)
        return real(self, session, call)

    monkeypatch.setattr(auth.GrowattTokenProtocol, "build_request", noted)
    token = ready["accounts"][0]["token"]
    options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True, "zone": BERLIN}
    assert len(GrowattToken(token, **options).plants()) == 7
    assert asked == [servers["eu"], servers["us"]]
    GrowattToken(token, **options).v1_plant_details(GrowattToken(token, **options).plants()[0].id)
    assert asked[2:] == [servers["us"]]


def test_token_is_sent_in_its_header_only(client, emulator, ready, tmp_path):
    client.snapshots()
    token = ready["accounts"][0]["token"]
    assert token not in json.dumps(log(emulator))
    assert token not in repr(client) + repr(client.session)
    assert all(token[:8] not in path.name for path in (tmp_path / "accounts").iterdir())


def test_token_without_device_permission_still_reports_the_yield(client, emulator):
    emulator.faults.set({"no_permission": True})
    snapshot = client.snapshot(plant(emulator, "tlx").id)
    assert snapshot.pv_power is None
    assert snapshot.pv_energy_total == pytest.approx(
        plant(emulator, "tlx").households[0].values(NOON)["pv_energy_total"], abs=0.1
    )
    with pytest.raises(RequestRefused, match="only Growatt can grant"):
        client.v1_min_settings(plant(emulator, "tlx").devices[0])


def test_empty_device_list_keeps_the_known_devices(client, emulator, now):
    plant_id = plant(emulator, "tlx-battery").id
    client.snapshot(plant_id)
    emulator.faults.set({"empty_devices": True})
    now[0] += 25 * 3600
    assert client.snapshot(plant_id).devices


def test_replaced_token_is_reported_after_one_search(client, emulator, now):
    client.plants()
    emulator.faults.set({"token_replaced": True})
    now[0] += 25 * 3600
    with pytest.raises(InvalidCredentials, match="A new token replaces the old one"):
        client.snapshots()


def test_write_is_read_back_although_an_error_was_reported(ready, emulator, tmp_path):
    options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True, "allow_commands": True}
    client = GrowattToken(ready["accounts"][0]["token"], **options)
    serial = plant(emulator, "tlx-battery").devices[0]
    client.v1_write_parameter("tlx", serial, "charge_power", [80])
    assert client.v1_read_parameter("Min", serial, "charge_power") == "80"
    emulator.faults.set({"write_reports_error": True})
    with pytest.raises(RequestRefused, match="Read the setting back"):
        client.v1_write_parameter("tlx", serial, "charge_power", [70])
    assert plant(emulator, "tlx-battery").settings["openapi"]["charge_power"] == ["70"]


def test_write_to_an_unknown_device_is_no_rate_limit(ready, tmp_path):
    options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True, "allow_commands": True}
    with pytest.raises(RequestRefused, match="does not know this device") as caught:
        GrowattToken(ready["accounts"][0]["token"], **options).v1_write_parameter("tlx", "NO1", "charge_power", [80])
    assert caught.value.code == "10012"


def test_day_curve_and_energies_come_from_the_device_rows(client, emulator):
    home = plant(emulator, "mix")
    curve = client.day_curve(home.id, "2026-06-20")
    truth = dict(home.households[0].curve("2026-06-20"))
    assert len(curve) == len(truth) == 288
    for sample in curve[::24]:
        assert sample.pv_power == pytest.approx(truth[sample.moment]["pv_power"], abs=0.1)
        assert sample.battery_soc == pytest.approx(truth[sample.moment]["battery_soc"], abs=0.6)
        (device,) = sample.devices
        assert device.device.id == home.devices[0]
        assert sample.moment <= device.measured_at < sample.moment + timedelta(minutes=5)
        assert device.measurements["grid_frequency"] > 49
    days = client.period_energies(home.id, "2026-06")
    assert len(days) == 21
    assert days[19].values["pv_energy"] == pytest.approx(
        home.households[0].energies("2026-06-20")["pv_energy"], abs=0.1
    )
    assert client.first_day(home.id) == date(2025, 1, 1)


def test_day_of_a_min_is_fetched_in_pages_ten_seconds_apart(client, emulator, now, monkeypatch):
    monkeypatch.setattr("heliograph.client.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    home = plant(emulator, "tlx-battery")
    cost = client.history_cost(home.id).curve
    began, used = now[0], client.budget.requests_used
    curve = client.day_curve(home.id, "2026-06-20")
    truth = dict(home.households[0].curve("2026-06-20"))
    assert len(curve) == len(truth) == 288
    for sample in curve[::24]:
        assert sample.pv_power == pytest.approx(truth[sample.moment]["pv_power"], abs=0.1)
        assert sample.grid_power == pytest.approx(truth[sample.moment]["grid_power"], abs=0.2)
    assert client.budget.requests_used == used + cost == used + 3
    assert 20 <= now[0] - began <= 30
    # The next day is another page of the same call.
    client.day_curve(home.id, "2026-06-19")
    assert 50 <= now[0] - began <= 70


def test_day_of_a_hybrid_is_one_request_every_five_minutes(client, emulator, now):
    home = plant(emulator, "mix").id
    assert client.history_cost(home).curve == 1
    assert client.day_curve(home, "2026-06-20")
    with pytest.raises(Throttled, match="every 5 min") as caught:
        client.day_curve(home, "2026-06-19")
    assert not caught.value.account_wide
    now[0] += caught.value.retry_after
    assert client.day_curve(home, "2026-06-19")


def test_calls_for_history_are_three_seconds_apart(client, emulator, now, monkeypatch):
    slept = []
    monkeypatch.setattr(limits, "GAP", 1.0)
    monkeypatch.setattr("heliograph.client.sleep", slept.append)
    client.period_energies(plant(emulator, "mix").id, "2026-05")
    assert slept[-4:] == [3.0] * 4


def test_old_day_has_the_output_of_the_plant(client, emulator):
    day = (NOON - timedelta(days=120)).date()
    curve = client.day_curve(plant(emulator, "mix").id, day)
    assert {name for sample in curve for name in sample.values} == {"ac_power"}


def test_async_client_returns_the_same(ready, emulator, tmp_path):
    async def fetch():
        token = ready["accounts"][0]["token"]
        options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True, "zone": BERLIN}
        async with AsyncGrowattToken(token, **options) as client:
            return await client.snapshot(plant(emulator, "storage").id)

    snapshot = asyncio.run(fetch())
    assert snapshot.load_power == pytest.approx(
        plant(emulator, "storage").households[0].values(NOON)["load_power"], abs=0.1
    )


def test_poll_takes_over_what_another_program_has_just_fetched(client, ready, emulator, now, tmp_path):
    shown = client.snapshots()
    asked = sent(emulator)
    now[0] += 60
    options = {"server": ready["growatt"], "zone": BERLIN, "keeper": Keeper(tmp_path / "accounts")}
    collector = AsyncGrowattToken(
        ready["accounts"][0]["token"], **options, self_throttled=True, clock=client.guard.clock
    )
    poll = asyncio.run(collector.live(PollRhythm(310.0, 310.0, 3600.0)))
    assert [one.values for one in poll.snapshots] == [one.values for one in shown]
    assert poll.load.every_poll == 6
    assert sent(emulator) == asked
    # Nothing older than the vendor's interval is taken over.
    now[0] += 250
    assert asyncio.run(collector.live(PollRhythm(310.0, 310.0, 3600.0))).snapshots
    assert sent(emulator) > asked


def test_poll_within_the_interval_without_saved_snapshots_is_throttled(client, emulator, now):
    plant_id = plant(emulator, "tlx").id
    rhythm = PollRhythm(310.0, 310.0, 3600.0)
    assert client.live(rhythm, [plant_id]).snapshots
    now[0] += 60
    with pytest.raises(Throttled, match="was sent 60 s ago"):
        client.live(rhythm, [plant_id])


def test_values_missing_without_device_permission_have_a_reason_and_a_remedy(client, emulator):
    assert client.missing_values() == {}
    emulator.faults.set({"no_permission": True})
    plant_id = plant(emulator, "tlx").id
    client.snapshot(plant_id)
    assert client.missing_values().keys() == {plant_id}
    assert "may not read the devices" in client.missing_values()[plant_id]
    assert "heliograph login growatt" in client.missing_values()[plant_id]


def test_readable_token_has_no_access_problem(client):
    assert client.access_problem() == ""


def test_token_without_device_permission_is_a_problem_with_its_remedy(client, emulator):
    emulator.faults.set({"no_permission": True})
    problem = client.access_problem()
    assert problem.startswith("this token may not read its devices: ")
    assert "only Growatt can grant that" in problem


def test_token_without_plants_is_a_problem_with_its_remedy(client, emulator):
    emulator.accounts[0].plants = ()
    assert "this token finds no plants. Create the token in the ShinePhone app" in client.access_problem()


def test_token_refused_by_the_configured_server_may_be_of_another_region(ready, tmp_path):
    options = {"server": ready["growatt"], "keeper": Keeper(tmp_path), "interactive": True}
    with pytest.raises(InvalidCredentials, match=r"refused the token.*remove `server`: all regions are asked then"):
        GrowattToken("0" * 32, **options).plants()


def test_plant_of_another_account_is_refused_with_the_plants_of_the_token(client, emulator, now):
    client.plants()
    now[0] += 3600.0
    before = sent(emulator)
    with pytest.raises(RequestRefused, match=f"this token has no plant '1'. It has: .*{plant(emulator, 'mix').id}"):
        client.snapshot("1")
    with pytest.raises(RequestRefused, match="does not know this plant or device"):
        client.day_curve("1", "2026-06-20")
    assert sent(emulator) <= before + 2
