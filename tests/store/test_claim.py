"""The claim of a store, in both engines: one collector at a time, and a short wait for a command that stores once."""

from __future__ import annotations

from threading import Timer

import pytest

from heliograph.errors import StoreInUse


def test_claim_is_refused_while_another_program_has_it(place):
    with place.open() as first, place.open() as second:
        first.claim(["growatt https://example.com/ ada"])
        with pytest.raises(StoreInUse, match="another collector is already using it"):
            second.claim(["growatt https://example.com/ ada"], timeout=0)


def test_claim_waits_for_a_program_that_releases_it_soon(place):
    first = place.open()
    first.claim(["growatt https://example.com/ ada"])
    release = Timer(0.2, first.close)
    with place.open() as second:
        release.start()
        second.claim(["growatt https://example.com/ ada"], timeout=60)
        with place.open() as third, pytest.raises(StoreInUse):
            third.claim(["growatt https://example.com/ ada"], timeout=0)
    release.join()
