"""The blocking and the async client over real sockets: requests as sent, and the error of every broken connection."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from errno import EMFILE
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from heliograph import AsyncGrowatt, Growatt
from heliograph import errors as e
from heliograph.core.session import Request
from heliograph.keeper import Keeper
from heliograph.transports import send, sockets
from support.raw_server import Listener
from support.subprocesses import python

USER, PASSWORD = "ada.lovelace", "hunter2"
LOGIN = {"back": {"success": True, "user": {"id": 42}, "data": [{"plantId": "1", "plantName": "Roof"}]}}


def http(body, status="200 OK", *headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + raw


class Server(Listener):
    """A vendor API on a bare socket that records requests and sends prepared answers."""

    def __init__(self):
        self.seen = []
        self.answers = {}
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        super().__init__()
        self.url += "/"

    def respond(self, verb, target, headers, body):
        with self._lock:
            self.seen.append((verb, target, headers, body))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        answer = self._answer(target)
        with self._lock:
            self.at_once -= 1
        return answer

    def _answer(self, target):
        path = urlsplit(target).path.lstrip("/")
        answer = self.answers.get(path, http(LOGIN if path == "newTwoLoginAPI.do" else {}))
        return answer(target) if callable(answer) else answer


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


class BlockingCalls:
    """Calls of one blocking client, from one or many threads."""

    def __init__(self, *args, **options):
        self.client = Growatt(*args, **options)

    def __call__(self, name, *args):
        return getattr(self.client, name)(*args)

    def concurrently(self, name, many):
        with ThreadPoolExecutor(len(many)) as pool:
            return list(pool.map(lambda one: self(name, one), many))


class AsyncCalls:
    """Calls of one async client, from one or many tasks."""

    def __init__(self, *args, **options):
        self.client = AsyncGrowatt(*args, **options)

    def __call__(self, name, *args):
        return asyncio.run(self._one(name, args))

    async def _one(self, name, args):
        return await getattr(self.client, name)(*args)

    def concurrently(self, name, many):
        async def gathered():
            return await asyncio.gather(*(self._one(name, (one,)) for one in many))

        return asyncio.run(gathered())


@pytest.fixture(params=[BlockingCalls, AsyncCalls], ids=["blocking", "async"])
def account(request, server):
    def make(url=server.url, **options):
        # Without a keeper, whose limits are tested in tests/keeper.
        return request.param(USER, PASSWORD, server=url, keeper=None, **options)

    return make


def test_request_has_user_agent_cookies_form_and_length(account, server):
    server.answers["newTwoLoginAPI.do"] = http(
        LOGIN, "200 OK", "Set-Cookie: JSESSIONID=c1; Path=/", "Set-Cookie: SERVERID=s1; Path=/"
    )
    account(user_agent="Test/1")("plant_energy_data", "1")
    (verb, target, headers, body), (verb2, target2, headers2, body2) = server.seen
    assert (verb, target) == ("POST", "/newTwoLoginAPI.do")
    assert set(parse_qs(body.decode())) == {"userName", "password"}
    assert PASSWORD.encode() not in body
    assert "cookie" not in headers
    assert headers["user-agent"] == headers2["user-agent"] == "Test/1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["host"] == urlsplit(server.url).netloc
    assert (verb2, target2) == ("POST", "/newTwoPlantAPI.do?op=getUserCenterEnertyDataByPlantid")
    assert headers2["cookie"] == "JSESSIONID=c1; SERVERID=s1"
    assert body2 == b"language=1&plantId=1"


def test_client_is_a_context_manager_and_works_after_it(server):
    server.answers["newTwoLoginAPI.do"] = http(LOGIN)
    with Growatt(USER, PASSWORD, server=server.url, keeper=None) as home:
        assert home.log_in() is None
    assert home.log_in() is None

    async def awaited():
        async with AsyncGrowatt(USER, PASSWORD, server=server.url, keeper=None) as home:
            await home.log_in()
        await home.close()

    asyncio.run(awaited())
    assert len(server.seen) == 3


def test_repr_shows_vendor_and_server_and_nothing_private():
    shown = repr(Growatt(USER, PASSWORD, server="https://example.com", keeper=None))
    assert shown == "Growatt(a***, server='https://example.com/')"


def test_zone_accepts_a_name_and_rejects_an_unknown_one_at_once():
    assert Growatt(USER, PASSWORD, zone="Europe/Berlin").session.zone == ZoneInfo("Europe/Berlin")
    for name in ("Europe/Berlinn", "Europe", "", "/etc"):
        with pytest.raises(e.ConfigError, match="is not a zone"):
            Growatt(USER, PASSWORD, zone=name)


def test_post_without_a_body_sends_length_zero(account, server):
    server.answers["newMixApi.do"] = http({"result": 1, "obj": {}})
    account()("mix_totals", "SN", "1")
    verb, target, headers, body = server.seen[-1]
    assert (verb, target) == ("POST", "/newMixApi.do?op=getEnergyOverview&mixId=SN&plantId=1")
    assert (headers["content-length"], body) == ("0", b"")


def test_get_has_no_body(account, server):
    account()("plant_info", "1")
    assert "content-length" not in server.seen[-1][2]


def test_compressed_response_is_decompressed(account, server):
    packed = gzip.compress(json.dumps({"todayEnergy": "9.3"}).encode())
    server.answers["newTwoPlantAPI.do"] = http(packed, "200 OK", "Content-Encoding: gzip")
    assert account()("plant_info", "1").energy_today == 9.3
    assert "gzip" in server.seen[-1][2]["accept-encoding"]


def test_redirect_is_left_to_the_protocol(account, server):
    server.answers["newTwoPlantAPI.do"] = http(b"", "302 Found", f"Location: {server.url}error.do")
    with pytest.raises(e.SessionExpired):
        account()("plant_info", "1")
    assert not [target for _, target, _, _ in server.seen if "error.do" in target]


def test_time_out_raises_unreachable(account, server):
    quiet = threading.Event()
    server.answers["newTwoLoginAPI.do"] = lambda _: quiet.wait(5) and None
    try:
        with pytest.raises(e.Unreachable, match=r"growatt login: no answer from 127\.0\.0\.1:\d+ in time") as caught:
            account(timeout=0.2)("plant_info", "1")
    finally:
        quiet.set()
    assert _hides_credentials(caught.value)
    assert len(server.seen) == 1


def test_refused_connection_raises_unreachable(account, server):
    server.close()
    with pytest.raises(e.Unreachable, match=r"no connection to 127\.0\.0\.1:") as caught:
        account()("plant_info", "1")
    assert _hides_credentials(caught.value)


HALF = http({"todayEnergy": "9.3", "x": "y" * 5000})[:-2000]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        HALF.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        b'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"',
        b"SSH-2.0-OpenSSH Connection: close\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["reset", "half a body", "half a chunk", "no HTTP", "no gzip"],
)
def test_broken_response_raises_unreachable_and_is_not_retried(account, server, answer):
    server.answers["newTwoPlantAPI.do"] = answer
    with pytest.raises(e.Unreachable, match="growatt plant_info: ") as caught:
        account()("plant_info", "1")
    assert _hides_credentials(caught.value)
    assert len(server.seen) == 2


def test_too_large_response_raises_unreadable_with_call_and_advice_and_is_not_retried(account, server):
    one = account()
    server.answers["newTwoPlantAPI.do"] = http({"todayEnergy": "9.3", "x": "y" * 2_000_000})
    with pytest.raises(e.Unreadable, match=r"growatt plant_info: response too large: .* Check the"):
        one("plant_info", "1")
    assert len(server.seen) == 2
    server.answers["newTwoPlantAPI.do"] = http({"todayEnergy": "9.3"})
    assert one("plant_info", "1").energy_today == 9.3
    assert [urlsplit(target).path for _, target, _, _ in server.seen].count("/newTwoLoginAPI.do") == 1


@pytest.mark.parametrize("header", ["Location", "Date", "Set-Cookie", "Retry-After"])
def test_header_with_an_odd_byte_is_ignored(account, server, header):
    odd = http(LOGIN, "200 OK", f"{header}: a=X").replace(b"a=X", b"a=\xff")
    server.answers["newTwoLoginAPI.do"] = odd
    server.answers["newTwoPlantAPI.do"] = odd.replace(b"200 OK", b"302 Found")
    with pytest.raises(e.CloudError, match="growatt plant_info"):
        account()("plant_info", "1")


def test_login_that_could_not_be_sent_delays_no_other(server, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(EMFILE, "Too many open files")

    client = Growatt(USER, PASSWORD, server=server.url, keeper=Keeper(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(sockets, "_open_socket", fail)
        with pytest.raises(e.Unreachable, match="Too many open files"):
            client.log_in()
    assert (client.budget.requests_used, client.budget.logins_used) == (0, 0)
    assert client.plants()[0].name == "Roof"


def test_client_works_after_a_broken_response(account, server):
    one = account()
    server.answers["newTwoPlantAPI.do"] = None
    with pytest.raises(e.Unreachable):
        one("plant_info", "1")
    server.answers["newTwoPlantAPI.do"] = http({"todayEnergy": "9.3"})
    assert one("plant_info", "1").energy_today == 9.3
    assert [urlsplit(target).path for _, target, _, _ in server.seen].count("/newTwoLoginAPI.do") == 1


def test_client_runs_the_calls_of_a_hundred_callers_one_at_a_time(account, server):
    server.answers["newTwoPlantAPI.do"] = lambda target: http({"nominalPower": parse_qs(target)["plantId"][0]})
    found = account().concurrently("plant_info", [str(number) for number in range(100)])
    assert [one.nominal_power for one in found] == [float(number) for number in range(100)]
    assert [urlsplit(target).path for _, target, _, _ in server.seen].count("/newTwoLoginAPI.do") == 1
    assert len(server.seen) == 101
    assert server.most_at_once == 1


def test_clients_share_no_cookies(account, server):
    server.answers["newTwoLoginAPI.do"] = http(LOGIN, "200 OK", "Set-Cookie: JSESSIONID=c1")
    account()("plant_info", "1")
    server.answers["newTwoLoginAPI.do"] = http(LOGIN)
    account()("plant_info", "1")
    assert [headers.get("cookie") for _, _, headers, _ in server.seen] == [None, "JSESSIONID=c1", None, None]


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>" + f"<input value='{PASSWORD}'> userName={USER}".encode(), "500 Oops"),
        http({"back": {"success": False, "msg": "502", "userName": USER, "password": PASSWORD}}),
        http(json.dumps({"userName": USER, "password": PASSWORD}).encode()[:-1]),
    ],
    ids=["page", "refused", "half"],
)
def test_errors_contain_no_credentials(account, server, answer):
    server.answers["newTwoLoginAPI.do"] = answer
    with pytest.raises(e.CloudError) as caught:
        account()("plant_info", "1")
    assert _hides_credentials(caught.value)


def test_errors_contain_no_credentials_of_the_server_address(account):
    with pytest.raises(e.HeliographError) as caught:
        account(f"http://{USER}:{PASSWORD}@127.0.0.1:1/")("plant_info", "1")
    assert _hides_credentials(caught.value)


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/", "http://[::1/", "http://a b/", "file:///etc/hosts"])
def test_server_that_is_no_url_raises(account, url):
    with pytest.raises(e.HeliographError) as caught:
        account(url)("plant_info", "1")
    assert _hides_credentials(caught.value)


def test_response_has_status_headers_cookies_body_and_time(server):
    server.answers["x"] = http(b"hi", "418 Teapot", "X-Odd: One", "Set-Cookie: a=1", "Set-Cookie: b=2")
    reply = send(Request("GET", server.url + "x", {"X-Mine": "yes"}))
    assert (reply.status, reply.body, list(reply.cookies)) == (418, b"hi", ["a=1", "b=2"])
    assert reply.headers.get("x-odd") == "One"
    assert reply.received_at > 1_700_000_000
    assert server.seen[0][2]["x-mine"] == "yes"


def _hides_credentials(error):
    shown = f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    return USER not in shown and PASSWORD not in shown and "\n" not in str(error)


def test_async_client_works_in_one_event_loop_after_another(server):
    # A lock that was waited for is bound to its event loop.
    client = AsyncGrowatt(USER, PASSWORD, server=server.url)

    async def twice():
        return await asyncio.gather(client.plants(), client.plants())

    assert asyncio.run(twice()) == asyncio.run(twice())
    assert len([one for one in server.seen if "newTwoLoginAPI.do" in one[1]]) == 1
    assert server.most_at_once == 1


HEAVY = ("asyncio", "dataclasses", "inspect", "sqlite3", "email", "filelock")
LATE = ("heliograph.keeper.guard", "heliograph.keeper.state_file", "pathlib", *HEAVY)


@pytest.mark.parametrize(("keeper", "absent"), [("None", LATE), ("Keeper(sys.argv[0])", HEAVY)])
def test_import_of_a_client_loads_no_heavy_modules(keeper, absent):
    program = python(
        # Python 3.14's own logging imports dataclasses and inspect.
        "import logging, sys; standard = set(sys.modules);"
        "from heliograph import Growatt; from heliograph.keeper import Keeper;"
        f"Growatt('me', 'secret', keeper={keeper});"
        f"print(*(one for one in {absent} if one in sys.modules.keys() - standard))"
    )
    assert program.communicate() == (b"\n", b"")
