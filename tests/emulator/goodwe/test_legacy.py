"""Tests of the emulated SEMS Portal: sessions, faults, and responses that match the simulation."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from heliograph import AsyncGoodWe, GoodWe
from heliograph import errors as e
from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.goodwe import EMULATION, LEGACY_ROUTER
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

NOON, EVENING, NIGHT = "2026-06-21T12:02:00+02:00", "2026-12-01T19:00:00+01:00", "2026-06-21T02:00:00+02:00"
NO_TOKEN = {"version": "v2.1.0", "client": "ios", "language": "en"}
LOGIN, DETAIL = "/api/v2/Common/CrossLogin", "/api/v3/PowerStation/GetMonitorDetailByPowerstationId"
OWNER = "/api/PowerStation/GetPowerStationIdByOwner"


class Portal:
    """Emulated portal with a stopped clock, and a raw client of it."""

    def __init__(self, start=NOON, accounts=1):
        options = EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=accounts)
        self.emulator = build_emulator(options, [EMULATION])
        self.account = self.emulator.accounts[0]
        self.plants = {plant.family: plant for plant in self.account.plants}
        self.token = NO_TOKEN

    def send(self, path, fields=None, *, token=None, form=False, origin="http://emulator"):
        headers = {"content-type": "application/x-www-form-urlencoded" if form else "application/json"}
        token = self.token if token is None else token
        if token != "":
            headers["token"] = token if isinstance(token, str) else json.dumps(token)
        body = urlencode(fields or {}) if form else json.dumps(fields or {})
        return self.emulator.respond("POST", path, headers, body.encode(), origin)

    def call(self, path, fields=None, **options):
        return json.loads(self.send(path, fields, **options).body)

    def log_in(self, path=LOGIN, **options):
        answer = self.call(
            path, {"account": self.account.username, "pwd": self.account.password}, token=NO_TOKEN, **options
        )
        self.token = answer["data"]
        return answer

    def detail(self, family, path=DETAIL, **options):
        return self.call(path, {"powerStationId": self.plants[family].id}, **options)

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, **duration):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))

    def truth(self, family):
        at, found = self.emulator.world.uploaded_at(), {}
        households = self.plants[family].households
        for values in (home.values(at) for home in households):
            found |= {name: found.get(name, 0.0) + value for name, value in values.items()}
        return found


@pytest.fixture
def portal():
    portal = Portal()
    portal.log_in()
    return portal


@contextmanager
def served(start=NOON):
    portal = Portal(start)
    with serve_in_thread(portal.emulator) as ready:
        account = portal.account
        client = GoodWe(account.username, account.password, server=ready["sems"], keeper=None)
        client.session.facts["dialect"] = "legacy"  # the emulator serves both dialects
        yield portal, client


def test_every_declared_call_has_a_handler():
    assert LEGACY_ROUTER.unhandled() == set()


# Through the client, over sockets


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
def test_snapshot_matches_the_simulation_for_every_family(start):
    with served(start) as (portal, client):
        for family, plant in portal.plants.items():
            found, truth = client.snapshot(plant.id), portal.truth(family)
            offline = found.status.value == "offline"
            assert offline == (family == "single" and start != NOON)
            for name, value in found.as_dict().items():
                if offline and name.endswith("_power"):
                    assert value is None
                elif name in truth:
                    slack = 0.051 * len(plant.households) if "energy" in name else 1.0
                    assert value == pytest.approx(truth[name], abs=slack), (family, name)
                elif name.split("_")[0] in ("pv", "grid", "battery", "load", "ac"):
                    assert value is None, (family, name)
            assert found.plant.name == plant.name


def test_snapshots_take_one_request_per_plant():
    with served() as (portal, client):
        assert [one.plant.id for one in client.snapshots()] == [plant.id for plant in portal.account.plants]
        log = json.loads(portal.emulator.respond("GET", "/control/log").body)
        assert len(log["requests"]) == 2 + len(portal.account.plants)


def test_async_client_returns_the_same_snapshot():
    with served() as (portal, client):
        account, plant = portal.account, portal.plants["hybrid"].id
        again = AsyncGoodWe(account.username, account.password, server=client.session.server, keeper=None)
        again.session.facts["dialect"] = "legacy"
        found = asyncio.run(again.snapshot(plant))
        assert found.values == client.snapshot(plant).values


def test_grid_power_is_right_despite_a_stuck_grid_flag():
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(EVENING), speed=0, accounts=8), [EMULATION])
    stuck = 0
    with serve_in_thread(emulator) as ready:
        for account in emulator.accounts:
            plant = next(plant for plant in account.plants if plant.family == "meter")
            client = GoodWe(account.username, account.password, server=ready["sems"], keeper=None)
            truth = plant.households[0].values(emulator.world.uploaded_at())["grid_power"]
            assert client.snapshot(plant.id).values["grid_power"] == pytest.approx(truth, abs=1)
            stuck += client.monitor_detail(plant.id).powerflow.grid_status == 1 and truth > 0
    assert 0 < stuck < 8


def test_session_replaced_by_another_login_is_renewed():
    with served() as (portal, client):
        plant = portal.plants["meter"].id
        first = client.monitor_detail(plant)
        GoodWe(portal.account.username, portal.account.password, server=client.session.server, keeper=None).plant_list()
        assert client.monitor_detail(plant).kpi.energy_total == first.kpi.energy_total


def test_error_of_an_always_expired_session_names_the_causes():
    with served() as (portal, client):
        portal.fault(expire="0")
        with pytest.raises(e.SessionExpired, match="another login"):
            client.plant_list()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("rate", e.Throttled), ("empty", e.RequestRefused), ("html", e.Unreadable), ("block", e.Blocked)],
)
def test_fault_raises_its_error(fault, kind):
    with served() as (portal, client):
        client.plant_list()
        portal.fault(**{fault: ""})
        with pytest.raises(kind):
            client.monitor_detail(portal.plants["single"].id)


def test_foreign_plant_and_wrong_password_have_different_errors():
    with served() as (portal, client):
        with pytest.raises(e.RequestRefused, match="no such plant"):
            client.monitor_detail("00000000-0000-4000-8000-000000000000")
        with pytest.raises(e.InvalidCredentials):
            GoodWe(portal.account.username, "wrong", server=client.session.server, keeper=None).plant_list()


# Authentication


def test_login_returns_data_server_and_token_of_the_client(portal):
    answer = portal.log_in(origin="http://127.0.0.1:9")
    assert answer["code"] == 0
    assert answer["api"] == "http://127.0.0.1:9/api/"
    assert answer["data"].keys() == {"uid", "timestamp", "token"} | NO_TOKEN.keys()
    assert {name: answer["data"][name] for name in NO_TOKEN} == NO_TOKEN
    assert portal.log_in("/api/v3/Common/CrossLogin")["data"].keys() >= {"uuid", "neutral"}


def test_login_accepts_forms_base64_doubled_slashes_and_any_case(portal):
    coded = base64.b64encode(json.dumps(NO_TOKEN).encode()).decode()
    account = {"Account": portal.account.username, "PWD": portal.account.password}
    answer = portal.call("/api//v2/common/crosslogin", account, token=coded, form=True)
    token = base64.b64encode(json.dumps(answer["data"]).encode()).decode()
    plant = {"PowerStationID": portal.plants["single"].id}
    for path in (DETAIL.replace("/v3", "//v1"), DETAIL.lower()):
        assert portal.call(path, plant, token=token, form=True)["code"] == "0"


def test_token_timestamp_may_be_text(portal):
    assert portal.call(OWNER, token={**portal.token, "timestamp": str(portal.token["timestamp"])})["code"] == "0"


@pytest.mark.parametrize("path", [LOGIN, DETAIL, OWNER])
@pytest.mark.parametrize("token", ["", "nonsense", "[1]", "bm9uc2Vuc2U="])
def test_missing_or_invalid_token_header_is_rejected(portal, path, token):
    assert str(portal.call(path, token=token)["code"]) == "100000"


def test_token_without_login_has_no_access(portal):
    assert portal.call(DETAIL, token=NO_TOKEN)["code"] == "100001"
    assert portal.call("/api/PowerStationMonitor/QueryPowerStationMonitorForApp", token=NO_TOKEN)["code"] == 100001


@pytest.mark.parametrize("change", [{"client": "web"}, {"token": "0" * 32}, {"uid": "unknown"}])
def test_changed_token_is_reported_as_expired(portal, change):
    assert portal.call(OWNER, token={**portal.token, **change})["code"] == "100002"


def test_token_is_valid_for_its_own_host_only(portal):
    assert portal.call(OWNER, origin="http://elsewhere")["code"] == "100002"


def test_new_login_replaces_the_old_session(portal):
    old = portal.token
    portal.log_in()
    assert portal.call(OWNER, token=old)["code"] == "100002"
    assert portal.call(OWNER)["code"] == "0"


def test_wrong_password_is_not_flagged_as_error(portal):
    answer = portal.call(LOGIN, {"account": portal.account.username, "pwd": "wrong"}, token=NO_TOKEN)
    assert (answer["hasError"], answer["code"], answer["data"]) == (False, 100005, None)


def test_unknown_plant_returns_innerexception(portal):
    answer = portal.call(DETAIL, {"powerStationId": "ERRORCODE"})
    assert (answer["hasError"], answer["code"], answer["data"]) == (True, "innerexception", "")


@pytest.mark.parametrize("value", ["\ud800", {}, [1], 7, None, "x" * 10_000])
def test_odd_values_are_rejected_like_wrong_ones(portal, value):
    account = {"account": portal.account.username, "pwd": portal.account.password}
    assert portal.call(LOGIN, account, token={**NO_TOKEN, "client": value})["code"] == 0
    assert portal.call(LOGIN, {"account": value, "pwd": value}, token=NO_TOKEN)["code"] == 100005
    portal.log_in()
    assert portal.call(DETAIL, {"powerStationId": value})["code"] == "innerexception"
    assert portal.call(OWNER, token={**portal.token, "token": value})["code"] in ("100001", "100002")
    path = "/api/PowerStationMonitor/QueryPowerStationMonitorForApp"
    assert portal.call(path, {"page_size": value, "page_index": value})["code"] == 0


def test_unknown_path_returns_404(portal):
    assert portal.send("/api/v2/PowerStation/Nothing").status == 404


def test_fault_expire_limits_the_token_lifetime(portal):
    portal.fault(expire="60")
    portal.wait(seconds=59)
    assert portal.call(OWNER)["code"] == "0"
    portal.wait(seconds=1)
    assert portal.call(OWNER)["code"] == "100002"
    portal.log_in()
    assert portal.call(OWNER)["code"] == "0"


def test_rate_limit_ends_after_five_minutes(portal):
    portal.fault(rate="3")
    codes = [portal.call(OWNER)["code"] for _ in range(3)]
    assert codes == ["0", "0", "GY0429"]
    portal.wait(seconds=299)
    assert portal.call(OWNER)["code"] == "GY0429"
    portal.wait(seconds=1)
    assert portal.call(OWNER)["code"] == "0"


def test_fault_empty_returns_success_without_data(portal):
    portal.fault(empty="*1")
    assert portal.detail("single")["data"] == {}
    assert portal.detail("single")["data"]["info"]


# Responses


def test_plant_list_is_paged(portal):
    path = "/api/PowerStationMonitor/QueryPowerStationMonitorForApp"
    pages = [portal.call(path, {"page_size": "3", "page_index": str(page)})["data"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert [row["powerstation_id"] for page in pages for row in page] == [plant.id for plant in portal.account.plants]


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_numbers_within_one_response_are_consistent(start, family):
    portal = Portal(start)
    portal.log_in()
    data = portal.detail(family)["data"]
    rows = data["inverter"]
    kpi, today = data["kpi"], data["energeStatisticsCharts"]
    assert kpi["month_generation"] == pytest.approx(sum(row["emonth"] + row["eday"] for row in rows), abs=0.01)
    assert kpi["total_power"] == pytest.approx(sum(row["etotal"] for row in rows), abs=0.05)
    assert data["hjgx"]["co2"] == pytest.approx(0.000997 * kpi["total_power"])
    assert today["selfUseOfPv"] == pytest.approx(today["sum"] - today["sell"], abs=0.01)
    assert (data["powerflow"] is None) == (not data["hasPowerflow"])
    assert data["info"]["status"] == max(row["status"] for row in rows)
    for row in rows:
        full = row["invert_full"]
        assert row["emonth"] == full["thismonthetotle"]
        before = full["etotal"] - full["thismonthetotle"] - full["eday"]
        assert full["lastmonthetotle"] == pytest.approx(before, abs=0.05)
        assert full["output_yeasterdayTotal"] == pytest.approx(full["etotal"] - full["eday"])
        assert full["total_buy"] == pytest.approx(full["yesterdaybuytotal"] + full["buy"])
        assert full["total_sell"] == pytest.approx(full["yesterdaysellertotal"] + full["seller"])


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", ["hybrid", "meter"])
def test_powerflow_balances_and_is_unsigned(start, family):
    portal = Portal(start)
    portal.log_in()
    flow = portal.detail(family)["data"]["powerflow"]
    pv, load, grid, battery = (float(flow[name].removesuffix("(W)")) for name in ("pv", "load", "grid", "bettery"))
    assert min(pv, load, grid, battery) >= 0
    signed = {-1: 1, 0: 0, 1: -1}
    grid_sign = signed[flow["gridStatus"]]
    assert load == pytest.approx(pv + grid_sign * grid + signed[flow["betteryStatus"]] * battery, abs=2)
    assert flow["loadStatus"] in (-1, 1)


@pytest.mark.parametrize("start", [NOON, NIGHT])
def test_all_formats_of_one_time_agree_in_their_zones(start):
    for number in range(4):
        portal = Portal(start, accounts=4)
        portal.account = portal.emulator.accounts[number]
        portal.plants = {plant.family: plant for plant in portal.account.plants}
        portal.log_in()
        data = portal.detail("single")["data"]
        row, zone = data["inverter"][0], portal.plants["single"].households[0].zone
        uploaded_at = datetime.fromtimestamp(row["invert_full"]["last_time"] / 1000, UTC)
        pattern = {"MM.dd.yyyy": "%m.%d.%Y", "dd/MM/yyyy": "%d/%m/%Y"}[data["info"]["date_format"]]
        assert row["last_refresh_time"] == f"{uploaded_at.astimezone(zone):%m/%d/%Y %H:%M:%S}"
        assert row["d"]["last_refresh_time"] == f"{uploaded_at.astimezone(zone):{pattern} %H:%M:%S}"
        assert row["d"]["creationDate"] == f"{uploaded_at.astimezone(CHINA):%m/%d/%Y %H:%M:%S}"
        assert data["info"]["time_span"] == -2.0


def test_offline_inverter_reports_zero_power_and_its_last_daytime_upload():
    portal = Portal(NIGHT)
    portal.log_in()
    row = portal.detail("single")["data"]["inverter"][0]
    assert (row["status"], row["out_pac"], row["invert_full"]["pac"]) == (-1, 0.0, 0.0)
    assert row["etotal"] > 0
    assert row["last_refresh_time"].startswith("06/20/2026 2")


def test_missing_parts_are_reported_as_sentinels(portal):
    full = portal.detail("single")["data"]["inverter"][0]["invert_full"]
    assert (full["vpv4"], full["vac2"], full["fac3"], full["soc"]) == (6553.5, 6553.5, 655.35, 536.0)
    assert full["pmeter"] == full["pac"]


def test_inverters_of_one_plant_differ_in_serial_and_energy(portal):
    rows = portal.detail("several")["data"]["inverter"]
    assert len({row["sn"] for row in rows}) == len({row["etotal"] for row in rows}) == 3
    assert all(len(row["sn"]) == 16 for row in rows)
