"""Errors, logs, representations, files and command output contain none of the marker secrets given as input."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from rich.pretty import pretty_repr

from heliograph import growattserver
from heliograph.cli.clients import create_client as cli_client
from heliograph.config import Account, Config, load
from heliograph.config.passwords import DeferredSecret, PasswordStore
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Request, Response, Session
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import CloudError, ConfigError
from heliograph.keeper import Keeper
from heliograph.vendors.goodwe import AsyncGoodWe, GoodWe, GoodWeCalls, SemsPlusCalls
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.growatt import AsyncGrowatt, Growatt, GrowattCalls
from heliograph.vendors.growatt.auth import GrowattProtocol
from support.secret_leaks import (
    COOKIE,
    ECHOES,
    KINDS,
    PASSWORD,
    TOKEN,
    UID,
    USERNAME,
    captured_logs,
    leaks,
    markers,
    readable_files,
    run_echo_server,
    seen,
)

CLIENTS = {"growatt": (Growatt, AsyncGrowatt), "goodwe": (GoodWe, AsyncGoodWe)}
VENDORS = pytest.mark.parametrize("vendor", CLIENTS)
DRIVERS = pytest.mark.parametrize("driver", ["blocking", "async"])
SETTINGS = {"slow": "0", "rate": "1", "lock": "1", "quota": "3", "expire": "0", "block": ""}
START = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)


@contextmanager
def run_emulator(faults=()):
    emulator = build_emulator(EmulatorOptions(start=START, speed=0, accounts=2, faults=tuple(faults)))
    emulator.log._accounts[USERNAME] = next(iter(emulator.log._accounts.values()))
    for credentials in emulator.accounts:
        credentials.username, credentials.password = USERNAME, PASSWORD
    with serve_in_thread(emulator) as ready:
        emulator.url = ready["url"]
        yield emulator


FAULTS = sorted(build_emulator(EmulatorOptions(start=START, accounts=2)).faults.descriptions)


@pytest.fixture(scope="module")
def clouds():
    with run_emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def echo_server():
    with run_echo_server() as server:
        yield server


@contextmanager
def account(vendor, driver, server, *, session=None, password=PASSWORD):
    """Yield a function that calls methods of a client by name, and the client."""
    kind = CLIENTS[vendor][driver == "async"]
    client = kind(USERNAME, password, server=server, session=session, timeout=2.0)
    if driver == "blocking":
        yield lambda method, *arguments: getattr(client, method)(*arguments), client
        return
    with asyncio.Runner() as runner:

        async def call_async(method, arguments):
            return await getattr(client, method)(*arguments)

        yield lambda method, *arguments: runner.run(call_async(method, arguments)), client


def valid_session(vendor, url, dialect="legacy"):
    """Return a valid session with marker cookies and tokens."""
    session = Session(CLIENTS[vendor][0].resolve_server(url))
    session.alive = True
    if vendor == "growatt":
        session.cookies = {url.partition("//")[2]: {"JSESSIONID": COOKIE, "SERVERID": TOKEN}}
        session.facts = {"user_id": UID, "plants": {"1": "Roof"}}
    else:
        session.token = {"uid": UID, "token": TOKEN, "timestamp": 1, "client": "ios", "version": "", "language": "en"}
        session.facts = {"open": dialect, "dialect": dialect}
    return session


def sessions(stored):
    """Yield the sessions at any depth of JSON data."""
    if isinstance(stored, dict):
        if {"cookies", "token"} <= stored.keys():
            yield stored
        stored = list(stored.values())
    for one in stored if isinstance(stored, list) else ():
        yield from sessions(one)


def session_secrets(keys=("token",)):
    """Return the cookies and tokens of the stored sessions."""
    found = []
    for path in Keeper().folder.glob("*.json"):
        for session in sessions(json.loads(path.read_text())):
            found += [value for jar in session["cookies"].values() for value in jar.values()]
            found += [str(session["token"][key]) for key in keys if session["token"].get(key)]
    return found


def failures(call, *methods):
    """Call methods and return all representations of the errors raised."""
    parts = []
    for method, *arguments in methods:
        try:
            call(method, *arguments)
        except CloudError as error:
            parts.append(seen(error))
    return "\n".join(parts)


@DRIVERS
@VENDORS
@pytest.mark.parametrize("fault", FAULTS)
def test_client_shows_no_secret_under_any_vendor_fault(clouds, vendor, driver, fault, capfd):
    clouds.faults.set(dict.fromkeys(clouds.faults.as_dict()))
    with captured_logs() as logged, account(vendor, driver, clouds.url) as (call, client):
        before = failures(call, ["log_in"])
        secrets = markers(*session_secrets(["token", "uid"]))
        clouds.faults.set({fault: SETTINGS.get(fault, "")})
        after = failures(call, ["plants"], ["snapshot", "1"], ["log_in"], ["plants"])
        text = "\n".join([before, after, repr(client), repr(client.session), repr(client.budget), logged.getvalue()])
    clouds.faults.set(dict.fromkeys(clouds.faults.as_dict()))
    text += json.dumps(clouds.log.as_dict()["requests"]).replace(USERNAME, "")  # the request log may name the account
    text += "".join(capfd.readouterr()) + readable_files(os.environ["HELIOGRAPH_HOME"])
    assert leaks(text, secrets | markers(*session_secrets(["token", "uid"]))) == []


@VENDORS
def test_state_file_is_private_and_contains_only_session_secrets(clouds, vendor):
    with account(vendor, "blocking", clouds.url) as (call, _):
        call("plants")
    assert len(session_secrets()) >= 1
    (path,) = Keeper().folder.glob("*.json")
    assert leaks(path.read_text(), markers(*session_secrets()) - markers())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not leaks(path.read_text(), markers())


@pytest.mark.parametrize(
    ("vendor", "dialect", "method"),
    [
        ("growatt", "", "plant_list"),
        ("goodwe", "legacy", "plant_id_by_owner"),
        ("goodwe", "plus", "plus_stations_page"),
    ],
)
@DRIVERS
@pytest.mark.parametrize("status", [200, 302, 403, 404, 429, 500])
@pytest.mark.parametrize("echo", ECHOES)
def test_client_error_does_not_quote_secrets_echoed_by_server(
    echo_server, vendor, dialect, method, driver, echo, status
):
    echo_server.echo, echo_server.status = echo, status
    for kind in KINDS:
        echo_server.kind = kind
        with captured_logs() as logged:
            session = valid_session(vendor, echo_server.url, dialect)
            with account(vendor, driver, echo_server.url, session=session) as (call, client):
                text = failures_without_locals(call, [method])
                text += failures_without_locals(call, ["log_in"]) + repr(client.session.facts.get("story"))
            text += logged.getvalue()
        assert leaks(text, markers()) == [], kind.__name__


@VENDORS
def test_state_file_does_not_contain_secrets_echoed_by_server(echo_server, vendor):
    echo_server.echo, echo_server.status, echo_server.kind = "json", 200, KINDS[1]
    with account(vendor, "blocking", echo_server.url) as (call, client):
        text = failures_without_locals(call, ["plants"], ["log_in"])
        text += repr(client.budget)
    text += "".join(path.read_text() for path in Keeper().folder.glob("*.json"))
    assert text
    assert leaks(text, markers()) == []


def failures_without_locals(call, *methods):
    """Like `failures`, without local variables, which hold the response with the echoed secrets."""
    parts = []
    for method, *arguments in methods:
        try:
            call(method, *arguments)
        except CloudError as error:
            parts.append(seen(error, with_locals=False))
    return "\n".join(parts)


def test_client_rejects_server_with_password_without_showing_it():
    for server in (f"https://me:{PASSWORD}@example.org/", f"me:{PASSWORD}@example.org"):
        for kind in (Growatt, GoodWe):
            with pytest.raises(Exception, match="must not contain a user name") as refused:
                kind("ada", "x", server=server)
            assert leaks(seen(refused.value, with_locals=False), markers()) == []


def test_growattserver_client_shows_no_cookie_or_password(echo_server):
    echo_server.kind, echo_server.status = KINDS[1], 200
    for echo in ECHOES:
        echo_server.echo = echo
        api = growattserver.GrowattApi()
        api.server_url = f"{echo_server.url}/"
        api.session.cookies.set("JSESSIONID", COOKIE)
        try:
            api.plant_list(UID)
            api.login(USERNAME, PASSWORD)
        except Exception as error:  # noqa: BLE001 - whatever it raises
            text = seen(error, with_locals=False)
            # The caller passes the user name; only cookie and password must be hidden.
            assert leaks(text, {COOKIE, PASSWORD}) == []
        assert leaks(repr([api, api.session, *api.session.cookies]), markers()) == []


# Representations


def secret_holders(tmp_path):
    """Yield one object of every class that holds a secret."""
    credentials = Credentials(USERNAME, Secret(PASSWORD))
    login = GrowattCalls.login.flow(USERNAME, PASSWORD)
    calls = (login, SemsPlusCalls.plus_login.flow(USERNAME, PASSWORD), GoodWeCalls.cross_login.flow(USERNAME, PASSWORD))
    url = "http://127.0.0.1:1"
    growatt, goodwe = valid_session("growatt", url), valid_session("goodwe", url)
    yield from (credentials, *calls, growatt, goodwe)
    yield GrowattProtocol().build_request(growatt, login)
    yield from (GoodWeProtocol().build_request(goodwe, call) for call in calls[1:])
    yield Request("GET", f"http://me:{PASSWORD}@127.0.0.1/?userName={USERNAME}", {"Cookie": f"JSESSIONID={COOKIE}"})
    yield Response(200, {"set-cookie": COOKIE}, (f"JSESSIONID={COOKIE}",), TOKEN.encode(), 0.0)
    deferred = DeferredSecret(lambda: Secret(PASSWORD))
    deferred.reveal()
    yield from (deferred, Secret(PASSWORD), [Secret(PASSWORD)], {"password": deferred})
    passwords = PasswordStore(tmp_path, keyring=False)
    passwords.save("growatt", USERNAME, Secret(PASSWORD))
    yield passwords
    configured = Account(name="home", vendor="growatt", username=USERNAME, password=Secret(PASSWORD))
    yield from (configured, Config(path=tmp_path, accounts=(configured,)), cli_client(configured))
    client = Growatt(USERNAME, PASSWORD)
    guard = Keeper().guard("growatt", "https://openapi.growatt.com/", USERNAME, Growatt.default_limits)
    book = guard.load(time.time())
    book.session = growatt.to_dict()
    yield from (
        client,
        client.session,
        client.plant_list,
        client._protocol,
        guard,
        guard.store,
        book,
        client.budget,
    )


def test_repr_of_secret_holding_objects_shows_no_secret(tmp_path):
    for holder in secret_holders(tmp_path):
        shown = [str(holder), repr(holder), f"{holder}", f"{[holder]}", pretty_repr(holder)]
        assert leaks("\n".join(shown), markers()) == [], type(holder).__name__


def test_client_rejects_password_that_is_not_utf8_without_showing_it(tmp_path):
    broken = f"{PASSWORD}\udc80"
    for kind in (Growatt, GoodWe, AsyncGrowatt, AsyncGoodWe):
        with pytest.raises(ConfigError, match="not UTF-8 text") as failed:
            kind(USERNAME, broken)
        assert leaks(seen(failed.value, with_locals=False), {"p&ss"}) == []


# Commands

_RUN = """
import json, logging, sys
logging.basicConfig(level=1)
logging.getLogger("markers").debug("listening")
from heliograph.cli.main import run
for words in json.loads(sys.argv[1]):
    print("$", words[0], flush=True)
    try:
        run(words)
    except SystemExit:
        pass
    except Exception:
        import traceback
        traceback.print_exc()
"""


def commands(*lines, stdin="", **environ):
    """Run commands in a child process and return its output."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_") or "HOME" in name
    }
    completed = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _RUN, json.dumps(lines)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment | {"HELIOGRAPH_NO_KEYRING": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"} | environ,
    )
    assert "listening" in completed.stderr
    return completed.stdout + completed.stderr


def without_call_output(text):
    """Return the output without that of `call`, whose data may name the account owner."""
    return "\n".join(part for part in text.split("$ ") if not part.startswith("call"))


@pytest.mark.parametrize(("fault", "debug"), [("", ""), ("lock=1", ""), ("agreement", "1"), ("html", "1")])
def test_commands_show_no_secret(tmp_path, fault, debug):
    environ = {"HELIOGRAPH_DEBUG": debug} | {
        f"HELIOGRAPH_{vendor.upper()}_{part}": value
        for vendor in CLIENTS
        for part, value in (("USERNAME", USERNAME), ("PASSWORD", PASSWORD))
    }
    bundle = tmp_path / "bundle.txt"
    with run_emulator([fault] if fault else []) as emulator:
        lines = (
            ["now"],
            ["now", "--json"],
            ["call", "growatt", "plant_list"],
            ["call", "growatt", "login"],
            ["call", "goodwe", "plus_login"],
            ["call", "goodwe", "plants"],
            ["status"],
            ["status", "--json"],
            ["doctor"],
            ["doctor", "--online", "--bundle", str(bundle)],
        )
        text = commands(*([*line, "--server", emulator.url] for line in lines), **environ)
    secrets = markers(*session_secrets())
    text += readable_files(os.environ["HELIOGRAPH_HOME"])
    assert leaks(text, {one for one in secrets if "user" not in one}) == []
    secrets |= set(session_secrets(["uid"]))
    assert leaks(without_call_output(text) + bundle.read_text("utf-8"), secrets) == []


def test_login_command_shows_only_the_user_name(tmp_path):
    with run_emulator() as emulator:
        words = ["--username", USERNAME, "--password-stdin", "--server", emulator.url]
        wrong = commands(["login", "growatt", *words], stdin=f"not-{PASSWORD}\n")
        right = commands(
            ["login", "growatt", *words], ["now"], ["doctor"], ["logout", "growatt"], stdin=f"{PASSWORD}\n"
        )
    assert "refused the user name or password" in wrong
    assert "logged in" in right
    shown = {form for form in markers() if "user" not in form}
    assert leaks(wrong + right, shown) == []
    assert leaks(readable_files(os.environ["HELIOGRAPH_HOME"]), markers()) == []


def test_password_command_arguments_contain_no_other_password(tmp_path):
    """The arguments of a password command are in the process list, so they must contain no password."""
    (tmp_path / "config.toml").write_text(
        '[[account]]\nvendor = "growatt"\nusername = "ada"\n'
        f"password_command = [{sys.executable!r}, '-c', 'import sys; print(sys.orig_argv)']\n"
    )
    config = load(
        tmp_path / "config.toml", {"HELIOGRAPH_GOODWE_USERNAME": USERNAME, "HELIOGRAPH_GOODWE_PASSWORD": PASSWORD}
    )
    assert leaks(config.accounts[0].password.reveal(), markers()) == []
