"""The emulator over real sockets: faults, control API, and hostile requests."""

import argparse
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.cli.emulate import add_emulate
from heliograph.cli.main import run_guarded
from heliograph.emulator.faults import FAULTS, FaultSwitches
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.request import BadRequest, parse_request
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.metrics import METRICS
from support.paths import TESTS
from support.toy_clouds import BERLIN, NOON, Acme, Zeta, toy_emulator


class EmulatorClient:
    """One keep-alive connection to a served emulator, with access to the emulator object."""

    def __init__(self, emulator, ready):
        self.emulator, self.ready = emulator, ready
        self.address = urlsplit(ready["url"])
        self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=5)

    def request(self, verb, path, body=None, **headers):
        self.connection.request(verb, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = self.connection.getresponse()
        return response, response.read()

    def json(self, verb, path, body=None, **headers):
        response, text = self.request(verb, path, None if body is None else json.dumps(body), **headers)
        return response.status, json.loads(text)

    def raw(self, data):
        with closing(socket.create_connection((self.address.hostname, self.address.port), timeout=5)) as one:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: one.recv(65536), b""))


@pytest.fixture
def client():
    emulator = toy_emulator()
    with serve_in_thread(emulator) as ready:
        one = EmulatorClient(emulator, ready)
        yield one
        one.connection.close()


def test_ready_line_has_urls_and_accounts(client):
    ready = client.ready
    assert ready["acme"] == ready["url"] + "/acme/"
    assert ready["control"] == ready["url"] + "/control"
    assert [one["vendor"] for one in ready["accounts"]] == ["acme", "zeta", "acme"]
    assert [one["username"] for one in ready["accounts"]] == ["acme1", "zeta2", "acme3"]
    assert [len(one["plants"]) for one in ready["accounts"]] == [5, 1, 5]
    plants = [plant for one in ready["accounts"] for plant in one["plants"]]
    assert len(set(plants)) == 11
    assert all(isinstance(plant, str) for plant in plants)


def test_world_with_same_seed_is_identical():
    accounts = [toy_emulator(seed=seed).ready_info("")["accounts"] for seed in (7, 7, 8)]
    assert accounts[0] == accounts[1]
    assert accounts[0] != accounts[2]


def test_connection_serves_many_requests_with_simulated_date(client):
    for _ in range(3):
        reply, _body = client.request("GET", "/acme/x")
        assert (reply.status, reply.reason) == (200, "OK")
        assert parsedate_to_datetime(reply.headers["Date"]) == NOON
    assert client.connection.sock is not None


def test_unknown_path_returns_404(client):
    reply, _ = client.request("GET", "/nowhere.do")
    assert reply.status == 404
    assert client.json("GET", "/control/log")[1]["requests"][-1]["vendor"] is None


def test_parse_request_merges_query_form_multipart_and_json(client):
    form, multipart = "application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"
    parts = '--xx\r\nContent-Disposition: form-data; name="b"\r\n\r\nzwei\r\n--xx--\r\n'
    for body, kind in (
        ("a=9&b=zwei&c=", form),
        (parts, multipart),
        ('{"a": "9", "b": "zwei", "c": null}', "application/json; charset=utf-8"),
    ):
        _, text = client.request("POST", "//acme/x?a=1&a=2", body, Content_Type=kind, Cookie="sid=1; s=x=y")
        request = json.loads(text)
        assert request["arguments"]["a"] == "1"
        assert request["arguments"]["b"] == "zwei"
        assert request["path"] == "acme/x"
        assert request["cookies"] == {"sid": "1", "s": "x=y"}
        assert request["origin"] == client.ready["url"]


def test_parse_request_converts_json_values_to_text():
    body = b'{"n": 5, "yes": true, "none": null, "deep": {"a": [1]}}'
    request = parse_request("POST", "/x", {"content-type": "application/json"}, body, "")
    assert request.arguments == {"n": "5", "yes": "true", "deep": '{"a":[1]}'}


def test_log_counts_logins_and_contains_no_secrets(client):
    account = client.ready["accounts"][0]
    credentials = f"user={account['username']}&password={account['password']}"
    form = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": "sid=secret-cookie"}
    client.request("POST", "/acme/login?op=enter", credentials, **form)
    client.request("POST", "/acme/login", "user=acme1&password=wrong-password", **form)
    client.request("POST", "/acme/login", "user=unknown&password=x", **form)
    _, text = client.request("GET", "/control/log")
    log = json.loads(text)
    assert log["logins"] == {"acme1": 1}
    assert log["rejected_logins"] == {"acme1": 1, "unknown": 1}
    assert log["requests"][0] == {
        "at": "2026-06-21T10:02:30+00:00",
        "vendor": "acme",
        "verb": "POST",
        "path": "acme/login",
        "op": "enter",
        "status": 200,
        "username": "acme1",
    }
    for secret in (account["password"], "wrong-password", "secret-cookie"):
        assert secret not in text.decode()


def test_log_contains_newest_requests():
    emulator = toy_emulator(accounts=1)
    for number in range(10_001):
        emulator.respond("GET", f"/nowhere/{number}")
    paths = [one["path"] for one in emulator.log.as_dict()["requests"]]
    assert (len(paths), paths[0], paths[-1]) == (10_000, "nowhere/1", "nowhere/10000")


def test_control_truth_returns_household_values(client):
    holder = client.emulator.accounts[0]
    site = next(one for one in holder.plants if one.family == "hybrid")
    status, truth = client.json("GET", f"/control/truth?plant={site.id}")
    assert status == 200
    assert (truth["vendor"], truth["plant"]) == ("acme", site.id)
    assert truth["measured_at"] == "2026-06-21T10:00:00+00:00"
    assert truth["status"] == "online"
    values = site.households[0].values(datetime(2026, 6, 21, 10, tzinfo=UTC))
    assert {name: truth[name] for name in METRICS} == {name: pytest.approx(values[name], abs=0.001) for name in METRICS}


def test_control_truth_sums_households_of_a_plant(client):
    sites = {site.family: site for site in client.emulator.accounts[0].plants}
    moment = client.emulator.world.uploaded_at()
    truth = client.json("GET", f"/control/truth?plant={sites['row'].id}")[1]
    values = [home.values(moment) for home in sites["row"].households]
    assert len({one["load_power"] for one in values}) == 3
    assert truth["pv_power"] == pytest.approx(sum(one["pv_power"] for one in values), abs=0.001)
    assert truth["battery_soc"] == pytest.approx(sum(one["battery_soc"] for one in values) / 3, abs=0.001)
    truth = client.json("GET", f"/control/truth?plant={sites['roof'].id}&at=2026-06-21T01:00:00+02:00")[1]
    assert truth["pv_power"] == 0
    assert truth["load_power"] is None
    assert truth["status"] == "standby"
    assert truth["measured_at"] == "2026-06-20T23:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "status", "hint"),
    [
        ("plant=99", 404, "no plant with id '99'"),
        ("", 404, "?plant=ID"),
        ("plant={plant}&at=yesterday", 400, "is not a time"),
        ("plant={plant}&at=2026-06-21T12:00:00", 400, "no UTC offset"),
        ("plant={plant}&at=1999-06-21T12:00:00Z", 400, "this world covers 2025-01-01"),
        ("plant={plant}&at=9999-12-31T23:59:59-12:00", 400, "this world covers"),
        ("plant={plant}&at=0001-01-01T00:00:00%2B14:00", 400, "this world covers"),
    ],
)
def test_control_truth_reports_invalid_query(query, status, hint):
    emulator = toy_emulator(accounts=1)
    response = emulator.respond("GET", "/control/truth?" + query.format(plant=emulator.accounts[0].plants[0].id))
    assert response.status == status
    assert hint in json.loads(response.body)["error"]


def test_control_clock_sets_advances_and_stops_time(client):
    assert client.json("GET", "/control/clock")[1] == {"now": "2026-06-21T10:02:30.000+00:00", "speed": 0.0}
    clock = client.json("POST", "/control/clock", {"now": "2026-12-24T18:00:00+01:00"})[1]
    assert clock["now"] == "2026-12-24T17:00:00.000+00:00"
    assert client.json("POST", "/control/clock", {"advance": 90})[1]["now"] == "2026-12-24T17:01:30.000+00:00"
    assert client.json("POST", "/control/clock", {"speed": 60})[1]["speed"] == 60
    assert json.loads(client.request("GET", "/acme/x")[1])["now"].startswith("2026-12-24T17:0")


@pytest.mark.parametrize(
    "setting",
    [
        {"now": "soon"},
        {"now": 5},
        {"now": "2026-06-21T12:00:00"},
        {"now": "1970-01-01T00:00:00Z"},
        {"speed": -1},
        {"speed": float("inf")},
        {"speed": "fast"},
        {"speed": None},
        {"speed": True},
        {"advance": 1e300},
        {"advance": 1e12},
        {"advance": "x"},
        {"wind": 5},
        [],
    ],
)
def test_control_clock_rejects_invalid_setting(setting):
    emulator = toy_emulator(accounts=1)
    response = emulator.respond("POST", "/control/clock", {}, json.dumps(setting).encode())
    assert response.status == 400
    assert emulator.world.clock.now() == NOON
    assert emulator.world.clock.speed == 0


def test_control_faults_switches_on_and_off(client):
    assert client.json("POST", "/control/faults", {"lock": 5, "html": True}) == (200, {"lock": "5", "html": ""})
    assert client.request("GET", "/acme/x")[1] == b"<html>"
    assert client.json("POST", "/control/faults", {"lock": None, "html": False})[1] == {}
    assert client.request("GET", "/acme/x")[1] != b"<html>"


def test_limited_fault_applies_to_that_many_requests(client):
    client.json("POST", "/control/faults", {"html": "*2"})
    pages = [client.request("GET", "/acme/x")[1] == b"<html>" for _ in range(4)]
    assert pages == [True, True, False, False]
    assert client.json("GET", "/control/faults")[1] == {}


def test_fault_read_twice_in_a_request_is_one_use():
    emulator = toy_emulator(faults={"rate": "5*1"})
    rates = [json.loads(emulator.respond("GET", "/acme/x").body)["rates"] for _ in range(2)]
    assert rates == [["5", "5"], [None, None]]


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ({"looock": "5"}, "available: lock, quota, expire"),
        ({"slow": "long"}, "number of seconds"),
        ({"slow": "-1"}, "number of seconds"),
        ({"slow": "nan"}, "number of seconds"),
        ({"lock": "abc"}, "whole number"),
        ({"rate": "-1"}, "whole number"),
        ({"expire": "soon"}, "number of seconds"),
        ({"html": "x*y"}, "number of requests"),
        ({"html": "*0"}, "number of requests"),
        ({"html": []}, "null to switch it off"),
        ({"html": "1", "nope": "1"}, "unknown fault 'nope'"),
    ],
)
def test_unknown_fault_is_rejected_and_changes_nothing(setting, hint):
    emulator = toy_emulator(accounts=1)
    response = emulator.respond("POST", "/control/faults", {}, json.dumps(setting).encode())
    assert response.status == 400
    assert hint in json.loads(response.body)["error"]
    assert emulator.faults.as_dict() == {}


def test_fault_switches_as_dict_includes_remaining_uses():
    board = FaultSwitches({"lock": "5*3"})
    assert board.use("lock") == "5"
    assert board.as_dict() == {"lock": "5*2"}
    assert board.use("rate") is None


def test_truncated_fault_sends_half_the_body(client):
    client.json("POST", "/control/faults", {"truncated": "*1"})
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.request("GET", "/acme/x")
    assert len(caught.value.partial) == pytest.approx(caught.value.expected, abs=1)
    client.connection.close()
    assert client.request("GET", "/acme/x")[0].status == 200


def test_reset_fault_resets_connection(client):
    client.json("POST", "/control/faults", {"reset": True})
    with pytest.raises(ConnectionResetError) as caught:
        client.request("GET", "/acme/x")
    assert caught.type is ConnectionResetError  # http.client raises a subclass for a connection that was only closed
    client.connection.close()
    assert client.json("POST", "/control/faults", {"reset": None})[0] == 200
    assert client.request("GET", "/acme/x")[0].status == 200


def test_slow_fault_delays_clouds_but_not_control(client):
    client.json("POST", "/control/faults", {"slow": 0.3})
    begun = time.monotonic()
    client.request("GET", "/acme/x")
    assert time.monotonic() - begun >= 0.3
    assert client.emulator.deliver("GET", "/control/log", {}, b"", "").delay == 0


def test_slow_fault_defaults_to_five_seconds():
    assert toy_emulator(faults={"slow": True}).deliver("GET", "/acme/x", {}, b"", "").delay == 5


def test_http500_fault_returns_page_but_not_from_control(client):
    client.json("POST", "/control/faults", {"http500": True})
    reply, body = client.request("GET", "/zeta/x")
    assert (reply.status, reply.headers["Content-Type"]) == (500, "text/html")
    assert body.startswith(b"<html>")
    assert client.request("GET", "/control/log")[0].status == 200


def test_internal_error_returns_500_and_server_continues(client, caplog):
    assert client.request("GET", "/acme/fail")[0].status == 500
    assert "ZeroDivisionError" in caplog.text
    assert client.request("GET", "/acme/x")[0].status == 200


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/control/", 404),
        ("GET", "/control/passwords", 404),
        ("DELETE", "/control/log", 405),
        ("GET", "/control/faults/", 200),
    ],
)
def test_control_rejects_unknown_path_and_verb(client, verb, path, status):
    assert client.request(verb, path)[0].status == status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b" 400 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
        (b"GET /acme/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", b" 431 "),
        (b"GET /acme/x HTTP/1.1\r\n\r\n", b" 400 "),
        (b"GET //[ HTTP/1.1\r\nHost: a\r\n\r\n", b" 404 "),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", b" 400 "),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b" 404 "),
        (b"GET /acme/x?" + b"&".join([b"a=1"] * 2000) + b" HTTP/1.1\r\nHost: a\r\n\r\n", b" 400 "),
        (b"POST /acme/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 1_200_000, b" 413 "),
        (b"POST /acme/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{", b" 400 "),
        (
            b"POST /acme/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
            b" 400 ",
        ),
        (b"POST /control/faults HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nnull", b" 400 "),
        (b"POST /acme/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b" 400 "),
        (b"POST /acme/x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf", b""),
        (b"", b""),
        (b"HEAD /acme/x HTTP/1.1\r\nHost: a\r\n\r\n", b" 200 "),
        (b"GET /acme/%00%ff HTTP/1.1\r\nHost: \xff\r\nCookie: ;=;\xff=\xfe\r\n\r\n", b" 200 "),
    ],
)
def test_server_rejects_hostile_input_and_continues(client, data, status):
    assert status in client.raw(data).partition(b"\r\n")[0]
    assert client.request("GET", "/acme/x")[0].status == 200


def test_server_answers_pipelined_requests_in_order(client):
    one = b"GET /acme/%d HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = client.raw(one % 1 + one % 2)
    assert answers.index(b"acme/1") < answers.index(b"acme/2")


def test_server_supports_expect_100_continue(client):
    head = b"POST /acme/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with closing(socket.create_connection((client.address.hostname, client.address.port), timeout=5)) as one:
        one.sendall(head)
        assert one.recv(100).startswith(b"HTTP/1.1 100")
        one.sendall(b"a=1")
        assert b" 200 " in one.recv(100)


@settings(max_examples=50)
@given(st.text(), st.dictionaries(st.sampled_from(["content-type", "cookie", "host"]), st.text()), st.binary())
def test_server_responds_to_any_request(target, headers, body):
    emulator = _EMULATOR
    assert emulator.respond("POST", f"/acme/{target}", headers, body).status in {200, 400, 500}
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    with suppress(BadRequest):
        parse_request("POST", target, multipart, b"--x\r\n" + body, "")


_EMULATOR = toy_emulator(accounts=1)


def test_build_emulator_uses_zone_or_offset_of_start():
    start = datetime.fromisoformat("2026-06-21T12:00:00+02:00")
    assert build_emulator(EmulatorOptions(start=start), [Acme()]).world.zone.utcoffset(None) == timedelta(hours=2)
    assert build_emulator(EmulatorOptions(start=start, zone=BERLIN), [Acme()]).world.zone is BERLIN
    with pytest.raises(ConfigError, match="5 minutes"):
        build_emulator(EmulatorOptions(start=datetime.fromisoformat("2026-06-21T12:00:00+02:03")), [Acme()])


def test_load_emulations_alternates_clouds_with_growatt_first():
    from heliograph.emulator.main import load_emulations

    assert [one.vendor for one in load_emulations()] == ["growatt", "goodwe"]
    holders = build_emulator(EmulatorOptions(accounts=4, start=NOON), [Zeta(), Acme()]).accounts
    assert [holder.vendor for holder in holders] == ["zeta", "acme", "zeta", "acme"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_program_prints_ready_line_and_exits_on_signal(ending):
    program = (
        "import sys; from datetime import datetime, timezone; sys.path.insert(0, sys.argv[1]);"
        "from support.toy_clouds import Acme, NOON; from heliograph.emulator.main import EmulatorOptions, run_emulator;"
        "sys.exit(run_emulator(EmulatorOptions(start=NOON, accounts=1), [Acme()]))"
    )
    command = [sys.executable, "-c", program, str(TESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        ready = json.loads(process.stdout.readline())
        address = urlsplit(ready["url"])
        wire = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
        wire.request("GET", "/acme/x")
        assert wire.getresponse().status == 200
        process.send_signal(ending)  # while a kept connection is open
        rest, complaints = process.communicate(timeout=10)
        wire.close()
    assert (process.returncode, rest, complaints) == (0, "", "")


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_emulate(parser.add_subparsers())
    given = parser.parse_args(["emulate", *arguments])
    return run_guarded(lambda: given.run(given))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "http"],
        ["--port", "70000"],
        ["--start", "noon"],
        ["--start", "2026-06-21T12:00:00"],
        ["--start", "0001-01-01T00:00:00Z"],
        ["--start", "9999-12-31T23:59:59Z"],
        ["--speed", "-1"],
        ["--speed", "nan"],
        ["--seed", "seven"],
        ["--accounts", "0"],
        ["--accounts", "many"],
        ["--zone", "Europe/Nowhere"],
        ["--zone", "../../etc/passwd"],
        ["--zone", ""],
    ],
)
def test_emulate_invalid_option_prints_one_line_with_exit_code_2(arguments, capsys):
    assert run(*arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1


def test_ready_line_of_both_clouds_has_base_urls():
    ready = build_emulator(EmulatorOptions(start=NOON)).ready_info("http://here", "http://there")
    assert ready["growatt"] == "http://here/"
    assert ready["sems"] == "http://here/api/"
    assert ready["semsplus"] == "http://here/web/sems/"
    assert ready["semsplus_login"] == "http://here/web/sems/sems-user/api/v1/auth/cross-login"
    assert ready["control"] == "http://here/control"


def test_emulate_with_used_port_prints_one_line(capsys):
    from heliograph.emulator.main import run_emulator

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert run_guarded(lambda: run_emulator(EmulatorOptions(port=port, start=NOON), [Acme()])) == 2
    line = " ".join(capsys.readouterr().err.split())
    assert line.startswith(f"heliograph: cannot listen on 127.0.0.1 port {port}: address already in use; another")


def test_emulate_help_names_every_fault(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    help_text = capsys.readouterr().out
    known = build_emulator(EmulatorOptions(start=NOON)).faults.descriptions
    assert known.keys() > FAULTS.keys()
    assert [name for name in known if name not in help_text] == []


def test_control_truth_accepts_plus_sign_in_query():
    emulator = toy_emulator(accounts=1)
    plant = emulator.accounts[0].plants[0].id
    moment = "2026-06-21T12:00:00+02:00"
    bodies = [emulator.respond("GET", f"/control/truth?plant={plant}&at={at}").body for at in (moment, quote(moment))]
    assert bodies[0] == bodies[1]
