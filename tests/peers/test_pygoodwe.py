"""Compatibility tests: PyPI pygoodwe against the emulated SEMS Portal, compared with our client."""

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
def test_pygoodwe_data_matches_our_client(family: str, goodwe_at: Any) -> None:
    station = goodwe_at.plant[family]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        peer = pygoodwe.API(station, goodwe_at.username, goodwe_at.password, api_url=goodwe_at.url + "api/")
    # The clock is stopped, so the responses are equal; each login of one client ends the other's session.
    client = GoodWe(goodwe_at.username, goodwe_at.password, server=goodwe_at.url)
    assert client.monitor_detail(station, "v2").raw == peer.data
    assert peer.data["inverter"], printed.getvalue()


def test_pygoodwe_single_inverter_matches_our_client(goodwe_at: Any) -> None:
    peer = pygoodwe.SingleInverter(
        goodwe_at.plant["hybrid"], goodwe_at.username, goodwe_at.password, api_url=goodwe_at.url + "api/"
    )
    snapshot = GoodWe(goodwe_at.username, goodwe_at.password, server=goodwe_at.url).snapshot(goodwe_at.plant["hybrid"])
    assert peer.getPVFlow() == pytest.approx(snapshot.values["pv_power"], abs=1)
    assert abs(peer.getPmeter()) == pytest.approx(abs(snapshot.values["grid_power"] or 0), abs=1)


def test_pygoodwe_and_our_client_send_the_same_calls_with_a_token(goodwe_at: Any) -> None:
    station = goodwe_at.plant["single"]
    with recording(goodwe_at.url) as recorder:
        pygoodwe.API(station, goodwe_at.username, goodwe_at.password, api_url=recorder.url + "/api/")
        pygoodwe_requests = recorder.take()
        GoodWe(goodwe_at.username, goodwe_at.password, server=recorder.url).monitor_detail(station, "v2")
        our_requests = recorder.take()
    # pygoodwe logs in after its first request is rejected; our client logs in first.
    assert [seen.path for seen in pygoodwe_requests][-2:] == [seen.path for seen in our_requests]
    assert all("token" in seen.other_headers for seen in (*pygoodwe_requests, *our_requests))


def test_pygoodwe_and_our_client_reject_a_wrong_password(goodwe_at: Any) -> None:
    from heliograph.errors import InvalidCredentials

    peer = pygoodwe.API(
        goodwe_at.plant["single"], goodwe_at.username, "wrong", api_url=goodwe_at.url + "api/", skipload=True
    )
    with contextlib.redirect_stdout(io.StringIO()):
        assert peer.do_login() is False
    with pytest.raises(InvalidCredentials):
        GoodWe(goodwe_at.username, "wrong", server=goodwe_at.url).plants()
