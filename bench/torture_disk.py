"""Full disks: a home on a file system of a few hundred kilobytes, which then gets more space."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from torture_kills import is_sound
from torture_programs import Tally, world

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

_REMOUNT = 32
_POLLS = 3


class SmallDisk:
    """A tmpfs of some kilobytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)

    def mount(self, kilobytes: int, flags: int = 0) -> None:
        """Mount it, or change its size; raises OSError."""
        data = f"size={kilobytes}k,mode=0700".encode()
        if self._libc.mount(b"tmpfs", os.fsencode(self.folder), b"tmpfs", flags, data):
            raise OSError(ctypes.get_errno(), "mount")

    def grow(self, kilobytes: int) -> None:
        """Give it more space."""
        self.mount(kilobytes, _REMOUNT)

    def unmount(self) -> None:
        """Unmount it, although files may be open."""
        self._libc.umount2(os.fsencode(self.folder), 2)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Yield a mounted disk."""
    folder.mkdir(exist_ok=True)
    disk = SmallDisk(folder)
    disk.mount(kilobytes)
    try:
        yield disk
    finally:
        disk.unmount()


def can_mount(folder: Path) -> bool:
    """Return whether this process may mount file systems."""
    try:
        with small_disk(folder, 64):
            return True
    except OSError:
        return False


def full_disk(folder: Path, trials: int, chance: random.Random) -> Tally:
    """Collect onto a disk that fills up, then make room; without the right to mount, files have a limited size."""
    tally = Tally("full disk")
    with world(folder) as cloud:
        mounts = can_mount(folder / "disk")
        tally.name = f"full disk ({'tmpfs' if mounts else 'RLIMIT_FSIZE: no right to mount'})"
        sizes = [int(8 * 1.12**step) for step in range(trials)]
        for kilobytes in sizes:
            if mounts:
                with small_disk(folder / "disk", kilobytes) as disk:
                    _collect_on(cloud, folder / "disk", kilobytes, tally, lambda disk=disk: disk.grow(65_536), ())
            else:
                place = folder / f"limited-{kilobytes}"
                place.mkdir()
                _collect_on(cloud, place, kilobytes, tally, lambda: None, ((resource.RLIMIT_FSIZE, kilobytes * 1024),))
            chance.random()
    return tally


def _collect_on(cloud, home: Path, kilobytes: int, tally: Tally, make_room, limits) -> None:
    trial = f"{kilobytes} kB"
    tally.trials += 1
    store = home / "heliograph.sqlite"
    try:
        cloud.write_config(home)
    except OSError:
        make_room()
        cloud.write_config(home)
    acknowledged = [set() for _ in cloud.plants]
    failed, polls = False, {}
    for _ in range(_POLLS):
        cloud.advance(seconds=300)
        code, text = cloud.run("collect", "--once", "--no-backfill", home=home, limits=limits)
        tally.check_output(text, trial)
        polls |= _announced(cloud, text)
        failed |= code != 0
        if "saved=true" in text:
            found = cloud.times(store)
            tally.expect(all(old <= new for old, new in zip(acknowledged, found, strict=True)), "lost", trial)
            tally.expect(
                any(old != new for old, new in zip(acknowledged, found, strict=True)), "lost", f"{trial}: saved"
            )
            acknowledged = found
        code, text = cloud.run("status", home=home, limits=limits)
        tally.check_output(text, f"{trial}: status")
    tally.struck += failed
    make_room()
    cloud.advance(seconds=300)
    code, text = cloud.run("collect", "--once", "--no-backfill", home=home)
    tally.check_output(text, trial)
    polls |= _announced(cloud, text)
    tally.expect(code == 0, "stuck", f"{trial}: {text[-500:]}")
    if not store.exists():
        tally.expect(False, "stuck", f"{trial}: no store")
        return
    found = cloud.times(store)
    tally.expect(all(old <= new for old, new in zip(acknowledged, found, strict=True)), "lost", f"{trial}: afterwards")
    tally.expect(is_sound(store), "torn", f"{trial}: integrity_check")
    with closing(sqlite3.connect(store)) as database:
        for moment, samples in polls.items():
            # A later poll replaces samples of an earlier one whose values were measured at the same time.
            fetched, held = database.execute(
                "SELECT total(fetched_at = ?1), count(*) FROM sample WHERE fetched_at >= ?1 AND measured_at <= ?1",
                (moment,),
            ).fetchone()
            tally.expect(not fetched or held >= samples, "torn", f"{trial}: {held} of {samples} samples of a poll")


def _announced(cloud, text: str) -> dict[int, int]:
    """Return the time of a poll and the number of its samples, as the collector reported them."""
    found = re.search(r"event=poll\.done .*\bsamples=(\d+)", text)
    return {int(cloud.emulator.world.clock.now().timestamp()): int(found[1])} if found else {}
