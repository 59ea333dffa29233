"""The keeper with several processes: many that start at once, some that are killed, one that is stopped."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time

import pytest

from heliograph.errors import Throttled
from heliograph.keeper import Keeper
from heliograph.keeper.state_file import StateFile, account_name
from heliograph.vendors.growatt import AsyncGrowatt, Growatt
from support.keeper_cloud import stored_cookie
from support.keeper_processes import MANY, client, crowd, processes, read_for_ever, read_once, running_server

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX's")
KILLS = 200
A_WHILE = 5 * 3600.0
"""Longer than any wait after a failed login."""


@pytest.fixture
def server():
    with running_server() as one:
        yield one


def shelf(folder, server):
    return StateFile(folder, account_name("growatt", server.url, "ada"))


def test_keeper_logs_in_once_for_many_processes_threads_and_tasks(tmp_path, server):
    folder = tmp_path / "accounts"
    start = processes.Event()
    crowds = [processes.Process(target=crowd, args=(server.url, folder, start)) for _ in range(8)]
    for one in crowds:
        one.start()
    start.set()
    for one in crowds:
        one.join(60)
    assert [one.exitcode for one in crowds] == [0] * 8
    assert (server.logins, server.reads, server.turned_away) == (1, 8 * 5, 0)
    assert client(server.url, folder).budget.requests_used == 1 + 8 * 5


class ProgramKiller:
    """Kill a program at a random time: after its start, or during its login."""

    def __init__(self, server, folder, draw):
        self.server, self.folder, self.draw = server, folder, draw
        self.over = threading.Event()

    def kill(self, ahead):
        here, there = processes.Pipe()
        victim = processes.Process(target=read_for_ever, args=(self.server.url, self.folder, ahead, there))

        def now(longest):
            time.sleep(self.draw.uniform(0, longest))
            os.kill(victim.pid, signal.SIGKILL)

        way = self.draw.choice(["some time", "some time", "before the answer", "after the answer"])
        if stored_cookie(shelf(self.folder, self.server).path) == self.server.living:
            way = "some time"  # a program with a valid session does not log in
        # Set before the program starts: on a busy machine it logs in before the next line here runs.
        if way == "before the answer":
            self.server.before_login = lambda: now(0.002)
        if way == "after the answer":
            self.server.after_login = lambda: now(0.004)
        victim.start()
        here.recv_bytes()
        if way == "some time":
            now(0.03)
        victim.join(20)
        assert victim.exitcode == -signal.SIGKILL
        self.server.settle()
        self.server.before_login = self.server.after_login = lambda: None


def test_keeper_survives_a_program_killed_at_any_time(tmp_path, server):
    place = shelf(tmp_path, server)
    draw = random.Random(4)
    killer = ProgramKiller(server, tmp_path, draw)
    cut_off = 0
    for number in range(KILLS):
        if draw.random() < 0.5:
            server.living = ""
        stored, logins = stored_cookie(place.path), server.logins
        lives = stored is not None and stored == server.living
        killer.kill(number * A_WHILE)
        spent = server.logins - logins
        assert spent <= (0 if lives else 1), "a login too many"
        if lives:
            assert stored_cookie(place.path) == stored, "a session was lost"
        cut_off += spent > 0 and stored_cookie(place.path) != server.living
        if place.path.exists():
            book = place.load(0.0)
            assert not any("broken" in sentence for _, sentence in book.notes)
    assert cut_off > 5, "too few kills hit a login for this to prove much"
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.suffix != ".new") == [".json", ".lock"]
    last = client(server.url, tmp_path, clock=lambda: time.time() + (KILLS + 2) * A_WHILE)
    logins = server.logins
    last.plant_info("1")
    assert server.logins <= logins + 1


def test_keeper_reports_a_program_that_hangs(tmp_path, server):
    here, there = processes.Pipe()
    hung = processes.Process(target=read_once, args=(server.url, tmp_path, there))
    hung.start()
    here.recv_bytes()
    stopped = threading.Event()

    def stop():
        os.kill(hung.pid, signal.SIGSTOP)
        stopped.set()

    server.before_login = stop
    assert stopped.wait(20)
    impatient = Growatt("ada", "hunter2", server=server.url, keeper=Keeper(tmp_path, patience=0.3), limits=MANY)
    with pytest.raises(Throttled, match="another program has been using this account") as caught:
        impatient.plant_info("1")
    assert caught.value.retry_after > 0
    assert "Check whether another program hangs" in str(caught.value)
    assert impatient.budget.logins_used == 1  # the state file can be read without the lock
    os.kill(hung.pid, signal.SIGCONT)
    assert here.recv_bytes() == b"done"
    hung.join(20)
    impatient.plant_info("1")
    assert server.logins == 1


def test_keeper_logs_in_once_for_several_event_loops(tmp_path, server):
    async def ask(one):
        return await one.plant_info("1")

    async def many():
        return await asyncio.gather(*(ask(client(server.url, tmp_path, AsyncGrowatt)) for _ in range(10)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.logins, server.reads, server.turned_away) == (1, 30, 0)


def test_client_works_on_two_event_loops_at_once(tmp_path, server):
    one = client(server.url, tmp_path, AsyncGrowatt)

    async def ask():
        for _ in range(5):
            await one.plant_info("1")

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.logins, server.reads) == (1, 15)


def test_keeper_releases_the_account_of_a_cancelled_task(tmp_path, server):
    asked, answer = threading.Event(), threading.Event()

    def wait():
        asked.set()
        answer.wait(20)

    server.before_login = wait

    async def cancelled():
        task = asyncio.create_task(client(server.url, tmp_path, AsyncGrowatt).plant_info("1"))
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    answer.set()
    other = client(server.url, tmp_path)
    with pytest.raises(Throttled, match="its outcome is unknown"):
        other.plant_info("1")
    assert server.logins == 1
    client(server.url, tmp_path, clock=lambda: time.time() + 61).plant_info("1")
    assert server.logins == 2
