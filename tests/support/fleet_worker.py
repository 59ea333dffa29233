"""A worker process of the acceptance test: the real worker, with short intervals, that names itself to the witness.

usage: python -m support.fleet_worker JSON
"""

from __future__ import annotations

import json
import os
import sys
import time

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if options.get("clock_offset"):
        real_time, offset = time.time, options["clock_offset"]
        time.time = lambda: real_time() + offset  # before anything imports it

import asyncio
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from secrets import token_hex

from heliograph.cli.fleet import working
from heliograph.collect import schedule
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.errors import HeliographError
from heliograph.fleet import permits, state_store, watchdog, worker, worker_database
from heliograph.fleet.engine import WorkerExpired
from heliograph.fleet.figures import WorkerFigures
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.secrets import SecretBox, read_keys
from heliograph.fleet.worker import FleetWorker, WorkerSettings
from support.fleet_witness import ACCOUNT, POLL, TOKEN, WORKER

poll_number: ContextVar[str] = ContextVar("poll_number", default="")
numbers = count(1)


class NumberedPoller(AccountPoller):
    """Numbers its polls, and prints the numbers of those that failed: nothing of them is stored."""

    async def poll_once(self):
        number = f"{next(numbers)}"
        poll_number.set(number)
        problem = None
        try:
            return await super().poll_once()
        except BaseException as error:
            problem = error
            raise
        finally:
            if (problem := problem or self.progress.problem) is not None:
                print(f"failed poll {number}: {problem!r}", file=sys.stderr)


class NamedDatabase(worker_database.WorkerDatabase):
    """Creates clients that name account, process and token to the witness."""

    process = ""

    def create_client(self, account, held):
        client = super().create_client(account, held)
        send = client._send_request

        async def named(request, *rest):
            ours = {ACCOUNT: f"{account.id}", WORKER: self.process, TOKEN: f"{held.token}", POLL: poll_number.get()}
            return await send(with_headers(request, ours), *rest)

        client._send_request = named
        return client


def with_headers(request, headers):
    """Return a request with more headers."""
    return request._replace(headers={**request.headers, **headers})


def main(options) -> int:
    schedule._ROUNDING = 1.0
    worker.AccountPoller = NumberedPoller
    state_store.REQUEST_SECONDS = options["request_seconds"]
    permits.PERMIT_SECONDS = options.get("permit_seconds", permits.PERMIT_SECONDS)
    working.log_to_stderr("text")
    url, name = options["url"], options["name"]
    fenced = options.get("fence", True)
    engine = ProcrastinateEngine(url, name, ["default"], timeout=options["timeout"])
    box = SecretBox(read_keys(Path(options["key_file"])))
    database = NamedDatabase(
        url, box, f"{name} {token_hex(4)}", working.create_fleet_client, WorkerFigures(), check_fence=fenced
    )
    database.process = f"{name}-{os.getpid()}"
    interval = options["interval"]
    settings = WorkerSettings(
        fill_gaps=options.get("fill_gaps", False),
        refresh=options.get("refresh", 2.0),
        policy=lambda account: PollPolicy(interval, None, interval),
    )
    if not options.get("watchdog", True):
        watchdog.Watchdog.start = lambda self: None
    try:
        asyncio.run(
            working.work(FleetWorker(engine, database, settings), database, ["default"], name, options["timeout"], None)
        )
    except WorkerExpired as error:
        print(error, file=sys.stderr)
        return watchdog.EXIT_CODE
    except HeliographError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(options))
