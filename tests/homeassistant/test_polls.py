"""Async clients inside Home Assistant's core: 60 polls over its aiohttp session block its event loop nowhere."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from homeassistant.helpers.aiohttp_client import async_create_clientsession

from heliograph import AsyncGoodWe, AsyncGrowatt, transports
from heliograph.errors import CloudError
from heliograph.keeper import Keeper

POLLS = 64
LOCKED_AT = 40
CLIENTS = {"growatt": (AsyncGrowatt, "growatt"), "goodwe": (AsyncGoodWe, "sems")}


def make_session(hass):
    """Return the session of the documentation: Home Assistant's connections, without a cookie jar."""
    return async_create_clientsession(hass, cookie_jar=aiohttp.DummyCookieJar())


async def make_client(hass, emulator, vendor, folder, session, **options):
    kind, server = CLIENTS[vendor]
    account = emulator.accounts[vendor]
    common = {
        "server": emulator.ready[server],
        "keeper": Keeper(folder),
        "clock": emulator.time,
        "transport": transports.aiohttp(session),
        "self_throttled": True,  # like the collector, whose schedule spreads the requests over the day
    }
    return await hass.async_add_executor_job(lambda: kind(account["username"], account["password"], **common | options))


@pytest.mark.slow
@pytest.mark.parametrize("vendor", CLIENTS)
async def test_polls_with_logins_expiry_and_lock_never_block_the_loop(hass, emulator, tmp_path, blocking_calls, vendor):
    def control(**faults):
        return hass.async_add_executor_job(lambda: emulator.faults(**faults))

    session = make_session(hass)
    client = await make_client(hass, emulator, vendor, tmp_path / "accounts", session)
    plants = emulator.accounts[vendor]["plants"]
    outcomes = []
    for poll in range(POLLS):
        await hass.async_add_executor_job(lambda: emulator.advance(minutes=45))
        if poll in (10, 25):
            await control(expire="")
        if poll == LOCKED_AT and vendor == "growatt":
            await control(expire="", lock=1)
        try:
            await client.snapshot(plants[poll % len(plants)], max_age=0)
            outcomes.append("ok")
        except CloudError as error:
            outcomes.append(type(error).__name__)
            await control(lock=None)
            await hass.async_add_executor_job(lambda: emulator.advance(hours=25))
        await control(expire=None)
        assert (await client.budget_async()).requests_limit
    logins = [one for one in await hass.async_add_executor_job(emulator.logged) if "login" in one["path"].lower()]
    expected = ["ok"] * POLLS
    if vendor == "growatt":
        expected[LOCKED_AT] = "AccountLocked"
    assert outcomes == expected
    assert len(logins) >= 3
    assert blocking_calls() == []


async def test_core_reports_a_transport_that_opens_a_file(hass, emulator, tmp_path, blocking_calls):
    """The test above can fail: the same client with one blocking call in its transport."""
    session = make_session(hass)
    file = tmp_path / "file"
    await hass.async_add_executor_job(file.write_text, "text")

    class Opening:
        def __init__(self):
            self.transport = transports.aiohttp(session)

        async def send(self, request, timeout, clock):  # noqa: ASYNC109
            Path(file).open().close()  # noqa: ASYNC230 - that is the mistake
            return await self.transport.send(request, timeout, clock)

    client = await make_client(hass, emulator, "growatt", tmp_path / "opening", session, transport=Opening())
    await client.snapshot(emulator.accounts["growatt"]["plants"][0], max_age=0)
    found = blocking_calls()
    assert found
    assert all("blocking call to open" in message and "test_polls.py" in message for message in found)
