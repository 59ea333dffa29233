"""The PyPI pygoodwe reads the emulator, and our client reads the same from the same answers."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pygoodwe
import pytest

from heliograph import GoodWe
from peers.recorder import recording

FAMILIES = ("single", "hybrid", "meter", "several")


@pytest.mark.parametrize("family", FAMILIES)
def test_pygoodwe_reads_the_station_our_client_reads(family: str, goodwe_at: Any) -> None:
    station = goodwe_at.plant[family]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        peer = pygoodwe.API(station, goodwe_at.username, goodwe_at.password, api_url=goodwe_at.url + "api/")
    # A clock that stands still keeps the answers equal; each login of one client ends the other's session.
    mine = GoodWe(goodwe_at.username, goodwe_at.password, server=goodwe_at.url)
    assert mine.monitor_detail(station, "v2").raw == peer.data
    assert peer.data["inverter"], printed.getvalue()


def test_pygoodwe_single_inverter_understands_the_flow(goodwe_at: Any) -> None:
    peer = pygoodwe.SingleInverter(
        goodwe_at.plant["hybrid"], goodwe_at.username, goodwe_at.password, api_url=goodwe_at.url + "api/"
    )
    snapshot = GoodWe(goodwe_at.username, goodwe_at.password, server=goodwe_at.url).snapshot(goodwe_at.plant["hybrid"])
    assert peer.getPVFlow() == pytest.approx(snapshot.values["pv_power"], abs=1)
    assert abs(peer.getPmeter()) == pytest.approx(abs(snapshot.values["grid_power"] or 0), abs=1)


def test_both_follow_the_api_of_the_login_and_carry_the_token(goodwe_at: Any) -> None:
    station = goodwe_at.plant["single"]
    with recording(goodwe_at.url) as recorder:
        pygoodwe.API(station, goodwe_at.username, goodwe_at.password, api_url=recorder.url + "/api/")
        peers = recorder.take()
        GoodWe(goodwe_at.username, goodwe_at.password, server=recorder.url).monitor_detail(station, "v2")
        mine = recorder.take()
    # pygoodwe asks first and logs in when it was turned away; we log in first.
    assert [seen.path for seen in peers][-2:] == [seen.path for seen in mine]
    assert all("token" in seen.other_headers for seen in (*peers, *mine))


def test_a_wrong_password_is_refused_to_both(goodwe_at: Any) -> None:
    from heliograph.errors import InvalidCredentials

    peer = pygoodwe.API(
        goodwe_at.plant["single"], goodwe_at.username, "wrong", api_url=goodwe_at.url + "api/", skipload=True
    )
    with contextlib.redirect_stdout(io.StringIO()):
        assert peer.do_login() is False
    with pytest.raises(InvalidCredentials):
        GoodWe(goodwe_at.username, "wrong", server=goodwe_at.url).plants()
