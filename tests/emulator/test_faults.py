"""Faults of all clouds, and the counters of the control log."""

import json
import socket
import time
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from heliograph.emulator.faults import FAULTS
from heliograph.emulator.log import OTHERS
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from support.toy_clouds import NOON, toy_emulator


def log_of(emulator, query="?newest=0"):
    return json.loads(emulator.respond("GET", f"/control/log{query}").body)


def wait(emulator, **duration):
    clock = emulator.world.clock
    clock.set(clock.now() + timedelta(**duration))


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ({"lock": "100000"}, "whole number below 100000"),
        ({"quota": "many"}, "quota=5"),
        ({"flaky": "0"}, "whole number from 1"),
        ({"idle": "0"}, "seconds from 1"),
        ({"rival": "0.1"}, "rival=300"),
        ({"rival": "inf"}, "rival=300"),
        ({"block": "60"}, "block=60/60 or block=60/60/4"),
        ({"block": "60/0"}, "requests/seconds"),
        ({"block": "60/60/4/1"}, "requests/seconds"),
        ({"block": "60/60/0"}, "requests/seconds"),
        ({"region": "refuze"}, "the value must be refuse or none, as in region=refuse, got 'refuze'"),
        ({"html": "5"}, "html=*5 applies to the next 5 requests"),
        ({"outage": "x"}, "takes no value"),
    ],
)
def test_fault_rejects_invalid_value_with_format(setting, hint):
    emulator = toy_emulator(accounts=1)
    with pytest.raises(ConfigError) as caught:
        emulator.faults.set(setting)
    assert hint in str(caught.value)
    assert emulator.faults.as_dict() == {}


def test_fault_without_value_or_with_1_is_on():
    emulator = toy_emulator(accounts=1, faults=dict.fromkeys(FAULTS, True))
    assert emulator.faults.as_dict() == dict.fromkeys(FAULTS, "")
    emulator.faults.set({"html": 1, "block": 1})
    assert emulator.faults.as_dict()["html"] == "1"


# The log


def test_log_counts_all_requests_of_an_account():
    emulator = toy_emulator(accounts=1)
    for number in range(10_050):
        emulator.respond("GET", f"/acme/{number}", {"cookie": "user=acme1"})
    emulator.respond("GET", "/acme/x")
    log = log_of(emulator, "")
    assert len(log["requests"]) == 10_000
    assert log["requests"][0]["username"] == "acme1"
    assert log["accounts"]["acme1"]["requests"] == 10_050
    assert log["clouds"]["acme"]["requests"] == 10_051
    assert log["clouds"]["acme"]["statuses"] == {"200": 10_051}
    assert log["clouds"]["zeta"]["requests"] == 0


def test_log_newest_limits_requests():
    emulator = toy_emulator(accounts=1)
    for number in range(5):
        emulator.respond("GET", f"/acme/{number}")
    assert [one["path"] for one in log_of(emulator, "?newest=2")["requests"]] == ["acme/3", "acme/4"]
    assert log_of(emulator)["requests"] == []
    assert "?newest=0" in log_of(emulator, "?newest=all")["error"]


def test_log_limits_number_of_unknown_user_names():
    emulator = toy_emulator(accounts=1)
    for number in range(1500):
        emulator.respond("GET", f"/acme/login?user=unknown{number}")
    rejected = log_of(emulator)["rejected_logins"]
    assert rejected[OTHERS] == 500
    assert len(rejected) == 1001


def test_log_reports_hours_of_a_lock():
    emulator = toy_emulator(accounts=1, faults={"lock": "5"})
    holder = emulator.accounts[0]
    holder.lockout.lock(emulator.world.clock.now())
    emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    emulator.respond("GET", "/acme/login?user=acme1")
    wait(emulator, hours=6)
    account = log_of(emulator)["accounts"]["acme1"]
    assert (account["hours_locked"], account["requests_while_locked"], account["logins_while_locked"]) == (6, 2, 1)
    assert account["locked_until"] == "2026-06-22T10:02:30+00:00"
    wait(emulator, days=3)
    emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    account = log_of(emulator)["accounts"]["acme1"]
    assert (account["hours_locked"], account["requests_while_locked"], account["locked_until"]) == (24, 2, None)


def test_lock_ends_when_its_fault_is_switched_off():
    emulator = toy_emulator(accounts=1, faults={"quota": "5"})
    holder = emulator.accounts[0]
    holder.lockout.lock(emulator.world.clock.now())
    wait(emulator, hours=1)
    emulator.faults.set({"quota": None})
    assert log_of(emulator)["accounts"]["acme1"]["hours_locked"] == 1
    assert holder.lockout.remaining(emulator.world.clock.now()) is None


# Other clients


def test_rival_fault_logs_in_at_multiples_of_its_interval():
    emulator = toy_emulator(accounts=1)
    holder = emulator.accounts[0]
    wait(emulator, hours=1)
    emulator.faults.set({"rival": "600"})  # at 11:02:30
    wait(emulator, minutes=7)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 0
    wait(emulator, minutes=1)
    emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    wait(emulator, minutes=20)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 3
    assert [one.strftime("%H:%M:%S") for one in holder.state["rivals"]] == ["11:10:00", "11:20:00", "11:30:00"]
    emulator.faults.set({"rival": None})
    wait(emulator, hours=1)
    emulator.faults.set({"rival": "600"})
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 3


def test_rival_fault_is_independent_of_clock_steps():
    counted = []
    for steps in (1, 7, 1440):
        emulator = toy_emulator(accounts=1, faults={"rival": True})
        for _ in range(steps):
            wait(emulator, seconds=86_400 / steps)
            emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
        counted.append(log_of(emulator)["accounts"]["acme1"]["rival_logins"])
    assert counted == [288] * 3


def test_rival_fault_is_bounded_and_survives_clock_set_back():
    emulator = toy_emulator(accounts=1, faults={"rival": "1"})
    wait(emulator, days=3000)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_000
    emulator.world.clock.set(NOON)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_000
    wait(emulator, seconds=2)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_002


# The network


def test_outage_fault_reaches_no_cloud():
    emulator = toy_emulator(accounts=1, faults={"outage": "*1"})
    delivery = emulator.deliver("GET", "/acme/login?user=acme1", {}, b"", "")
    assert delivery.reset
    log = log_of(emulator, "")
    assert (log["clouds"]["acme"]["lost"], log["rejected_logins"], log["requests"][0]["status"]) == (1, {}, 0)
    assert log["accounts"]["acme1"]["requests"] == 0
    assert not emulator.deliver("GET", "/acme/x", {}, b"", "").reset


def test_reset_fault_counts_request():
    emulator = toy_emulator(accounts=1, faults={"reset": True})
    assert emulator.deliver("GET", "/acme/login?user=acme1", {}, b"", "").reset
    assert log_of(emulator)["rejected_logins"] == {"acme1": 1}


def blocked(emulator, client="10.0.0.1"):
    return emulator.respond("GET", "/acme/edge", client=client).body == b'{"blocked": true}'


def test_block_fault_blocks_address_and_extends_block():
    emulator = toy_emulator(accounts=1, faults={"block": "3/10"})
    for _ in range(2):
        assert [blocked(emulator) for _ in range(3)] == [False] * 3
        wait(emulator, seconds=10)
    assert [blocked(emulator) for _ in range(4)] == [False, False, False, True]
    wait(emulator, hours=3)
    assert blocked(emulator)
    wait(emulator, hours=3)
    assert blocked(emulator)
    assert not blocked(emulator, "10.0.0.2")
    wait(emulator, hours=4)
    assert not blocked(emulator)
    assert log_of(emulator)["clouds"]["acme"]["blocked"] == 3


def test_block_fault_hours_are_configurable():
    emulator = toy_emulator(accounts=1, faults={"block": "0/60/24"})
    assert blocked(emulator)
    wait(emulator, hours=23)
    assert blocked(emulator)
    wait(emulator, hours=24)
    emulator.faults.set({"block": "9/60/24"})
    assert not blocked(emulator)


def test_firewall_drops_oldest_clients():
    emulator = toy_emulator(accounts=1, faults={"block": "1/60"})
    for number in range(1200):
        blocked(emulator, f"10.0.{number}")
    assert len(emulator.firewall._clients) == 1000


def test_silent_fault_keeps_connection_open_without_response():
    emulator = toy_emulator(accounts=1, faults={"block": "1/60", "silent": True})
    with serve_in_thread(emulator) as ready:
        address = urlsplit(ready["url"])
        with closing(socket.create_connection((address.hostname, address.port), timeout=0.3)) as one:
            one.sendall(b"GET /acme/edge HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"false}"):
                answer += one.recv(65536)
            one.sendall(b"GET /acme/edge HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(TimeoutError):
                one.recv(65536)
        assert log_of(emulator)["clouds"]["acme"]["blocked"] == 1
        assert next(iter(emulator.firewall._clients))[1] == "127.0.0.1"


# A long simulation


def test_month_of_requests_is_fast():
    emulator = toy_emulator(accounts=1, faults={"rival": "300", "block": "100/60"})
    begun = time.monotonic()
    for _ in range(8640):
        assert emulator.respond("POST", "/control/clock", {}, b'{"advance": 300}').status == 200
        emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    log = log_of(emulator)
    assert time.monotonic() - begun < 20  # about 2 s; a minute if the cost grew with the number of requests
    assert log["accounts"]["acme1"]["requests"] == 8640
    assert log["accounts"]["acme1"]["rival_logins"] == 8640
