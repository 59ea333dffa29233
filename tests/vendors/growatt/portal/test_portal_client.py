"""The client of the web portal, alone and beside the app's, against the emulated cloud over sockets."""

from __future__ import annotations

import asyncio

import pytest

from heliograph import Growatt
from heliograph.emulator.clouds.growatt.portal.context import PORTAL_ROUTER
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import AccountLocked, ConfigError, InvalidCredentials, LoginFailed, RequestRefused, Throttled
from heliograph.keeper import Keeper, Limits
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.growatt import AsyncGrowatt
from heliograph.vendors.growatt.portal import AsyncGrowattPortal, GrowattPortal
from heliograph.vendors.growatt.portal.auth import portal_url
from support.growatt_emulator import EmulatedCloud

RHYTHM = PollRhythm(660.0, 660.0, 3600.0)
FAMILIES = ("tlx", "tlx-battery", "mix", "spa", "inverter", "storage")
TOLERANCES = {"W": 10.1, "kWh": 0.11, "%": 0.51}
"""The app and the portal round to 10 W (kW with two decimals), 0.1 kWh and 1 %."""


@pytest.fixture
def cloud():
    return EmulatedCloud()


@pytest.fixture
def create(cloud, tmp_path):
    """Create a client of the first account; all share a keeper and the emulated clock."""
    with serve_in_thread(cloud.emulator) as ready:
        keeper = Keeper(tmp_path / "accounts")

        def create(kind=Growatt, *, password=None, **options):
            common = {
                "server": ready["growatt"],
                "keeper": keeper,
                "interactive": True,
                "clock": lambda: cloud.emulator.world.clock.now().timestamp(),
            }
            return kind(cloud.holder.username, password or cloud.holder.password, **(common | options))

        yield create


def requests(cloud):
    """Return the paths requested since the last call."""
    paths = [row["path"] for row in cloud.emulator.log.as_dict()["requests"]]
    new, cloud.seen = paths[getattr(cloud, "seen", 0) :], len(paths)
    return new


def counters(cloud):
    return cloud.emulator.log.account_counters(cloud.holder.username)


def test_every_declared_call_of_the_portal_has_a_handler():
    assert PORTAL_ROUTER.unhandled() == set()


@pytest.mark.parametrize("family", FAMILIES)
def test_portal_and_app_report_the_same_values_of_a_plant(cloud, create, family):
    from heliograph.metrics import METRICS

    plant = cloud.plant(family)
    by_app = create(keeper=None).snapshot(plant)
    by_portal = create(GrowattPortal, keeper=None).snapshot(plant)
    common = by_app.values.keys() & by_portal.values.keys()
    assert len(common) >= 2
    for name in common:
        expected = by_app.values[name]
        if expected is not None:
            assert by_portal.values[name] == pytest.approx(expected, abs=TOLERANCES[METRICS[name].unit]), name
    assert by_portal.measured_at is not None
    assert by_app.measured_at in (None, by_portal.measured_at)


def test_portal_reports_the_powers_of_an_spa_that_the_app_does_not(cloud, create):
    plant = cloud.plant("spa")
    truth = cloud.true_values("spa")
    by_app = create(keeper=None).snapshot(plant)
    by_portal = create(GrowattPortal, keeper=None).snapshot(plant)
    for name in ("battery_power", "grid_power", "load_power"):
        assert by_app.values.get(name) is None
        assert by_portal.values[name] == pytest.approx(truth[name], abs=10.1)


def test_login_of_the_portal_counts_for_the_account_and_keeps_the_session_of_the_app(cloud, create):
    app, portal = create(), create(GrowattPortal)
    app.log_in()
    portal.plants()
    assert requests(cloud) == ["newTwoLoginAPI.do", "login", "index/getPlantListTitle"]
    assert app.budget.logins_used == portal.budget.logins_used == 2
    assert app.budget.requests_used == 3
    app.plant_list()
    portal.portal_plants()
    assert requests(cloud) == ["PlantListAPI.do", "index/getPlantListTitle"]


def test_session_of_the_portal_is_stored_for_the_next_program(cloud, create):
    create(GrowattPortal).plants()
    requests(cloud)
    create(GrowattPortal).portal_plants()
    create().plant_list()
    create(GrowattPortal).portal_plants()
    paths = ["index/getPlantListTitle", "newTwoLoginAPI.do", "PlantListAPI.do", "index/getPlantListTitle"]
    assert requests(cloud) == paths


def test_expired_session_of_the_portal_is_renewed_once_and_the_app_stays_logged_in(cloud, create):
    app, portal = create(), create(GrowattPortal)
    app.log_in()
    portal.plants()
    cloud.holder.state["portal_sessions"].clear()
    requests(cloud)
    for call in (portal.portal_plants, lambda: portal.portal_plant(cloud.plant("spa"))):
        cloud.holder.state["portal_sessions"].clear()
        call()
    app.plant_list()
    assert requests(cloud) == [
        "index/getPlantListTitle",
        "login",
        "index/getPlantListTitle",
        "panel/getPlantData",
        "login",
        "panel/getPlantData",
        "PlantListAPI.do",
    ]
    assert not any("another login" in note for _, note in app.budget.notes)


def test_portal_without_session_leaves_the_age_of_the_session_of_the_app(cloud, create):
    app, portal = create(), create(GrowattPortal)
    app.log_in()
    portal.forget()
    assert app.budget.opened_at is not None
    portal.plants()
    cloud.wait(hours=1)
    portal.forget()
    assert app.budget.opened_at is not None


def test_portal_is_not_asked_while_the_account_is_locked(cloud, create):
    app, portal = create(), create(GrowattPortal)
    portal.plants()
    cloud.fault(lock="0")
    with pytest.raises(AccountLocked):
        app.log_in()
    requests(cloud)
    for call in (portal.portal_plants, lambda: portal.snapshot(cloud.plant("spa"))):
        with pytest.raises(AccountLocked):
            call()
    assert requests(cloud) == []
    assert counters(cloud).requests_while_locked == 0


def test_portal_is_not_asked_while_the_address_is_blocked(cloud, create):
    app, portal = create(), create(GrowattPortal)
    portal.plants()
    cloud.fault(block="")
    with pytest.raises(Throttled):
        app.plant_list()
    cloud.fault(block=None)
    requests(cloud)
    with pytest.raises(Throttled):
        portal.portal_plants()
    assert requests(cloud) == []


def test_portal_and_app_share_the_budget_of_requests(cloud, create):
    limits = Limits(requests=6, logins=8, reserve=0)
    app, portal = create(limits=limits), create(GrowattPortal, limits=limits)
    portal.plants()
    for _ in range(4):
        portal.portal_plants()
    with pytest.raises(Throttled, match="6 of 6 requests"):
        app.plant_list()


def test_wrong_password_is_sent_once_by_the_portal_and_never_by_the_app(cloud, create):
    portal = create(GrowattPortal, password="wrong")
    with pytest.raises(InvalidCredentials):
        portal.plants()
    for client in (portal, create(password="wrong")):
        with pytest.raises(InvalidCredentials, match="refused before"):
            client.plants()
    assert requests(cloud) == ["login"]


def test_login_that_only_the_portal_refuses_is_not_repeated_and_leaves_the_app_alone(cloud, create):
    cloud.fault(portal_refuses="")
    home = create(portal=True)
    plant = cloud.plant("spa")
    assert home.snapshot(plant, max_age=0).values["pv_power"] is not None
    assert requests(cloud).count("login") == 1
    cloud.wait(hours=3)
    assert home.snapshot(plant, max_age=0).values["pv_power"] is not None
    with pytest.raises(LoginFailed, match="within the last day"):
        home.portal_api.plants()
    assert "login" not in requests(cloud)
    cloud.fault(portal_refuses=None)
    home.log_in()
    assert home.snapshot(plant, max_age=0).values["battery_power"] is not None


def test_snapshot_with_portal_reads_an_spa_through_it_and_other_plants_through_the_app(cloud, create):
    home = create(portal=True)
    found = {snapshot.plant.id: snapshot for snapshot in home.snapshots(max_age=0)}
    spa = found.pop(cloud.plant("spa"))
    assert spa.values["battery_power"] is not None
    assert set(spa.sources.values()) == {"portal_spa_status"}
    assert spa.plant.peak_power == 4.0
    assert not any("portal" in source for one in found.values() for source in one.sources.values())
    requests(cloud)
    home.snapshot(cloud.plant("spa"), max_age=0)
    assert requests(cloud) == [
        "panel/getDevicesByPlantList",
        "panel/spa/getSPAStatusData",
        "panel/spa/getSPATotalData",
    ]
    assert create(portal=True).snapshot(cloud.plant("spa")) is not None
    assert requests(cloud) == []


def test_live_with_portal_polls_an_spa_through_it(cloud, create):
    home = create(portal=True, self_throttled=True)
    plants = [cloud.plant("spa"), cloud.plant("mix")]
    home.live(RHYTHM, plants)
    requests(cloud)
    cloud.wait(minutes=11)
    poll = home.live(RHYTHM, plants)
    spa, mix = sorted(poll.snapshots, key=lambda one: one.plant.id != plants[0])
    assert spa.values["battery_power"] is not None
    assert spa.values.keys() >= {"grid_power", "load_power", "battery_soc", "pv_power"}
    assert mix.plant.id == plants[1]
    assert [path for path in requests(cloud) if path.startswith("panel/")]
    cloud.wait(minutes=11)
    requests(cloud)
    poll = home.live(RHYTHM, plants)
    assert requests(cloud) == ["panel/spa/getSPAStatusData", "newMixApi.do"]
    assert (poll.load.every_poll, poll.load.slow) == (2, 5)
    assert {one.plant.id for one in poll.snapshots} == set(plants)


def test_app_reports_powers_but_no_counters_while_the_portal_refuses_its_login(cloud, create, caplog):
    home = create(portal=True, self_throttled=True)
    plant = cloud.plant("spa")
    home.live(RHYTHM, [plant])
    home.live(RHYTHM, [plant])
    cloud.wait(minutes=11)
    cloud.fault(portal_refuses="")
    cloud.holder.state["portal_sessions"].clear()
    for _ in range(3):
        (found,) = home.live(RHYTHM, [plant]).snapshots
    warnings = [row.getMessage() for row in caplog.records if "web_portal" in row.getMessage()]
    assert len(warnings) == 2  # the refusal, and that no other login is sent
    assert found.values["pv_power"] is not None
    # The app's counters are the plant's, not the device's.
    assert "pv_energy_total" not in found.values
    assert "pv_energy_total" not in home.snapshot(plant, max_age=0).values


def test_forget_forgets_both_sessions(cloud, create):
    home = create(portal=True)
    home.portal_api.plants()
    home.plant_list()
    home.forget()
    requests(cloud)
    home.portal_api.portal_plants()
    home.plant_list()
    assert requests(cloud) == ["login", "index/getPlantListTitle", "newTwoLoginAPI.do", "PlantListAPI.do"]


def test_app_session_is_not_valid_at_the_portal(cloud):
    cloud.log_in()
    assert cloud.send("POST", "panel/getPlantData", plantId=cloud.plant("spa")).status == 302


def test_plant_of_another_account_is_refused(create):
    with pytest.raises(RequestRefused, match="no plant"):
        create(GrowattPortal).snapshot("42")
    with pytest.raises(RequestRefused):
        create(GrowattPortal).portal_spa_status("42", "X")


def test_async_client_returns_the_same_snapshot(cloud, create):
    plant = cloud.plant("spa")

    async def read():
        alone = await create(AsyncGrowattPortal, keeper=None).snapshot(plant)
        beside = await create(AsyncGrowatt, portal=True).snapshot(plant)
        return alone, beside

    alone, beside = asyncio.run(read())
    assert alone.values == beside.values == create(GrowattPortal, keeper=None).snapshot(plant).values


def test_history_has_at_most_80_rows_newest_first(cloud, create):
    portal = create(GrowattPortal)
    serial = cloud.device("spa")
    page = portal.portal_history("spa", serial, "2026-06-20", "2026-06-21")
    assert len(page.rows) == 80
    assert [page.rows[0]["calendar"][part] for part in ("dayOfMonth", "hourOfDay", "minute")] == [21, 12, 0]
    rest = portal.portal_history("spa", serial, "2026-06-20", "2026-06-21", skip=80)
    assert rest.rows[0] != page.rows[0]
    with pytest.raises(ValueError, match="family"):
        portal.portal_history("boat", serial, "2026-06-20", "2026-06-21")


def test_portal_needs_a_password_and_a_known_region():
    with pytest.raises(ConfigError, match="user name and password"):
        Growatt(token="x" * 32, portal=True, keeper=None)
    with pytest.raises(ConfigError, match="no web portal is known for openapi-cn"):
        Growatt("me", "secret", server="cn", portal=True, keeper=None)
    home = Growatt("me", "secret", server="cn", portal="https://portal.example/", keeper=None)
    assert home.portal_api.session.base == "https://portal.example/"
    assert portal_url("https://openapi-us.growatt.com/") == "https://server-us.growatt.com/"


def test_password_and_cookie_of_the_portal_are_masked(cloud, create):
    portal = create(GrowattPortal)
    portal.plants()
    cookie = next(iter(cloud.holder.state["portal_sessions"]))
    assert cookie in portal.session.secrets()
    assert cloud.holder.password not in repr(portal) + str(portal.session.to_dict())


def test_live_of_an_inverter_at_the_portal_is_its_row_in_the_device_list(cloud, create):
    portal = create(GrowattPortal, self_throttled=True)
    plants = [cloud.plant("inverter"), cloud.plant("tlx-battery")]
    portal.live(RHYTHM, plants)
    cloud.wait(minutes=11)
    requests(cloud)
    poll = portal.live(RHYTHM, plants)
    assert requests(cloud) == ["panel/getDevicesByPlantList", "panel/tlx/getTLXStatusData_bdc"]
    inverter, battery = poll.snapshots
    assert inverter.values["ac_power"] == pytest.approx(cloud.true_values("inverter")["ac_power"], abs=0.1)
    assert inverter.values["pv_energy_total"] is not None
    assert battery.values["battery_power"] == pytest.approx(cloud.true_values("tlx-battery")["battery_power"], abs=0.1)
    assert (poll.load.every_poll, poll.load.slow) == (2, 1)


def test_live_of_an_spa_at_the_portal_reads_its_counters_and_time_when_they_are_due(cloud, create):
    portal = create(GrowattPortal, self_throttled=True)
    plant = cloud.plant("spa")
    portal.live(RHYTHM, [plant])
    for _ in range(6):
        cloud.wait(minutes=11)
        requests(cloud)
        (found,) = portal.live(RHYTHM, [plant]).snapshots
    assert requests(cloud) == ["panel/getDevicesByPlantList", "panel/spa/getSPAStatusData", "panel/spa/getSPATotalData"]
    assert found.values["pv_energy_total"] is not None
    assert found.measured_at == cloud.emulator.world.uploaded_at()
