"""What a store said it kept is kept, and what is half written is never seen, however a program or a server ends."""

import signal
import sys

import pytest

from support.killed_writer import Writer, check, size
from support.store_fixtures import DatabasePlace
from support.store_rows import ROOF

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")


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
