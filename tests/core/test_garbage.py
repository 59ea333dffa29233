"""Pauses of the garbage collector: of several threads, and in a forked process."""

from __future__ import annotations

import gc
import os
import sys
import threading

import pytest

from heliograph.core.garbage import garbage_collection_paused


@pytest.fixture(autouse=True)
def _collector_is_enabled():
    assert gc.isenabled()
    yield
    gc.enable()


def test_pause_ends_when_the_last_block_is_left():
    with garbage_collection_paused:
        with garbage_collection_paused:
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_pause_leaves_a_disabled_collector_disabled():
    gc.disable()
    with garbage_collection_paused:
        pass
    assert not gc.isenabled()


def test_pauses_of_many_threads_leave_the_collector_enabled():
    def pause():
        for _ in range(3000):
            with garbage_collection_paused:
                assert not gc.isenabled()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=pause) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(interval)
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_pause_of_another_thread_ends_in_a_forked_process():
    entered, leave = threading.Event(), threading.Event()

    def pause():
        with garbage_collection_paused:
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=pause)
    thread.start()
    assert entered.wait(60)
    child = os.fork()
    if child == 0:
        enabled = gc.isenabled()
        with garbage_collection_paused:
            paused = not gc.isenabled()
        os._exit(0 if enabled and paused and gc.isenabled() else 1)
    _, status = os.waitpid(child, 0)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert gc.isenabled()
