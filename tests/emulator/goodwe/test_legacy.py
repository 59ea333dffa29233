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
BEFORE = {"version": "v2.1.0", "client": "ios", "language": "en"}
LOGIN, DETAIL = "/api/v2/Common/CrossLogin", "/api/v3/PowerStation/GetMonitorDetailByPowerstationId"
OWNER = "/api/PowerStation/GetPowerStationIdByOwner"


class Box:
    """Emulated portal with a stopped clock, and a raw client of it."""

    def __init__(self, start=NOON, accounts=1):
        options = EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=accounts)
        self.emulator = build_emulator(options, [EMULATION])
        self.holder = self.emulator.accounts[0]
        self.plants = {site.family: site for site in self.holder.plants}
        self.token = BEFORE

    def told(self, path, fields=None, *, token=None, form=False, origin="http://emulator"):
        headers = {"content-type": "application/x-www-form-urlencoded" if form else "application/json"}
        token = self.token if token is None else token
        if token != "":
            headers["token"] = token if isinstance(token, str) else json.dumps(token)
        body = urlencode(fields or {}) if form else json.dumps(fields or {})
        return self.emulator.respond("POST", path, headers, body.encode(), origin)

    def ask(self, path, fields=None, **how):
        return json.loads(self.told(path, fields, **how).body)

    def log_in(self, path=LOGIN, **how):
        answer = self.ask(path, {"account": self.holder.username, "pwd": self.holder.password}, token=BEFORE, **how)
        self.token = answer["data"]
        return answer

    def detail(self, family, path=DETAIL, **how):
        return self.ask(path, {"powerStationId": self.plants[family].id}, **how)

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, **duration):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))

    def truth(self, family):
        at, found = self.emulator.world.uploaded_at(), {}
        homes = self.plants[family].households
        for values in (home.values(at) for home in homes):
            found |= {name: found.get(name, 0.0) + value for name, value in values.items()}
        return found


@pytest.fixture
def box():
    found = Box()
    found.log_in()
    return found


@contextmanager
def served(start=NOON):
    found = Box(start)
    with serve_in_thread(found.emulator) as ready:
        who = found.holder
        client = GoodWe(who.username, who.password, server=ready["sems"], keeper=None)
        client.session.facts["dialect"] = "legacy"  # the emulator serves both dialects
        yield found, client


def test_every_declared_call_has_a_handler():
    assert LEGACY_ROUTER.unhandled() == set()


# Through the client, over sockets


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
def test_snapshot_matches_the_simulation_for_every_family(start):
    with served(start) as (box, client):
        for family, site in box.plants.items():
            found, truth = client.snapshot(site.id), box.truth(family)
            asleep = found.status.value == "offline"
            assert asleep == (family == "single" and start != NOON)
            for name, value in found.as_dict().items():
                if asleep and name.endswith("_power"):
                    assert value is None
                elif name in truth:
                    slack = 0.051 * len(site.households) if "energy" in name else 1.0
                    assert value == pytest.approx(truth[name], abs=slack), (family, name)
                elif name.split("_")[0] in ("pv", "grid", "battery", "load", "ac"):
                    assert value is None, (family, name)
            assert found.plant.name == site.name


def test_snapshots_take_one_request_per_plant():
    with served() as (box, client):
        assert [one.plant.id for one in client.snapshots()] == [site.id for site in box.holder.plants]
        log = json.loads(box.emulator.respond("GET", "/control/log").body)
        assert len(log["requests"]) == 2 + len(box.holder.plants)


def test_async_client_returns_the_same_snapshot():
    with served() as (box, client):
        who, plant = box.holder, box.plants["hybrid"].id
        again = AsyncGoodWe(who.username, who.password, server=client.session.server, keeper=None)
        again.session.facts["dialect"] = "legacy"
        found = asyncio.run(again.snapshot(plant))
        assert found.values == client.snapshot(plant).values


def test_grid_power_is_right_despite_a_stuck_grid_flag():
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(EVENING), speed=0, accounts=8), [EMULATION])
    stuck = 0
    with serve_in_thread(emulator) as ready:
        for who in emulator.accounts:
            plant = next(site for site in who.plants if site.family == "meter")
            client = GoodWe(who.username, who.password, server=ready["sems"], keeper=None)
            truth = plant.households[0].values(emulator.world.uploaded_at())["grid_power"]
            assert client.snapshot(plant.id).values["grid_power"] == pytest.approx(truth, abs=1)
            stuck += client.monitor_detail(plant.id).powerflow.grid_status == 1 and truth > 0
    assert 0 < stuck < 8


def test_session_replaced_by_another_login_is_renewed():
    with served() as (box, client):
        plant = box.plants["meter"].id
        first = client.monitor_detail(plant)
        GoodWe(box.holder.username, box.holder.password, server=client.session.server, keeper=None).plant_list()
        assert client.monitor_detail(plant).kpi.energy_total == first.kpi.energy_total


def test_error_of_an_always_expired_session_names_the_causes():
    with served() as (box, client):
        box.fault(expire="0")
        with pytest.raises(e.SessionExpired, match="another login"):
            client.plant_list()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("rate", e.Throttled), ("empty", e.RequestRefused), ("html", e.Unreadable), ("block", e.Blocked)],
)
def test_fault_raises_its_error(fault, kind):
    with served() as (box, client):
        client.plant_list()
        box.fault(**{fault: ""})
        with pytest.raises(kind):
            client.monitor_detail(box.plants["single"].id)


def test_foreign_plant_and_wrong_password_have_different_errors():
    with served() as (box, client):
        with pytest.raises(e.RequestRefused, match="no such plant"):
            client.monitor_detail("00000000-0000-4000-8000-000000000000")
        with pytest.raises(e.InvalidCredentials):
            GoodWe(box.holder.username, "wrong", server=client.session.server, keeper=None).plant_list()


# Authentication


def test_login_returns_data_server_and_token_of_the_client(box):
    answer = box.log_in(origin="http://127.0.0.1:9")
    assert answer["code"] == 0
    assert answer["api"] == "http://127.0.0.1:9/api/"
    assert answer["data"].keys() == {"uid", "timestamp", "token"} | BEFORE.keys()
    assert {name: answer["data"][name] for name in BEFORE} == BEFORE
    assert box.log_in("/api/v3/Common/CrossLogin")["data"].keys() >= {"uuid", "neutral"}


def test_login_accepts_forms_base64_doubled_slashes_and_any_case(box):
    coded = base64.b64encode(json.dumps(BEFORE).encode()).decode()
    who = {"Account": box.holder.username, "PWD": box.holder.password}
    answer = box.ask("/api//v2/common/crosslogin", who, token=coded, form=True)
    token = base64.b64encode(json.dumps(answer["data"]).encode()).decode()
    plant = {"PowerStationID": box.plants["single"].id}
    for path in (DETAIL.replace("/v3", "//v1"), DETAIL.lower()):
        assert box.ask(path, plant, token=token, form=True)["code"] == "0"


def test_token_timestamp_may_be_text(box):
    assert box.ask(OWNER, token={**box.token, "timestamp": str(box.token["timestamp"])})["code"] == "0"


@pytest.mark.parametrize("path", [LOGIN, DETAIL, OWNER])
@pytest.mark.parametrize("token", ["", "nonsense", "[1]", "bm9uc2Vuc2U="])
def test_missing_or_invalid_token_header_is_rejected(box, path, token):
    assert str(box.ask(path, token=token)["code"]) == "100000"


def test_token_without_login_has_no_access(box):
    assert box.ask(DETAIL, token=BEFORE)["code"] == "100001"
    assert box.ask("/api/PowerStationMonitor/QueryPowerStationMonitorForApp", token=BEFORE)["code"] == 100001


@pytest.mark.parametrize("change", [{"client": "web"}, {"token": "0" * 32}, {"uid": "somebody"}])
def test_changed_token_is_reported_as_expired(box, change):
    assert box.ask(OWNER, token={**box.token, **change})["code"] == "100002"


def test_token_is_valid_for_its_own_host_only(box):
    assert box.ask(OWNER, origin="http://elsewhere")["code"] == "100002"


def test_new_login_replaces_the_old_session(box):
    old = box.token
    box.log_in()
    assert box.ask(OWNER, token=old)["code"] == "100002"
    assert box.ask(OWNER)["code"] == "0"


def test_wrong_password_is_not_flagged_as_error(box):
    answer = box.ask(LOGIN, {"account": box.holder.username, "pwd": "wrong"}, token=BEFORE)
    assert (answer["hasError"], answer["code"], answer["data"]) == (False, 100005, None)


def test_unknown_plant_returns_innerexception(box):
    answer = box.ask(DETAIL, {"powerStationId": "ERRORCODE"})
    assert (answer["hasError"], answer["code"], answer["data"]) == (True, "innerexception", "")


@pytest.mark.parametrize("odd", ["\ud800", {}, [1], 7, None, "x" * 10_000])
def test_odd_values_are_rejected_like_wrong_ones(box, odd):
    who = {"account": box.holder.username, "pwd": box.holder.password}
    assert box.ask(LOGIN, who, token={**BEFORE, "client": odd})["code"] == 0
    assert box.ask(LOGIN, {"account": odd, "pwd": odd}, token=BEFORE)["code"] == 100005
    box.log_in()
    assert box.ask(DETAIL, {"powerStationId": odd})["code"] == "innerexception"
    assert box.ask(OWNER, token={**box.token, "token": odd})["code"] in ("100001", "100002")
    path = "/api/PowerStationMonitor/QueryPowerStationMonitorForApp"
    assert box.ask(path, {"page_size": odd, "page_index": odd})["code"] == 0


def test_unknown_path_returns_404(box):
    assert box.told("/api/v2/PowerStation/Nothing").status == 404


def test_fault_expire_limits_the_token_lifetime(box):
    box.fault(expire="60")
    box.wait(seconds=59)
    assert box.ask(OWNER)["code"] == "0"
    box.wait(seconds=1)
    assert box.ask(OWNER)["code"] == "100002"
    box.log_in()
    assert box.ask(OWNER)["code"] == "0"


def test_rate_limit_ends_after_five_minutes(box):
    box.fault(rate="3")
    codes = [box.ask(OWNER)["code"] for _ in range(3)]
    assert codes == ["0", "0", "GY0429"]
    box.wait(seconds=299)
    assert box.ask(OWNER)["code"] == "GY0429"
    box.wait(seconds=1)
    assert box.ask(OWNER)["code"] == "0"


def test_fault_empty_returns_success_without_data(box):
    box.fault(empty="*1")
    assert box.detail("single")["data"] == {}
    assert box.detail("single")["data"]["info"]


# Responses


def test_plant_list_is_paged(box):
    path = "/api/PowerStationMonitor/QueryPowerStationMonitorForApp"
    pages = [box.ask(path, {"page_size": "3", "page_index": str(page)})["data"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert [row["powerstation_id"] for page in pages for row in page] == [site.id for site in box.holder.plants]


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_numbers_within_one_response_are_consistent(start, family):
    box = Box(start)
    box.log_in()
    data = box.detail(family)["data"]
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
    box = Box(start)
    box.log_in()
    flow = box.detail(family)["data"]["powerflow"]
    pv, load, grid, battery = (float(flow[name].removesuffix("(W)")) for name in ("pv", "load", "grid", "bettery"))
    assert min(pv, load, grid, battery) >= 0
    signed = {-1: 1, 0: 0, 1: -1}
    grid_sign = signed[flow["gridStatus"]]
    assert load == pytest.approx(pv + grid_sign * grid + signed[flow["betteryStatus"]] * battery, abs=2)
    assert flow["loadStatus"] in (-1, 1)


@pytest.mark.parametrize("start", [NOON, NIGHT])
def test_all_formats_of_one_time_agree_in_their_zones(start):
    for number in range(4):
        box = Box(start, accounts=4)
        box.holder = box.emulator.accounts[number]
        box.plants = {site.family: site for site in box.holder.plants}
        box.log_in()
        data = box.detail("single")["data"]
        row, zone = data["inverter"][0], box.plants["single"].households[0].zone
        told = datetime.fromtimestamp(row["invert_full"]["last_time"] / 1000, UTC)
        pattern = {"MM.dd.yyyy": "%m.%d.%Y", "dd/MM/yyyy": "%d/%m/%Y"}[data["info"]["date_format"]]
        assert row["last_refresh_time"] == f"{told.astimezone(zone):%m/%d/%Y %H:%M:%S}"
        assert row["d"]["last_refresh_time"] == f"{told.astimezone(zone):{pattern} %H:%M:%S}"
        assert row["d"]["creationDate"] == f"{told.astimezone(CHINA):%m/%d/%Y %H:%M:%S}"
        assert data["info"]["time_span"] == -2.0


def test_offline_inverter_reports_zero_power_and_its_last_daytime_upload():
    box = Box(NIGHT)
    box.log_in()
    row = box.detail("single")["data"]["inverter"][0]
    assert (row["status"], row["out_pac"], row["invert_full"]["pac"]) == (-1, 0.0, 0.0)
    assert row["etotal"] > 0
    assert row["last_refresh_time"].startswith("06/20/2026 2")


def test_missing_parts_are_reported_as_sentinels(box):
    full = box.detail("single")["data"]["inverter"][0]["invert_full"]
    assert (full["vpv4"], full["vac2"], full["fac3"], full["soc"]) == (6553.5, 6553.5, 655.35, 536.0)
    assert full["pmeter"] == full["pac"]


def test_inverters_of_one_plant_differ_in_serial_and_energy(box):
    rows = box.detail("several")["data"]["inverter"]
    assert len({row["sn"] for row in rows}) == len({row["etotal"] for row in rows}) == 3
    assert all(len(row["sn"]) == 16 for row in rows)
