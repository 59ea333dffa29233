"""Real programs for tests of the keeper, and a small server that counts who logs in."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path

from heliograph.keeper import Keeper, Limits
from heliograph.vendors.growatt import AsyncGrowatt, Growatt

MANY = Limits(10**6, 10**6, 0, 0)
processes = get_context("forkserver")
processes.set_forkserver_preload(
    [
        "asyncio",
        "concurrent.futures.thread",
        "filelock",
        "hashlib",
        "heliograph.keeper",
        "heliograph.vendors.growatt",
        "http.server",
        "pyreqwest.client",
    ]
)


class Server(ThreadingHTTPServer):
    """Counts logins; a session is ended by the next login, or on demand."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.logins = 0
        self.reads = 0
        self.turned_away = 0
        self.living = ""
        self.open = 0
        self.counting = threading.Lock()
        self.before_login = self.after_login = self.before_read = lambda: None

    def process_request(self, request, client_address):
        with self.counting:
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        with self.counting:
            self.open -= 1

    def settle(self) -> None:
        """Wait until everything that was sent before has been counted."""
        # Connections are accepted in their order, so those before this one are.
        with socket.create_connection(self.server_address) as last:
            last.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while last.recv(1000):
                pass
        while self.open:
            time.sleep(0.001)

    def handle_error(self, request, client_address):
        """Say nothing: callers are killed here."""

    def login(self) -> str:
        with self.counting:
            self.logins += 1
            self.living = f"c{self.logins}"
            return self.living


@contextmanager
def running_server():
    """Serve on a thread."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.headers.get("Cookie") == f"JSESSIONID={self.server.living}":
            with self.server.counting:
                self.server.reads += 1
            self.server.before_read()
            self._tell(b'{"todayEnergy": "0.2", "deviceList": []}')
        else:
            with self.server.counting:
                self.server.turned_away += 1
            self._tell(b"<!DOCTYPE html><html data-name='login'>")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        cookie = self.server.login()
        self.server.before_login()
        back = {"success": True, "user": {"id": 1}, "data": [{"plantId": "1", "plantName": "Roof"}]}
        self._tell(json.dumps({"back": back}).encode(), f"JSESSIONID={cookie}; Path=/")
        self.server.after_login()

    def _tell(self, body, cookie=None):
        self.send_response(200)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def client(url, folder, kind=Growatt, **options):
    options.setdefault("limits", MANY)
    return kind("ada", "hunter2", server=url, keeper=Keeper(Path(folder)), **options)


def read_for_ever(url, folder, ahead, ready):
    """Read until killed, by a clock that is ahead."""
    one = client(url, folder, clock=lambda: time.time() + ahead)
    ready.send_bytes(b"go")
    while True:
        one.plant_info("1")


def read_once(url, folder, ready):
    one = client(url, folder)
    ready.send_bytes(b"go")
    one.plant_info("1")
    ready.send_bytes(b"done")


def crowd(url, folder, start):
    """Ask from several threads and tasks at once, each with a client of its own."""

    def ask():
        client(url, folder).plant_info("1")

    async def one_task():
        await client(url, folder, AsyncGrowatt).plant_info("1")

    async def tasks():
        await asyncio.gather(*(one_task() for _ in range(3)))

    start.wait()
    with ThreadPoolExecutor() as threads:
        for work in [threads.submit(one) for one in (ask, ask, lambda: asyncio.run(tasks()))]:
            work.result()
