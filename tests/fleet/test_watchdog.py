"""The watchdog: when a worker ends itself."""

from __future__ import annotations

import os
import subprocess
import sys

from heliograph.fleet.watchdog import EXIT_CODE, Watchdog

TIMEOUT = 30.0


class Scene:
    def __init__(self):
        self.now = self.proved_at = 1000.0
        self.ended = []
        self.watchdog = Watchdog(lambda: self.proved_at, TIMEOUT, boot=lambda: self.now, end=self.ended.append)

    def pass_time(self, seconds, *, proved=True, step=0.2):
        end = self.now + seconds
        while self.now < end:
            self.now += step
            if proved:
                self.proved_at = self.now
            self.watchdog.look()


def test_worker_that_proves_its_life_goes_on():
    scene = Scene()
    scene.pass_time(300)
    assert scene.ended == []


def test_worker_without_proof_ends_before_others_take_over():
    scene = Scene()
    scene.pass_time(0.9 * TIMEOUT - 0.2, proved=False)
    assert scene.ended == []
    scene.pass_time(0.4, proved=False)
    assert "has written nothing to the database for 27." in scene.ended[0]
    assert scene.now - scene.proved_at < TIMEOUT


def test_worker_that_was_stopped_ends_at_once_although_it_proves_its_life():
    scene = Scene()
    scene.pass_time(10)
    scene.pass_time(14.9, step=14.9)
    assert scene.ended == []
    scene.pass_time(15.1, step=15.1)
    assert scene.ended == ["this worker was stopped for 15.1 s; other workers have its shards"]


def test_process_with_a_hanging_event_loop_is_ended_without_cleanup():
    program = """
import atexit, sys, time
from heliograph.fleet.database import boot_time
from heliograph.fleet.watchdog import Watchdog
atexit.register(lambda: print("goodbye"))
started = boot_time()
Watchdog(lambda: started, 0.5).start()
while True: time.sleep(0.01)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, env=os.environ, check=False)
    assert done.returncode == EXIT_CODE == 75
    assert done.stdout == b""
    assert done.stderr.startswith(b"heliograph: this worker ")
