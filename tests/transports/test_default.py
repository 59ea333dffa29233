"""Which transport sends a request without `transport=`, and what clients accept as one."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from tempfile import TemporaryDirectory

import pytest

from heliograph import AsyncGrowatt, ConfigError, Growatt, GrowattToken, Unreachable, transports
from heliograph.core.session import Request
from heliograph.emulator.server import serve_in_thread
from heliograph.transports import default, pyreqwest_pool, sockets
from heliograph.transports.sockets import UntrustedCertificate
from support.growatt_emulator import EmulatedCloud
from support.transports import NAMES, sender

linux = pytest.mark.skipif(sys.platform != "linux", reason="only pyreqwest is used outside Linux")


@pytest.fixture
def used(monkeypatch):
    """Record which library sends; nothing is sent."""
    found = []
    for proxy in default._PROXIES:
        monkeypatch.delenv(proxy, raising=False)
    default._uses_sockets.cache_clear()
    monkeypatch.setattr(default, "_untrusted", set())
    monkeypatch.setattr(default._sockets, "send", lambda *_: found.append("sockets"), raising=False)
    monkeypatch.setattr(pyreqwest_pool, "send", lambda *_: found.append("pyreqwest"))
    yield found
    default._uses_sockets.cache_clear()


def send(url="https://example.com/"):
    return transports.send(Request("GET", url, {}))


@linux
def test_requests_are_sent_over_sockets(used):
    send()
    send("http://localhost:8080/")
    assert used == ["sockets", "sockets"]


@linux
def test_connections_that_were_idle_for_too_long_are_closed_with_the_next_request(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sockets, "monotonic", lambda: now[0])
    transport, server = sockets.SocketTransport(), ("http", "example.com")
    pairs = [socket.socketpair() for _ in range(2)]
    first, second = (sockets._HttpConnection(ours) for ours, _ in pairs)
    first.is_reusable = second.is_reusable = True
    transport._release(server, first)
    now[0] = second._used_at = 70.0
    transport._release(server, second)
    assert (first._socket.fileno(), transport._idle[server]) == (-1, [second])
    for _, theirs in pairs:
        theirs.close()
    transport.close()


@linux
def test_connection_of_a_program_that_was_stopped_after_the_response_is_closed(monkeypatch):
    monkeypatch.setattr(sockets, "monotonic", lambda: 100.0)
    transport, server = sockets.SocketTransport(), ("http", "example.com")
    ours, theirs = socket.socketpair()
    connection = sockets._HttpConnection(ours)
    connection._used_at, connection.is_reusable = 0.0, True
    transport._release(server, connection)
    assert (ours.fileno(), transport._idle[server]) == (-1, [])
    theirs.close()


@linux
@pytest.mark.parametrize("name", ["https_proxy", "HTTP_PROXY", "all_proxy"])
def test_requests_through_a_proxy_are_sent_over_pyreqwest(name, used, monkeypatch):
    monkeypatch.setenv(name, "http://proxy.example.com:3128")
    send()
    assert used == ["pyreqwest"]


@linux
def test_server_whose_certificate_openssl_does_not_trust_is_asked_over_pyreqwest(used, monkeypatch):
    def reject(*_):
        used.append("sockets")
        raise UntrustedCertificate("not trusted")

    monkeypatch.setattr(default._sockets, "send", reject, raising=False)
    send()
    send()
    assert used == ["sockets", "pyreqwest", "pyreqwest"]


@pytest.fixture
def untrusted():
    """Yield the URL of a server whose certificate is signed by itself, and the request lines it received."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    received = []
    with TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        pair = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *pair, *name]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")

        def serve():
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                        if line := encrypted.recv(1000):
                            received.append(line)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/", received
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("name", NAMES)
def test_server_with_an_untrusted_certificate_receives_no_request(name, untrusted):
    url, received = untrusted
    with sender(name) as sends, pytest.raises(Unreachable, match="no connection to") as caught:
        sends(Request("GET", url, {"Token": "hunter2"}))
    assert not caught.value.sent
    assert "certificate" in str(caught.value).lower()
    assert received == []


@pytest.mark.parametrize("kind", [Growatt, AsyncGrowatt])
def test_client_rejects_a_transport_of_the_other_kind(kind):
    class Blocking:
        def send(self, request, timeout, clock):
            raise AssertionError

    class Async:
        async def send(self, request, timeout, clock):  # noqa: ASYNC109 - the contract
            raise AssertionError

    wrong = Blocking() if kind is AsyncGrowatt else Async()
    with pytest.raises(ConfigError, match="transport, and this is"):
        kind("me", "secret", keeper=None, transport=wrong)


def test_transport_sends_the_requests_of_both_apis():
    cloud, sent = EmulatedCloud(), []

    class Recording:
        def send(self, request, timeout, clock):
            sent.append(request.url)
            return transports.send(request, timeout, clock)

    with serve_in_thread(cloud.emulator) as ready:
        account = ready["accounts"][0]
        options = {"server": ready["growatt"], "keeper": None, "transport": Recording()}
        assert Growatt(account["username"], account["password"], **options).plants()
        by_password = len(sent)
        assert GrowattToken(account["token"], **options).plants()
    assert by_password
    assert len(sent) > by_password


def test_aiohttp_session_with_a_cookie_jar_is_rejected():
    aiohttp = pytest.importorskip("aiohttp", reason="aiohttp is not installed")

    async def create():
        async with aiohttp.ClientSession() as session:
            transports.aiohttp(session)

    with pytest.raises(ConfigError, match="DummyCookieJar"):
        asyncio.run(create())


def test_import_of_clients_and_transports_loads_no_http_library():
    code = (
        "import sys, json, heliograph.transports; from heliograph import Growatt; Growatt('me', 'x', keeper=None);"
        "print(json.dumps([name for name in ('pyreqwest', 'aiohttp', 'httpx', 'ssl', 'http.client', 'logging')"
        " if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_library_imported_by_a_thread_that_ended_is_used_by_other_threads():
    code = """if True:
        import sys, threading
        from heliograph.transports import send
        from heliograph.core.session import Request
        from heliograph.errors import Unreachable
        from heliograph.transports.pool_loader import load_pool

        def ask():
            try:
                load_pool().send(Request("GET", "http://127.0.0.1:9/", {}), 2.0, lambda: 0.0)
            except Unreachable:
                answers.append(1)

        answers = []
        for _ in range(4):
            one = threading.Thread(target=ask)
            one.start()
            one.join()
        ask()
        print(len(answers))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "5"), done.stderr[-500:]
