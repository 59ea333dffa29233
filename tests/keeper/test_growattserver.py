"""The drop-in for growattServer protects an account: its session, its quota, its locks and refused passwords."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace

import pytest
import requests

from heliograph import Growatt, Keeper, Limits
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import AccountLocked, InvalidCredentials, Throttled
from heliograph.growattserver import GrowattApi, hash_password
from support.keeper_state import stored_members

NOON = datetime(2026, 6, 21, 10, 2, tzinfo=UTC)
HOUR = 3600.0


@pytest.fixture
def cloud(tmp_path):
    """An emulated account, a clock, and a function that creates a drop-in client as a new program does."""
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=1))
    with serve_in_thread(emulator) as ready:
        account = ready["accounts"][0]
        clock = SimpleNamespace(now=NOON.timestamp())
        keeper = Keeper(tmp_path / "accounts")

        def api(**options):
            client = GrowattApi(**{"keeper": keeper, "clock": lambda: clock.now, **options})
            client.server_url = ready["growatt"]
            return client

        def typed(**options):
            names = account["username"], account["password"]
            return Growatt(*names, server=ready["growatt"], keeper=keeper, clock=lambda: clock.now, **options)

        yield SimpleNamespace(
            api=api,
            typed=typed,
            clock=clock,
            account=(account["username"], account["password"]),
            username=account["username"],
            plant=account["plants"][0],
            emulator=emulator,
            logins=lambda: emulator.log.as_dict()["logins"]["growatt"],
            requests=lambda: emulator.log.cloud_counters("growatt").requests,
            folder=tmp_path / "accounts",
        )


def test_login_with_a_stored_valid_session_returns_the_stored_answer_and_sends_nothing(cloud):
    first = cloud.api().login(*cloud.account)
    sent = cloud.requests()
    api = cloud.api()
    assert api.login(*cloud.account) == first
    assert cloud.requests() == sent
    assert api.session.cookies.get("JSESSIONID")
    assert api.plant_list(first["userId"])["data"]
    assert cloud.requests() == sent + 1


def test_login_with_hashed_password_uses_the_session_of_the_plain_one(cloud):
    username, password = cloud.account
    cloud.api().login(username, password)
    sent = cloud.requests()
    assert cloud.api().login(username, hash_password(password), True)["success"]
    assert cloud.requests() == sent


def test_login_answer_that_a_script_changes_is_stored_unchanged(cloud):
    api = cloud.api()
    answer = api.login(*cloud.account)
    answer["user"].clear()
    assert api.login(*cloud.account)["user"]


def test_expired_session_is_renewed_once_and_the_call_repeated(cloud):
    cloud.api().login(*cloud.account)
    api = cloud.api()
    user = api.login(*cloud.account)["userId"]
    cloud.emulator.accounts[0].state["sessions"].clear()
    sent = cloud.requests()
    assert api.plant_list(user)["data"]
    assert cloud.requests() == sent + 3, "rejected, login, again"


def test_drop_in_and_typed_client_share_session_and_count(cloud):
    api = cloud.api()
    api.login(*cloud.account)
    client = cloud.typed()
    assert client.plants()
    assert cloud.requests() == 1
    api.plant_info(cloud.plant)
    assert client.budget.requests_used == 2
    assert client.budget.logins_used == 1


def test_script_that_logs_in_every_five_minutes_logs_in_once_a_day(cloud):
    for _ in range(60):
        assert cloud.api().login(*cloud.account)["success"]
        cloud.clock.now += 300
    assert cloud.typed().budget.logins_used == 1


def test_refused_password_is_sent_once_and_does_not_harm_another(cloud):
    refused = cloud.api().login(cloud.username, "wrong")
    assert refused["success"] is False
    sent = cloud.requests()
    again = cloud.api().login(cloud.username, "wrong")
    assert (again["success"], again["msg"]) == (False, "502")
    assert "refused before" in again["error"]
    assert cloud.requests() == sent
    assert cloud.api().login(*cloud.account)["success"]


def test_call_after_a_refused_login_is_sent_without_another_login(cloud):
    api = cloud.api()
    api.login(cloud.username, "wrong")
    with pytest.raises(requests.RequestException) as error:
        api.plant_info(cloud.plant)
    assert not isinstance(error.value, InvalidCredentials)
    assert cloud.requests() == 2


def test_lock_is_returned_as_sent_and_then_remembered(cloud):
    cloud.emulator.faults.set({"lock": 1})
    for _ in range(2):
        cloud.api(keeper=None).login(*cloud.account)
    locked = cloud.api().login(*cloud.account)
    assert (locked["success"], locked["msg"]) == (False, "507")
    sent = cloud.requests()
    with pytest.raises(requests.RequestException) as error:
        cloud.api().login(*cloud.account)
    assert isinstance(error.value, AccountLocked)
    assert error.value.retry_after > 23 * HOUR
    assert cloud.requests() == sent


def test_spent_budget_raises_a_requests_error_with_the_time_of_the_next_try(cloud):
    limits = Limits(requests=12, logins=4, reserve=2)
    api = cloud.api(limits=limits)
    api.login(*cloud.account)
    for _ in range(9):
        api.plant_info(cloud.plant)  # a burst that a paced program could not send
    sent = cloud.requests()
    for call in (lambda: api.plant_info(cloud.plant), lambda: api.session.get(api.get_url("newPlantAPI.do"))):
        with pytest.raises(requests.RequestException) as error:
            call()
        assert isinstance(error.value, Throttled)
        assert 23 * HOUR < error.value.retry_after <= 25 * HOUR
        assert "Nothing was sent; next attempt at" in str(error.value)
    assert cloud.requests() == sent
    assert api.login(*cloud.account)["success"], "from the stored session"


def test_rounds_of_a_script_are_spread_over_the_day_and_never_interrupted(cloud):
    complete = []
    for number in range(288):
        api = cloud.api()
        with suppress(Throttled):
            user = api.login(*cloud.account)["userId"]
            complete.append(number)
        if complete[-1] == number:
            assert api.plant_list(user)["data"]
            assert api.plant_info(cloud.plant)
        cloud.clock.now += 300
    gaps = [after - before for before, after in pairwise(complete)]
    assert max(gaps) * 5 < 30, "a reading every half hour, day and night"
    assert cloud.requests() <= 160


def test_loop_of_a_long_running_script_is_paced_at_the_start_of_a_round(cloud):
    api = cloud.api()
    api.login(*cloud.account)
    refused = 0
    for _ in range(100):
        cloud.clock.now += 300
        try:
            api.plant_info(cloud.plant)
        except Throttled:
            refused += 1
            with pytest.raises(Throttled):
                api.plant_info(cloud.plant)
            continue
        api.all_devices(cloud.plant)
    assert refused > 20


def test_requests_that_the_script_builds_are_counted_and_carry_its_cookies(cloud):
    api = cloud.api()
    api.login(*cloud.account)
    api.session.cookies.set("mine", "1")
    page = api.session.get(api.get_url("newPlantAPI.do"), params={"op": "getPlant", "plantId": cloud.plant})
    assert page.json()
    api.plant_info(cloud.plant)
    assert api.session.cookies.get("mine") == "1"
    assert cloud.typed().budget.requests_used == 3


def test_without_keeper_every_login_is_sent_and_nothing_is_written(cloud):
    for _ in range(3):
        assert cloud.api(keeper=None).login(*cloud.account)["success"]
    assert cloud.requests() == 3
    assert not cloud.folder.exists()


def test_client_of_another_server_is_not_protected_by_the_state_of_the_first(cloud):
    api = cloud.api()
    api.login(*cloud.account)
    (path,) = cloud.folder.glob("growatt-*.json")
    before = path.read_text()
    api.server_url = "http://127.0.0.1:9/"
    with pytest.raises(requests.ConnectionError):
        api.plant_info(cloud.plant)
    assert path.read_text() == before


def test_state_file_contains_no_password(cloud):
    cloud.api().login(*cloud.account)
    (path,) = cloud.folder.glob("growatt-*.json")
    stored = stored_members(path)["session"]["facts"]["login_answer"]
    assert stored["answer"]["user"]["password"] == ""
    password = cloud.account[1]
    for secret in (password, hash_password(password)):
        assert secret not in path.read_text()


def test_error_of_a_script_that_has_to_wait_names_no_option_that_it_does_not_have(cloud):
    limits = Limits(requests=12, logins=4, reserve=2)
    api = cloud.api(limits=limits)
    api.login(*cloud.account)
    api.plant_info(cloud.plant)
    api.plant_info(cloud.plant)
    cloud.clock.now += 61
    with pytest.raises(Throttled) as error:
        api.plant_info(cloud.plant)
    assert "interactive" not in str(error.value)
    assert error.value.retry_after > 0
