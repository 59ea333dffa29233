"""The PyPI sems-portal-api reads what still answers of the classic portal, and our client reads the same from it."""

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
DAY = datetime(2026, 6, 21)  # noqa: DTZ001 - the peer takes a naive day


class Redirected:
    """A session to the emulator: the peer has the cloud's hosts written in, and they are https."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url.rstrip("/")
        self.hosts: list[str] = []

    def post(self, url: str, **request: Any) -> Any:
        where = urlsplit(url)
        self.hosts.append(where.netloc)
        return self.session.post(self.url + where.path, **request)


def read(at: Any, asking: Callable[[Any, str], Awaitable[Any]]) -> Any:
    """Return what the peer makes of the emulator: logged in first, as all its users do."""

    async def main() -> Any:
        sems_portal_api.set_region("eu")
        async with aiohttp.ClientSession() as session:
            there: Any = Redirected(session, at.url)
            data = await sems_portal_api.login_to_sems(there, at.username, at.password)
            answer = await asking(there, sems_portal_api.login_response_to_token(data))
            assert set(there.hosts) == {"www.semsportal.com", "eu.semsportal.com"}
            return answer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it names time-outs as aiohttp no longer likes them
        return asyncio.run(main())


def mine(at: Any) -> GoodWe:
    return GoodWe(at.username, at.password, server=at.url)


def test_the_first_plant_is_the_same_to_both(goodwe_at: Any) -> None:
    peers = read(goodwe_at, sems_portal_api.get_station_ids)
    assert peers == mine(goodwe_at).plant_id_by_owner()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plant_is_the_same_to_both_call_by_call(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]

    async def asking(session: Any, token: str) -> Any:
        asked = {"session": session, "power_station_id": plant, "token": token}
        return [await get(**asked) for get in (get_powerflow, get_plant_details, get_inverter_details)]

    flow, detail, inverters = read(goodwe_at, asking)
    client = mine(goodwe_at)
    assert client.powerflow(plant).raw == flow
    assert client.plant_detail(plant).raw == detail
    assert client.inverter_points(plant).raw["inverterPoints"] == inverters
    assert inverters, "an empty answer judges nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peer_understands_a_plant_as_we_do(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]
    found = read(
        goodwe_at,
        lambda session, token: sems_portal_api.get_collated_plant_details(session, plant, token),
    )["powerPlant"]
    values = mine(goodwe_at).snapshot(plant).values
    assert found["info"]["powerstation_id"] == plant
    assert found["info"]["generationToday"] == pytest.approx(values["pv_energy_today"], abs=0.1)
    assert found["info"]["allTimeGeneration"] == pytest.approx(values["pv_energy_total"], abs=0.1)
    assert [row["name"] for row in found["inverters"]] == list(goodwe_at.plants[family].devices)
    assert all(row["model"] and row["innerTemp"] for row in found["inverters"])
    if "load_power" in values:
        assert found["info"]["generationLive"] == pytest.approx(values["pv_power"], abs=1)
        assert found["info"]["houseLoad"] == pytest.approx(values["load_power"], abs=1)
        assert found["info"]["gridLoad"] == pytest.approx(abs(values["grid_power"]), abs=1)
    if "battery_soc" in values:
        assert found["info"]["socText"] == pytest.approx(values["battery_soc"], abs=1)


@pytest.mark.parametrize("family", ["hybrid", "meter"])
def test_a_days_chart_is_the_same_to_both(family: str, goodwe_at: Any) -> None:
    plant = goodwe_at.plant[family]
    chart = read(goodwe_at, lambda session, token: sems_portal_api.get_plant_power_chart(session, plant, token, DAY))
    assert mine(goodwe_at).power_chart(plant, "2026-06-21").raw == chart
    assert [line for line in chart["lines"] if any(point["y"] for point in line["xy"])]
