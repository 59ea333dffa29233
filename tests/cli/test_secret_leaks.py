"""Marked secrets go in by every way there is; whatever comes out of anything is searched for them."""

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
    leaks,
    listening,
    marked,
    open_files,
    parrot,
    seen,
)

CLIENTS = {"growatt": (Growatt, AsyncGrowatt), "goodwe": (GoodWe, AsyncGoodWe)}
VENDORS = pytest.mark.parametrize("vendor", CLIENTS)
DRIVERS = pytest.mark.parametrize("driver", ["blocking", "async"])
SETTINGS = {"slow": "0", "rate": "1", "lock": "1", "quota": "3", "expire": "0", "block": ""}
START = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)


@contextmanager
def serving(faults=()):
    emulator = build_emulator(EmulatorOptions(start=START, speed=0, accounts=2, faults=tuple(faults)))
    emulator.log._accounts[USERNAME] = next(iter(emulator.log._accounts.values()))
    for who in emulator.accounts:
        who.username, who.password = USERNAME, PASSWORD
    with serve_in_thread(emulator) as ready:
        emulator.url = ready["url"]
        yield emulator


FAULTS = sorted(build_emulator(EmulatorOptions(start=START, accounts=2)).faults.descriptions)


@pytest.fixture(scope="module")
def clouds():
    with serving() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def repeating():
    with parrot() as server:
        yield server


@contextmanager
def account(vendor, driver, server, *, session=None, password=PASSWORD):
    """Give a way to call an account's methods, kept in the usual folder unless a session is given."""
    kind = CLIENTS[vendor][driver == "async"]
    client = kind(USERNAME, password, server=server, session=session, timeout=2.0)
    if driver == "blocking":
        yield lambda method, *given: getattr(client, method)(*given), client
        return
    with asyncio.Runner() as runner:

        async def awaited(method, given):
            return await getattr(client, method)(*given)

        yield lambda method, *given: runner.run(awaited(method, given)), client


def opened(vendor, url, dialect="legacy"):
    """Return a session that was opened with marked cookies and tokens."""
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
    """Yield the sessions somewhere in JSON data."""
    if isinstance(stored, dict):
        if {"cookies", "token"} <= stored.keys():
            yield stored
        stored = list(stored.values())
    for one in stored if isinstance(stored, list) else ():
        yield from sessions(one)


def door_openers(keys=("token",)):
    """Return what the stored sessions hold by now that opens an account."""
    found = []
    for path in Keeper().folder.glob("*.json"):
        for session in sessions(json.loads(path.read_text())):
            found += [value for jar in session["cookies"].values() for value in jar.values()]
            found += [str(session["token"][key]) for key in keys if session["token"].get(key)]
    return found


def failures(call, *methods):
    """Call methods and return what can be seen of what they raise."""
    parts = []
    for method, *given in methods:
        try:
            call(method, *given)
        except CloudError as error:
            parts.append(seen(error))
    return "\n".join(parts)


@DRIVERS
@VENDORS
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_a_cloud_brings_a_secret_to_light(clouds, vendor, driver, fault, capfd):
    clouds.faults.set(dict.fromkeys(clouds.faults.as_dict()))
    with listening() as logged, account(vendor, driver, clouds.url) as (call, client):
        before = failures(call, ["log_in"])
        secrets = marked(*door_openers(["token", "uid"]))
        clouds.faults.set({fault: SETTINGS.get(fault, "")})
        after = failures(call, ["plants"], ["snapshot", "1"], ["log_in"], ["plants"])
        text = "\n".join([before, after, repr(client), repr(client.session), repr(client.budget), logged.getvalue()])
    clouds.faults.set(dict.fromkeys(clouds.faults.as_dict()))
    text += json.dumps(clouds.log.as_dict()["requests"]).replace(USERNAME, "")  # whose request it was, it may know
    text += "".join(capfd.readouterr()) + open_files(os.environ["HELIOGRAPH_HOME"])
    assert leaks(text, secrets | marked(*door_openers(["token", "uid"]))) == []


@VENDORS
def test_the_stored_session_is_what_it_is_searched_for(clouds, vendor):
    with account(vendor, "blocking", clouds.url) as (call, _):
        call("plants")
    assert len(door_openers()) >= 1
    (path,) = Keeper().folder.glob("*.json")
    assert leaks(path.read_text(), marked(*door_openers()) - marked())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not leaks(path.read_text(), marked())


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
def test_a_cloud_that_repeats_what_it_was_sent_is_not_quoted(repeating, vendor, dialect, method, driver, echo, status):
    repeating.echo, repeating.status = echo, status
    for kind in KINDS:
        repeating.kind = kind
        with listening() as logged:
            session = opened(vendor, repeating.url, dialect)
            with account(vendor, driver, repeating.url, session=session) as (call, client):
                text = failures_without_locals(call, [method])
                text += failures_without_locals(call, ["log_in"]) + repr(client.session.facts.get("story"))
            text += logged.getvalue()
        assert leaks(text, marked()) == [], kind.__name__


@VENDORS
def test_what_a_repeating_cloud_said_is_not_remembered_either(repeating, vendor):
    repeating.echo, repeating.status, repeating.kind = "json", 200, KINDS[1]
    with account(vendor, "blocking", repeating.url) as (call, client):
        text = failures_without_locals(call, ["plants"], ["log_in"])
        text += repr(client.budget)
    text += "".join(path.read_text() for path in Keeper().folder.glob("*.json"))
    assert text
    assert leaks(text, marked()) == []


def failures_without_locals(call, *methods):
    """Return what can be seen of errors whose frames hold what the cloud has said, which repeats secrets."""
    parts = []
    for method, *given in methods:
        try:
            call(method, *given)
        except CloudError as error:
            parts.append(seen(error, with_locals=False))
    return "\n".join(parts)


def test_an_address_with_a_password_in_it_is_refused_without_saying_it():
    for server in (f"https://me:{PASSWORD}@example.org/", f"me:{PASSWORD}@example.org"):
        for kind in (Growatt, GoodWe):
            with pytest.raises(Exception, match="must not contain a user name") as refused:
                kind("ada", "x", server=server)
            assert leaks(seen(refused.value, with_locals=False), marked()) == []


def test_a_dropped_in_client_is_no_more_talkative(repeating):
    repeating.kind, repeating.status = KINDS[1], 200
    for echo in ECHOES:
        repeating.echo = echo
        api = growattserver.GrowattApi()
        api.server_url = f"{repeating.url}/"
        api.session.cookies.set("JSESSIONID", COOKIE)
        try:
            api.plant_list(UID)
            api.login(USERNAME, PASSWORD)
        except Exception as error:  # noqa: BLE001 - whatever it raises
            text = seen(error, with_locals=False)
            # Who calls the drop-in says by itself who it is; only the cookie is ours to hide.
            assert leaks(text, {COOKIE, PASSWORD}) == []
        assert leaks(repr([api, api.session, *api.session.cookies]), marked()) == []


# Representations


def objects(tmp_path):
    """Yield one of everything that holds a secret."""
    who = Credentials(USERNAME, Secret(PASSWORD))
    login = GrowattCalls.login.flow(USERNAME, PASSWORD)
    calls = (login, SemsPlusCalls.plus_login.flow(USERNAME, PASSWORD), GoodWeCalls.cross_login.flow(USERNAME, PASSWORD))
    url = "http://127.0.0.1:1"
    growatt, goodwe = opened("growatt", url), opened("goodwe", url)
    yield from (who, *calls, growatt, goodwe)
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
    gate = Keeper().guard("growatt", "https://openapi.growatt.com/", USERNAME, Growatt.default_limits)
    book = gate.load(time.time())
    book.session = growatt.to_dict()
    yield from (client, client.session, client.plant_list, client._protocol, gate, gate.state_file, book, client.budget)


def test_no_object_shows_a_secret(tmp_path):
    for one in objects(tmp_path):
        shown = [str(one), repr(one), f"{one}", f"{[one]}", pretty_repr(one)]
        assert leaks("\n".join(shown), marked()) == [], type(one).__name__


def test_a_password_no_cloud_could_be_sent_is_not_shown_either(tmp_path):
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
    """Run commands in a process of their own and return everything it said."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_") or "HOME" in name}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _RUN, json.dumps(lines)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=own | {"HELIOGRAPH_NO_KEYRING": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"} | environ,
    )
    assert "listening" in done.stderr
    return done.stdout + done.stderr


def without_data(text):
    """Leave out what a person asked a cloud for: an account's own data may name its owner."""
    return "\n".join(part for part in text.split("$ ") if not part.startswith("call"))


@pytest.mark.parametrize(("fault", "debug"), [("", ""), ("lock=1", ""), ("agreement", "1"), ("html", "1")])
def test_no_command_shows_a_secret(tmp_path, fault, debug):
    environ = {"HELIOGRAPH_DEBUG": debug} | {
        f"HELIOGRAPH_{vendor.upper()}_{part}": value
        for vendor in CLIENTS
        for part, value in (("USERNAME", USERNAME), ("PASSWORD", PASSWORD))
    }
    bundle = tmp_path / "bundle.txt"
    with serving([fault] if fault else []) as emulator:
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
    secrets = marked(*door_openers())
    text += open_files(os.environ["HELIOGRAPH_HOME"])
    assert leaks(text, {one for one in secrets if "user" not in one}) == []
    secrets |= set(door_openers(["uid"]))
    assert leaks(without_data(text) + bundle.read_text("utf-8"), secrets) == []


def test_a_login_shows_the_name_that_was_typed_and_nothing_else(tmp_path):
    with serving() as emulator:
        words = ["--username", USERNAME, "--password-stdin", "--server", emulator.url]
        wrong = commands(["login", "growatt", *words], stdin=f"not-{PASSWORD}\n")
        right = commands(
            ["login", "growatt", *words], ["now"], ["doctor"], ["logout", "growatt"], stdin=f"{PASSWORD}\n"
        )
    assert "refused the user name or password" in wrong
    assert "logged in" in right
    shown = {form for form in marked() if "user" not in form}
    assert leaks(wrong + right, shown) == []
    assert leaks(open_files(os.environ["HELIOGRAPH_HOME"]), marked()) == []


def test_the_password_of_one_account_is_in_no_process_list(tmp_path):
    """A password comes by file, environment, keyring or standard input: never as an argument of a program."""
    (tmp_path / "config.toml").write_text(
        '[[account]]\nvendor = "growatt"\nusername = "ada"\n'
        f"password_command = [{sys.executable!r}, '-c', 'import sys; print(sys.orig_argv)']\n"
    )
    told = load(
        tmp_path / "config.toml", {"HELIOGRAPH_GOODWE_USERNAME": USERNAME, "HELIOGRAPH_GOODWE_PASSWORD": PASSWORD}
    )
    assert leaks(told.accounts[0].password.reveal(), marked()) == []
