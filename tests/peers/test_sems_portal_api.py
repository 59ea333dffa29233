"""Compatibility tests: PyPI sems-portal-api against the surviving SEMS Portal calls, compared with our client."""

from __future__ import annotations

import asyncio
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import sems_portal_api
from sems_portal_api.sems_plant_details import get_inverter_details, get_plant_details, get_powerflow

from heliograph import GoodWe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FAMILIES = ("single", "hybrid", "meter", "several")
DAY = datetime(2026, 6, 21)  # noqa: DTZ001 - the peer library expects a naive date


class Redirected:
    """HTTP session that redirects the hard-coded https hosts of the peer library to the emulator."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url.rstrip("/")
        self.hosts: list[str] = []

    def post(self, url: str, **request: Any) -> Any:
        parts = urlsplit(url)
        self.hosts.append(parts.netloc)
        return self.session.post(self.url + parts.path, **request)


def run_peer(at: Any, query: Callable[[Any, str], Awaitable[Any]]) -> Any:
    """Log in with the peer library and return the result of `query`."""

    async def main() -> Any:
        sems_portal_api.set_region("eu")
        async with aiohttp.ClientSession() as session:
            redirected: Any = Redirected(session, at.url)
            data = await sems_portal_api.login_to_sems(redirected, at.username, at.password)
            answer = await query(redirected, sems_portal_api.login_response_to_token(data))
            assert set(redirected.hosts) == {"www.semsportal.com", "eu.semsportal.com"}
            return answer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses a deprecated aiohttp time-out argument
        return asyncio.run(main())


def our_client(at: Any) -> GoodWe:
    return GoodWe(at.username, at.password, server=at.url)


def test_sems_portal_api_station_id_matches_our_client(goodwe_at: Any) -> None:
    station_id = run_peer(goodwe_at, sems_portal_api.get_station_ids)
    assert station_id == our_client(goodwe_at).plant_id_by_owner()


@pytest.mark.parametrize("family", FAMILIES)
def test_sems_portal_api_calls_match_our_client(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]

    async def query(session: Any, token: str) -> Any:
        arguments = {"session": session, "power_station_id": plant, "token": token}
        return [await get(**arguments) for get in (get_powerflow, get_plant_details, get_inverter_details)]

    flow, detail, inverters = run_peer(goodwe_at, query)
    client = our_client(goodwe_at)
    assert client.powerflow(plant).raw == flow
    assert client.plant_detail(plant).raw == detail
    assert client.inverter_points(plant).raw["inverterPoints"] == inverters
    assert inverters, "an empty response proves nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_sems_portal_api_plant_details_match_our_client(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]
    details = run_peer(
        goodwe_at,
        lambda session, token: sems_portal_api.get_collated_plant_details(session, plant, token),
    )["powerPlant"]
    values = our_client(goodwe_at).snapshot(plant).values
    assert details["info"]["powerstation_id"] == plant
    assert details["info"]["generationToday"] == pytest.approx(values["pv_energy_today"], abs=0.1)
    assert details["info"]["allTimeGeneration"] == pytest.approx(values["pv_energy_total"], abs=0.1)
    assert [row["name"] for row in details["inverters"]] == list(goodwe_at.plants[family].devices)
    assert all(row["model"] and row["innerTemp"] for row in details["inverters"])
    if "load_power" in values:
        assert details["info"]["generationLive"] == pytest.approx(values["pv_power"], abs=1)
        assert details["info"]["houseLoad"] == pytest.approx(values["load_power"], abs=1)
        assert details["info"]["gridLoad"] == pytest.approx(abs(values["grid_power"]), abs=1)
    if "battery_soc" in values:
        assert details["info"]["socText"] == pytest.approx(values["battery_soc"], abs=1)


@pytest.mark.parametrize("family", ["hybrid", "meter"])
def test_sems_portal_api_day_chart_matches_our_client(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]
    chart = run_peer(
        goodwe_at, lambda session, token: sems_portal_api.get_plant_power_chart(session, plant, token, DAY)
    )
    assert our_client(goodwe_at).power_chart(plant, "2026-06-21").raw == chart
    assert [line for line in chart["lines"] if any(point["y"] for point in line["xy"])]
