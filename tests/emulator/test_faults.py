"""The faults every cloud shares, and what the control log counts while they strike."""

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
def test_a_value_that_makes_no_sense_is_refused_with_how_it_is_written(setting, hint):
    emulator = toy_emulator(accounts=1)
    with pytest.raises(ConfigError) as caught:
        emulator.faults.set(setting)
    assert hint in str(caught.value)
    assert emulator.faults.as_dict() == {}


def test_every_fault_may_be_set_without_a_value_and_the_number_one_is_on():
    emulator = toy_emulator(accounts=1, faults=dict.fromkeys(FAULTS, True))
    assert emulator.faults.as_dict() == dict.fromkeys(FAULTS, "")
    emulator.faults.set({"html": 1, "block": 1})
    assert emulator.faults.as_dict()["html"] == "1"


# The log


def test_the_log_counts_every_request_of_an_account_and_forgets_none():
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


def test_the_log_shows_so_many_requests_as_are_asked_for():
    emulator = toy_emulator(accounts=1)
    for number in range(5):
        emulator.respond("GET", f"/acme/{number}")
    assert [one["path"] for one in log_of(emulator, "?newest=2")["requests"]] == ["acme/3", "acme/4"]
    assert log_of(emulator)["requests"] == []
    assert "?newest=0" in log_of(emulator, "?newest=all")["error"]


def test_logins_of_strangers_are_counted_in_bounded_room():
    emulator = toy_emulator(accounts=1)
    for number in range(1500):
        emulator.respond("GET", f"/acme/login?user=nobody{number}")
    rejected = log_of(emulator)["rejected_logins"]
    assert rejected[OTHERS] == 500
    assert len(rejected) == 1001


def test_a_locked_account_is_counted_by_the_hour_until_its_lock_ends():
    emulator = toy_emulator(accounts=1, faults={"lock": "5"})
    holder = emulator.accounts[0]
    holder.lockout.lock(emulator.world.clock.now())
    emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    emulator.respond("GET", "/acme/login?user=acme1")
    wait(emulator, hours=6)
    told = log_of(emulator)["accounts"]["acme1"]
    assert (told["hours_locked"], told["requests_while_locked"], told["logins_while_locked"]) == (6, 2, 1)
    assert told["locked_until"] == "2026-06-22T10:02:30+00:00"
    wait(emulator, days=3)
    emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    told = log_of(emulator)["accounts"]["acme1"]
    assert (told["hours_locked"], told["requests_while_locked"], told["locked_until"]) == (24, 2, None)


def test_a_lock_ends_with_the_fault_that_shut_it():
    emulator = toy_emulator(accounts=1, faults={"quota": "5"})
    holder = emulator.accounts[0]
    holder.lockout.lock(emulator.world.clock.now())
    wait(emulator, hours=1)
    emulator.faults.set({"quota": None})
    assert log_of(emulator)["accounts"]["acme1"]["hours_locked"] == 1
    assert holder.lockout.remaining(emulator.world.clock.now()) is None


# Somebody else


def test_a_rival_logs_in_at_every_multiple_of_its_seconds_since_it_is_on():
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


def test_rivals_come_as_often_however_the_clock_gets_there():
    counted = []
    for steps in (1, 7, 1440):
        emulator = toy_emulator(accounts=1, faults={"rival": True})
        for _ in range(steps):
            wait(emulator, seconds=86_400 / steps)
            emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
        counted.append(log_of(emulator)["accounts"]["acme1"]["rival_logins"])
    assert counted == [288] * 3


def test_a_clock_sent_back_brings_no_rival_twice_and_a_leap_of_years_ends():
    emulator = toy_emulator(accounts=1, faults={"rival": "1"})
    wait(emulator, days=3000)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_000
    emulator.world.clock.set(NOON)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_000
    wait(emulator, seconds=2)
    assert log_of(emulator)["accounts"]["acme1"]["rival_logins"] == 100_002


# The network


def test_an_outage_reaches_no_cloud():
    emulator = toy_emulator(accounts=1, faults={"outage": "*1"})
    delivery = emulator.deliver("GET", "/acme/login?user=acme1", {}, b"", "")
    assert delivery.reset
    log = log_of(emulator, "")
    assert (log["clouds"]["acme"]["lost"], log["rejected_logins"], log["requests"][0]["status"]) == (1, {}, 0)
    assert log["accounts"]["acme1"]["requests"] == 0
    assert not emulator.deliver("GET", "/acme/x", {}, b"", "").reset


def test_a_reset_loses_the_answer_but_the_cloud_has_counted():
    emulator = toy_emulator(accounts=1, faults={"reset": True})
    assert emulator.deliver("GET", "/acme/login?user=acme1", {}, b"", "").reset
    assert log_of(emulator)["rejected_logins"] == {"acme1": 1}


def blocked(emulator, client="10.0.0.1"):
    return emulator.respond("GET", "/acme/edge", client=client).body == b'{"blocked": true}'


def test_too_many_requests_shut_an_address_out_for_hours_and_asking_on_makes_them_more():
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


def test_the_hours_of_a_block_may_be_told():
    emulator = toy_emulator(accounts=1, faults={"block": "0/60/24"})
    assert blocked(emulator)
    wait(emulator, hours=23)
    assert blocked(emulator)
    wait(emulator, hours=24)
    emulator.faults.set({"block": "9/60/24"})
    assert not blocked(emulator)


def test_callers_of_long_ago_are_forgotten():
    emulator = toy_emulator(accounts=1, faults={"block": "1/60"})
    for number in range(1200):
        blocked(emulator, f"10.0.{number}")
    assert len(emulator.firewall._callers) == 1000


def test_a_silent_firewall_keeps_the_caller_waiting_until_it_leaves():
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
        assert next(iter(emulator.firewall._callers))[1] == "127.0.0.1"


# A long simulation


def test_a_month_of_requests_and_clock_moves_is_quick():
    emulator = toy_emulator(accounts=1, faults={"rival": "300", "block": "100/60"})
    begun = time.monotonic()
    for _ in range(8640):
        assert emulator.respond("POST", "/control/clock", {}, b'{"advance": 300}').status == 200
        emulator.respond("GET", "/acme/x", {"cookie": "user=acme1"})
    told = log_of(emulator)
    assert time.monotonic() - begun < 20  # some two seconds; a minute if anything grew with the requests
    assert told["accounts"]["acme1"]["requests"] == 8640
    assert told["accounts"]["acme1"]["rival_logins"] == 8640
