"""What a store said it kept is kept, and what is half written is never seen, however a program or a server ends."""

import os
import signal
import sys
from itertools import count

import pytest

from heliograph.errors import StoreError
from heliograph.store import open_store
from heliograph.store.base import Batch, QueryRecord
from support.store_fixtures import DatabasePlace
from support.store_rows import DAY, ROOF, SAMPLE
from support.subprocesses import python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")


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
                        except StoreError as error:
                            os.write(2, f"{error}\n".encode())
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
        self.process = python(f"from store.test_killed import write_on; write_on({self.where!r})")
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


def test_store_loses_no_acknowledged_write_when_killed(place):
    kills = 32 if place.kind == "sqlite" else 12
    there = 0
    with Writer(str(place.where)) as writer, place.open() as reader:
        for turn in range(kills):
            writer.begin(there)
            for _ in range(turn % 4):  # a new store dies before its first acknowledgement, too
                writer.wait()
                number = writer.acknowledged + 1  # it is being written at this moment: all of it is seen, or nothing
                assert len(list(reader.sample_times(ROOF, number * 1000, number * 1000 + 1000))) in (0, size(number))
            writer.kill()
            with place.open() as store:
                there = check(store, writer.acknowledged)
    assert there > kills


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "by a crash"])
def test_postgres_store_continues_after_a_server_restart(server, how):
    place = DatabasePlace(server.url)
    with Writer(place.where) as writer:
        writer.begin(0)
        for _ in range(3):
            writer.wait()
        server.stop(how)
        server.start()
        with place.open() as store:
            there = store.latest(ROOF)[0].measured_at // 1000
        while writer.acknowledged < there + 3:  # the pipe still holds what was said before the stop
            writer.wait()
        writer.kill()
        with place.open() as store:
            assert check(store, writer.acknowledged) > there
    place.empty()
