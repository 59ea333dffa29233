"""`Growatt` with a token, alone and beside a password, against the emulated cloud over sockets."""

from __future__ import annotations

import asyncio
import inspect
from datetime import date, datetime

import pytest

from heliograph import AsyncGrowatt, Growatt, GrowattToken, Orders
from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import AccountLocked, ConfigError
from heliograph.keeper import Keeper
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.growatt.openapi import limits

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
BERLIN = "Europe/Berlin"
RHYTHM = PollRhythm(310.0, 310.0, 3600.0)
ROUNDED = 10.0
"""W by which the kW with two decimals of the password API may differ."""


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


@pytest.fixture
def now():
    return [NOON.timestamp()]


@pytest.fixture
def create(ready, emulator, now, tmp_path):
    """Create a client of the account, by default with both secrets."""
    account = ready["accounts"][0]

    def clock():
        emulator.world.clock.set(datetime.fromtimestamp(now[0], NOON.tzinfo))
        return now[0]

    def create(kind=Growatt, *, username=account["username"], token=account["token"], **options):
        keeper = Keeper(tmp_path / "accounts")
        common = {"server": ready["growatt"], "zone": BERLIN, "keeper": keeper, "clock": clock, "interactive": True}
        return kind(username, account["password"] if username else "", token=token, **(common | options))

    return create


@pytest.fixture
def client(create):
    return create()


def plant(emulator, family):
    return next(plant for plant in emulator.accounts[0].plants if plant.family == family)


def password_requests(client):
    """Return the requests that the password API has counted."""
    return client._guard.budget().requests_used


def test_help_shows_the_token():
    for kind in (Growatt, AsyncGrowatt):
        assert "token: 'str | Secret | None' = None" in str(inspect.signature(kind))


def test_account_without_any_secret_is_an_error():
    with pytest.raises(ConfigError, match="user name and password, or a token"):
        Growatt()


@pytest.mark.parametrize("with_password", [False, True])
def test_snapshots_agree_with_those_of_the_password_api(create, with_password):
    by_password = {one.plant.id: one for one in create(token=None).snapshots()}
    client = create() if with_password else create(username="")
    compared = 0
    for snapshot in client.snapshots():
        expected = by_password.pop(snapshot.plant.id)
        for name, value in snapshot.values.items():
            if value is not None and (other := expected.values.get(name)) is not None:
                compared += 1
                assert abs(value - other) <= (ROUNDED if name.endswith("power") else 0.1), name
        assert (snapshot.measured_at, snapshot.status) == (expected.measured_at, expected.status)
    assert by_password == {}
    assert compared > 50


def test_live_values_cost_the_password_api_nothing(client):
    assert len(client.plants()) == 7
    assert len(client.snapshots()) == 7
    assert password_requests(client) == 0
    assert client.budget.requests_limit == 2000


def test_energies_and_old_days_come_from_the_password_api(client, emulator):
    mix = plant(emulator, "mix").id
    client.snapshot(mix)
    recent = client.day_curve(mix, date(2026, 6, 20))
    assert password_requests(client) == 0
    assert any(sample.values.get("battery_power") is not None for sample in recent)
    energies = client.period_energies(mix, "2026-05")
    after_energies = password_requests(client)
    assert after_energies > 0
    assert any(row.values.get("load_energy") is not None for row in energies), energies[0].values
    client.day_curve(mix, date(2026, 1, 5))
    assert password_requests(client) > after_energies


def test_history_cost_counts_the_token_for_days_and_the_password_for_periods(client, create, emulator):
    mix = plant(emulator, "mix").id
    cost = client.history_cost(mix)
    by_password, by_token = create(token=None).history_cost(mix), client.token_api.history_cost(mix)
    assert cost.curve == by_token.curve
    assert (cost.days, cost.months, cost.years) == (by_password.days, by_password.months, by_password.years)
    assert cost.unreported == by_password.unreported


def test_lock_of_the_password_api_does_not_stop_the_token(client, emulator, now):
    mix = plant(emulator, "mix").id
    emulator.faults.set({"lock": "0"})
    with pytest.raises(AccountLocked):
        client.period_energies(mix, "2026-05")
    assert client.snapshot(mix).pv_power is not None
    now[0] += 310
    assert client.live(RHYTHM, [mix]).snapshots[0].pv_power is not None
    assert client.budget.pause is None


def test_plants_that_the_token_may_not_read_come_from_the_password_api(client, emulator, now):
    mix = plant(emulator, "mix").id
    emulator.faults.set({"no_permission": True})
    poll = client.live(RHYTHM, [mix])
    assert poll.snapshots[0].pv_power is not None
    asked = client.budget.requests_used
    used_by_password = password_requests(client)
    assert used_by_password > 0
    now[0] += 310
    # The token is not asked again, and the password API not more often than its daily limit allows.
    assert client.live(RHYTHM, [mix]).snapshots == ()
    assert (client.budget.requests_used, password_requests(client)) == (asked, used_by_password)
    now[0] += used_by_password * 86400 / 135
    assert client.live(RHYTHM, [mix]).snapshots[0].pv_power is not None
    emulator.faults.set({"no_permission": None})
    now[0] += 86400
    before = password_requests(client)
    assert client.live(RHYTHM, [mix]).snapshots[0].pv_power is not None
    assert password_requests(client) == before
    assert client.refused_plants() == {}


def test_token_is_asked_again_after_an_hour_at_first_and_then_once_a_day(client, emulator, now):
    mix = plant(emulator, "mix").id
    emulator.faults.set({"no_permission": True})
    asked = []
    for hour in range(30):
        before = client.budget.requests_used
        client.live(RHYTHM, [mix])
        if client.budget.requests_used != before:
            asked.append(hour)
        now[0] += 3600
    assert asked[:4] == [0, 1, 2, 3]
    assert len(asked) <= 5


def test_polls_of_the_password_api_stay_within_its_daily_limit(client, emulator, now):
    emulator.faults.set({"no_permission": True})
    refused = 0
    for _ in range(280):
        poll = client.live(RHYTHM)
        refused += not poll.snapshots
        now[0] += 310
    assert 60 < password_requests(client) <= 160
    assert client.budget.requests_used < 100
    assert client._guard.budget().pause is None
    assert refused > 200


def test_snapshot_of_an_unreadable_plant_comes_from_the_password_api(client, emulator):
    mix = plant(emulator, "mix").id
    emulator.faults.set({"no_permission": True})
    assert client.snapshot(mix).battery_soc is not None
    assert "may not read" in client.refused_plants()[mix]


def test_token_that_finds_no_plants_leaves_all_to_the_password(client, emulator, monkeypatch):
    from heliograph.emulator.clouds.growatt.openapi import plants

    monkeypatch.setattr(plants.OpenApiCall, "page", lambda self, rows: [])
    assert len(client.plants()) == 7
    assert len(client.live(RHYTHM).snapshots) == 7


def test_client_of_a_token_alone_rejects_calls_of_the_password_api(create):
    client = create(username="")
    assert repr(client).startswith("GrowattToken(t***")
    assert len(client.plants()) == 7
    with pytest.raises(ConfigError, match="needs the password API"):
        client.plant_list()
    assert client.token_api.v1_plant_details(client.plants()[0].id).name


def test_async_client_has_the_same_routes(create, emulator):
    mix = plant(emulator, "mix").id

    async def run():
        async with create(AsyncGrowatt) as client:
            snapshot = await client.snapshot(mix)
            energies = await client.period_energies(mix, "2026-05")
            poll = await client.live(RHYTHM, [plant(emulator, "tlx").id])
            return snapshot, energies, poll, password_requests(client), client.budget

    snapshot, energies, poll, by_password, budget = asyncio.run(run())
    assert snapshot.battery_soc is not None
    assert energies
    assert len(poll.snapshots) == 1
    assert by_password > 0
    assert budget.requests_limit == 2000


def test_token_is_not_in_the_repr(client, ready):
    assert ready["accounts"][0]["token"] not in repr(client) + repr(client.token_api)
    assert repr(client).endswith(", token)")


def test_plain_token_client_stays(ready):
    assert isinstance(Growatt(token="0" * 32).token_api, GrowattToken)


def test_forget_forgets_both_sessions(client):
    client.plants()
    client.plant_list()
    client.forget()
    assert not client.token_session().alive
    assert not client.session.alive


def test_settings_are_those_of_the_password_api(create, emulator):
    client, alone = create(allow_commands=True), create(token=None, allow_commands=True)
    device = client.snapshot(plant(emulator, "tlx-battery").id).devices[0].device
    orders = Orders(client)
    assert orders.journal.path == Orders(alone).journal.path
    values = client.read_settings(device)
    assert "charge_stop_soc" in values
    assert client.settings_of(device) == alone.settings_of(device)
    assert password_requests(client) > 0
