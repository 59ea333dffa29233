"""Time limits of connections, over a real socket: a client that sends slowly or nothing loses its connection."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress

import pytest

from heliograph.store.base import Batch
from support.website import HOME, NOON, TOKEN, accounts, entry, home, served, written

PLANTS = "/api/v1/plants"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return written(tmp_path_factory.mktemp("web") / "samples.sqlite", home())


def test_connections_on_which_nothing_is_asked_are_ended(store, monkeypatch):
    monkeypatch.setattr("heliograph.web.server._IDLE", 0.2)
    with served(store) as site:
        for begun in (b"", b"GET / HTTP/1.1\r\nHost: 127"):
            with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
                line.sendall(begun)
                with suppress(ConnectionResetError):
                    assert line.recv(1) == b""


def answer_of(line):
    """Read one response of a kept connection, whose bodies have a length."""
    answer = http.client.HTTPResponse(line)
    answer.begin()
    answer.read()
    return answer.status


def drip(line, text):
    """Send a text byte by byte, each well within the time for a whole request; return how many were taken."""
    line.settimeout(0.05)
    for place in range(len(text)):
        try:
            line.sendall(text[place : place + 1])
            if line.recv(1) == b"":
                return place
        except TimeoutError:
            continue
        except OSError:
            return place
    return len(text)


@pytest.mark.parametrize("already", [0, 1, 2])
def test_dripped_request_head_is_aborted_also_after_earlier_responses(store, monkeypatch, already):
    monkeypatch.setattr("heliograph.web.server._IDLE", 0.5)
    with served(store) as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        for _ in range(already):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer_of(line) == 200
        assert drip(line, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 200) < 100


@pytest.mark.parametrize("path", ["/login", "/status"])
def test_dripped_request_body_is_aborted(store, monkeypatch, caplog, path):
    monkeypatch.setattr("heliograph.web.server._IDLE", 0.5)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n".encode()
    with served(store, token=TOKEN) as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        line.sendall(head)
        if path != "/login":
            assert answer_of(line) == 405  # before the body
        assert drip(line, b"x" * 200) < 100
    assert not caplog.records


def test_complete_request_is_not_aborted_while_its_response_is_prepared(store, monkeypatch):
    monkeypatch.setattr("heliograph.web.server._IDLE", 0.2)
    release = threading.Event()

    def slow():
        assert release.wait(20)
        return accounts()

    with served(store, seen=slow) as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        line.sendall(f"GET {PLANTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as silent:
            assert silent.recv(1) == b""  # by then the first would have been aborted
        release.set()
        assert answer_of(line) == 200


def test_health_check_does_not_wait_for_a_hundred_queries_of_a_year(tmp_path):
    """The health check is answered before most of the queries that were sent earlier, however busy the machine is."""
    moments = range(NOON - 10 * 86400, NOON, 300)
    samples = [entry(HOME, moment, pv_power=1500.0, load_power=700.0) for moment in moments]
    store = written(tmp_path / "samples.sqlite", home(), Batch(samples=samples))
    finished, first = [], threading.Event()

    def query(site):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=120)
        connection.request("GET", "/api/v1/plants/growatt/11/samples?from=2025-06-22&to=2026-06-21&points=2000")
        finished.append(connection.getresponse().status)
        connection.close()
        first.set()

    with served(store) as site:
        threads = [threading.Thread(target=query, args=(site,)) for _ in range(100)]
        for thread in threads:
            thread.start()
        assert first.wait(60)
        status = site.ask("/healthz").status
        before = len(finished)
        for thread in threads:
            thread.join(120)
    assert status == 200
    assert before < 50
    assert finished == [200] * 100
