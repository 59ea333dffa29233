"""A program that writes numbered batches to a store until it is killed, and the check that none was lost or torn."""

import os
import signal
import sys
import time
from itertools import count

from heliograph.errors import StoreError
from heliograph.store import open_store
from heliograph.store.base import Batch, QueryRecord
from support.store_rows import DAY, ROOF, SAMPLE
from support.subprocesses import python


def size(number):
    return 1 + number * 37 % 400  # small ones and ones for COPY


def batch(number):
    """Return a batch whose every row tells its number."""
    samples = [SAMPLE._replace(measured_at=number * 1000 + step) for step in range(size(number))]
    return Batch(
        samples=samples,
        days=[DAY._replace(values={"pv_energy": float(number)}, written_at=number)],
        counters={ROOF: {"number": number}},
        queries=[QueryRecord(ROOF, "curve", str(number), "data", number)],
    )


def write_on(where):
    """For each line of input, write batches from that number on in a process of its own, until it is killed."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.write(1, b"%d\n" % os.getpid())
            with open_store(where) as store:
                for number in count(int(line)):
                    while True:
                        try:
                            store.write(batch(number))
                        except StoreError:
                            time.sleep(0.01)  # the server restarts; a message for each attempt would fill the pipe
                        else:
                            break
                    os.write(1, b"%d\n" % number)
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


def check(store, acknowledged):
    """All that was acknowledged is there and at most one batch more, each whole; return how many."""
    moments = list(store.sample_times(ROOF, 0, 2**40))
    there = moments[-1] // 1000 + 1 if moments else 0
    assert there - 1 in (acknowledged, acknowledged + 1)
    assert moments == [number * 1000 + step for number in range(there) for step in range(size(number))]
    if there:
        assert store.counters(ROOF) == {"number": there - 1}
        assert store.days(ROOF, DAY.day, DAY.day)[0].values["pv_energy"] == there - 1
        assert store.queries(ROOF, "curve").keys() == set(map(str, range(there)))
    return there


class Writer:
    """A process that writes, and forgets nothing but its life."""

    def __init__(self, where):
        self.where = where

    def __enter__(self):
        self.process = python(f"from support.killed_writer import write_on; write_on({self.where!r})")
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def begin(self, number):
        self.process.stdin.write(b"%d\n" % number)
        self.process.stdin.flush()
        self.child = int(self.process.stdout.readline())
        self.acknowledged = number - 1

    def wait(self):
        self.acknowledged = int(self.process.stdout.readline())

    def kill(self):
        os.kill(self.child, signal.SIGKILL)
        for line in iter(self.process.stdout.readline, b"dead\n"):
            self.acknowledged = int(line)
