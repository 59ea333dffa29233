"""Every branch of the config flow: both doors, new credentials, changes and options."""

from __future__ import annotations

import json
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from custom_components.heliograph import config_flow
from emulator_process import EmulatorProcess
from entries import DOMAIN, add_account, add_api, choose, issues, remove, submit
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from store_server import TOKEN, StoreServer

from support.http_service import Service, response


def free_address():
    """Return an address that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def other_service():
    """Run an HTTP server that is no Heliograph."""
    one = Service()
    yield one
    one.close()


async def test_a_heliograph_is_added_in_three_steps(hass, home_server):
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": "user"})
    assert (result["type"], result["menu_options"]) == ("menu", ["api", "account"])
    form = await hass.config_entries.flow.async_configure(result["flow_id"], {"next_step_id": "api"})
    assert (form["type"], form["errors"]) == ("form", {})
    result = await submit(hass, form, {"url": f"{home_server.url}/ ", "token": TOKEN, "verify_ssl": True})
    entry = result["result"]
    assert result["type"] == "create_entry"
    assert entry.state is ConfigEntryState.LOADED
    assert entry.title == home_server.url.removeprefix("http://")
    assert entry.unique_id == home_server.url
    await remove(hass, entry)


async def test_wrong_token_is_reported_at_its_field_and_can_be_corrected(hass, home_server):
    form = await choose(hass, "api")
    result = await submit(hass, form, {"url": home_server.url, "token": "another token", "verify_ssl": True})
    assert (result["type"], result["errors"]) == ("form", {"token": "invalid_token"})
    result = await submit(hass, result, {"url": home_server.url, "verify_ssl": True})
    assert result["errors"] == {"token": "invalid_token"}
    result = await submit(hass, result, {"url": home_server.url, "token": TOKEN, "verify_ssl": True})
    assert result["type"] == "create_entry"
    await remove(hass, result["result"])


@pytest.mark.parametrize("address", ["", "my solar", "ftp://127.0.0.1", "http://", "me:secret@127.0.0.1", "http://[1"])
async def test_an_address_that_is_none_is_reported(hass, address):
    result = await submit(hass, await choose(hass, "api"), {"url": address, "verify_ssl": True})
    assert result["errors"] == {"url": "invalid_url"}


async def test_an_address_without_a_scheme_is_one(hass, home_server):
    entry = await add_api(hass, home_server.url.removeprefix("http://"))
    assert entry.data["url"] == home_server.url
    await remove(hass, entry)


async def test_nobody_at_the_address_is_reported(hass):
    result = await submit(hass, await choose(hass, "api"), {"url": free_address(), "verify_ssl": True})
    assert result["errors"] == {"base": "cannot_connect"}


MESSAGES = json.loads((Path(config_flow.__file__).parent / "translations" / "en.json").read_text("utf-8"))["exceptions"]
ANSWERS = [
    (response(200, b"<html>my printer</html>"), "not_heliograph"),
    (response(404, b"nothing here"), "not_heliograph"),
    (response(404, b'{"detail": "unknown path"}', Content_Type="application/problem+json"), "unsupported_api"),
    (response(302, b"", Location="http://127.0.0.1/"), "not_heliograph"),
    (response(421, b"{}"), "host_rejected"),
    (response(503, b"{}"), "api_busy"),
    (response(400, b"{}"), "unsupported_api"),
    (response(200, b'{"plants": 3}'), "unexpected_answer"),
    (response(200, b"[]"), "unexpected_answer"),
]
"""What another program, or another version of Heliograph, answers, and the key of the text about it."""


@pytest.mark.parametrize(("answer", "key"), ANSWERS)
async def test_another_program_at_the_address_is_reported(hass, other_service, answer, key):
    other_service.reply = lambda request: answer
    result = await submit(hass, await choose(hass, "api"), {"url": other_service.url, "verify_ssl": True})
    assert result["errors"] == {"base": key}


@pytest.mark.parametrize(("answer", "key"), [(None, "cannot_connect"), *ANSWERS])
async def test_an_entry_whose_door_answers_otherwise_says_why_and_is_tried_again(hass, other_service, answer, key):
    other_service.reply = lambda request: answer
    address = other_service.url if answer else free_address()
    entry = MockConfigEntry(domain=DOMAIN, data={"door": "api", "url": address, "token": TOKEN}, title="Roof")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason.startswith(MESSAGES[key]["message"].partition("{")[0].rstrip("."))
    assert "{" not in entry.reason
    await remove(hass, entry)


async def test_a_heliograph_is_added_once(hass, home_server):
    entry = await add_api(hass, home_server.url)
    form = await choose(hass, "api")
    result = await submit(hass, form, {"url": home_server.url.upper(), "token": TOKEN, "verify_ssl": True})
    assert (result["type"], result["reason"]) == ("abort", "already_configured")
    await remove(hass, entry)


async def test_an_old_core_is_refused_in_the_flow(hass, monkeypatch):
    monkeypatch.setattr(config_flow, "__version__", "2024.12.5")
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": "user"})
    assert (result["type"], result["reason"]) == ("abort", "core_too_old")


async def test_a_new_token_is_asked_for_when_the_old_one_is_revoked(hass, tmp_path):
    server = StoreServer(tmp_path)
    server.fill_today()
    with server:
        entry = await add_api(hass, server.url)
        await hass.async_add_executor_job(server.restart, "a-newer-token-for-tests")
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done()
        (flow,) = hass.config_entries.flow.async_progress()
        assert flow["context"]["source"] == "reauth"
        form = await hass.config_entries.flow.async_configure(flow["flow_id"])
        assert (form["type"], form["step_id"]) == ("form", "reauth_confirm")
        result = await submit(hass, form, {"token": "still wrong, sorry"})
        assert result["errors"] == {"token": "invalid_token"}
        result = await submit(hass, result, {"token": "a-newer-token-for-tests"})
        assert (result["type"], result["reason"]) == ("abort", "reauth_successful")
        assert entry.state is ConfigEntryState.LOADED
        assert entry.runtime_data.last_update_success
        await remove(hass, entry)


async def start_reconfigure(hass, entry):
    context = {"source": "reconfigure", "entry_id": entry.entry_id}
    return await hass.config_entries.flow.async_init(DOMAIN, context=context)


async def test_address_of_a_heliograph_is_changed(hass, home_server, tmp_path):
    server = StoreServer(tmp_path)
    server.fill_today()
    with server:
        entry = await add_api(hass, server.url)
        other = await add_api(hass, home_server.url)
        form = await start_reconfigure(hass, entry)
        assert (form["type"], form["step_id"]) == ("form", "reconfigure")
        result = await submit(hass, form, {"url": free_address(), "token": TOKEN, "verify_ssl": True})
        assert result["errors"] == {"base": "cannot_connect"}
        result = await submit(hass, result, {"url": home_server.url, "token": TOKEN, "verify_ssl": True})
        assert (result["type"], result["reason"]) == ("abort", "already_configured")
        await remove(hass, other)
        form = await start_reconfigure(hass, entry)
        result = await submit(hass, form, {"url": home_server.url, "token": TOKEN, "verify_ssl": True})
        assert (result["type"], result["reason"]) == ("abort", "reconfigure_successful")
        assert entry.unique_id == home_server.url
        assert entry.state is ConfigEntryState.LOADED
        await remove(hass, entry)


async def test_credentials_of_an_account_are_changed(hass, fresh_emulator):
    entry = await add_account(hass, fresh_emulator)
    account = fresh_emulator.accounts["growatt"]
    form = await start_reconfigure(hass, entry)
    assert (form["type"], form["step_id"]) == ("form", "reconfigure_account")
    given = {"username": account["username"], "server": fresh_emulator.ready["growatt"], "time_zone": "Europe/Berlin"}
    result = await submit(hass, form, given)
    assert result["errors"] == {"base": "password_and_username"}
    result = await submit(hass, result, given | {"password": account["password"], "token": account["token"]})
    assert (result["type"], result["reason"]) == ("abort", "reconfigure_successful")
    assert entry.data["token"] == account["token"]
    assert entry.state is ConfigEntryState.LOADED
    await remove(hass, entry)


@pytest.mark.slow
async def test_credentials_of_another_account_are_refused(hass):
    with EmulatorProcess("--speed", "1", "--accounts", "3", start=datetime.now(UTC).replace(microsecond=0)) as clouds:
        entry = await add_account(hass, clouds)
        other = next(one for one in clouds.ready["accounts"] if one["username"] != entry.data["username"])
        assert other["vendor"] == "growatt"
        given = {"username": other["username"], "password": other["password"], "time_zone": "UTC"}
        form = await start_reconfigure(hass, entry)
        result = await submit(hass, form, given | {"server": clouds.ready["growatt"]})
        assert result["errors"] == {"base": "other_account"}
        await remove(hass, entry)


async def test_options_of_a_heliograph_select_plants(hass, home_server):
    entry = await add_api(hass, home_server.url)
    (node,) = entry.runtime_data.data.plants
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert [str(key) for key in form["data_schema"].schema] == ["plants"]
    result = await hass.config_entries.options.async_configure(form["flow_id"], {"plants": [node]})
    await hass.async_block_till_done()
    assert result["type"] == "create_entry"
    assert entry.options == {"plants": [node]}
    assert list(entry.runtime_data.data.plants) == [node]
    await remove(hass, entry)


async def test_a_plant_that_is_not_selected_disappears_with_its_devices(hass, tmp_path):
    server = StoreServer(tmp_path)
    server.fill_today()
    server.fill_farm({date(2026, 6, 20): 5.0})
    with server:
        entry = await add_api(hass, server.url)
        farm = next(node for node, one in entry.runtime_data.data.plants.items() if one.title == "Farm")
        form = await hass.config_entries.options.async_init(entry.entry_id)
        await hass.config_entries.options.async_configure(form["flow_id"], {"plants": [farm]})
        await hass.async_block_till_done()
        (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        assert device.name == "Farm"
        assert issues(hass) == {}
        await remove(hass, entry)


@pytest.mark.parametrize("vendor", ["growatt", "goodwe"])
async def test_an_account_is_added_with_one_login(hass, live_emulator, vendor):
    before = await logins(hass, live_emulator, vendor)
    entry = await add_account(hass, live_emulator, vendor)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.data.plants
    assert live_emulator.accounts[vendor]["password"] not in (entry.title, entry.unique_id)
    assert live_emulator.accounts[vendor]["username"] not in entry.unique_id
    assert await logins(hass, live_emulator, vendor) == before + 1
    await remove(hass, entry)


async def logins(hass, emulator, vendor):
    """Return how many logins the emulator has received."""
    word = {"growatt": "newtwologin", "goodwe": "crosslogin"}[vendor]
    requests = await hass.async_add_executor_job(emulator.logged)
    return sum(word in one["path"].lower().replace("-", "") for one in requests)


async def test_an_account_is_added_with_a_token(hass, live_emulator):
    entry = await add_account(hass, live_emulator, token=live_emulator.accounts["growatt"]["token"])
    assert entry.state is ConfigEntryState.LOADED
    assert live_emulator.accounts["growatt"]["token"] not in entry.title + entry.unique_id
    await remove(hass, entry)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"username": "growatt1"}, "password_and_username"),
        ({}, "no_credentials"),
        ({"username": "growatt1", "password": "wrong"}, "invalid_auth"),
        ({"username": "growatt1", "password": "secret", "server": "ftp://nowhere"}, "invalid_config"),
        ({"username": "growatt1", "password": "secret", "server": "closed"}, "cloud_unreachable"),
    ],
)
async def test_credentials_that_do_not_work_are_reported(hass, live_emulator, given, key):
    server = given.get("server", live_emulator.ready["growatt"])
    given = given | {"server": free_address() if server == "closed" else server}
    result = await submit(hass, await choose(hass, "account", "growatt"), given)
    assert (result["type"], result["errors"]) == ("form", {"base": key})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "faults", "key"),
    [
        ("growatt", {"block": ""}, "account_blocked"),
        ("goodwe", {"rate": 0}, "throttled"),
        ("goodwe", {"agreement": ""}, "terms_not_accepted"),
        ("goodwe", {"region": "refuse"}, "wrong_region"),
        ("goodwe", {"html": ""}, "unreadable"),
        ("goodwe", {"classic": "", "september": ""}, "request_refused"),
    ],
)
async def test_a_cloud_that_admits_nobody_is_reported(hass, fresh_emulator, vendor, faults, key):
    account = fresh_emulator.accounts[vendor]
    await hass.async_add_executor_job(lambda: fresh_emulator.faults(**faults))
    given = {"username": account["username"], "password": account["password"]}
    given |= {"server": fresh_emulator.ready["growatt" if vendor == "growatt" else "url"]}
    result = await submit(hass, await choose(hass, "account", vendor), given)
    assert (result["type"], result["errors"]) == ("form", {"base": key})


async def test_a_locked_account_is_reported_and_added_later(hass, live_emulator):
    account = live_emulator.accounts["growatt"]
    await hass.async_add_executor_job(lambda: live_emulator.faults(lock=""))
    given = {"username": account["username"], "password": account["password"], "server": live_emulator.ready["growatt"]}
    result = await submit(hass, await choose(hass, "account", "growatt"), given)
    await hass.async_add_executor_job(lambda: live_emulator.faults(lock=None))
    assert result["errors"] == {"base": "account_locked"}


async def test_an_account_is_added_once(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    account = live_emulator.accounts["growatt"]
    given = {"username": f" {account['username'].upper()}", "password": "any"}
    form = await choose(hass, "account", "growatt")
    result = await submit(hass, form, given | {"server": live_emulator.ready["growatt"]})
    assert (result["type"], result["reason"]) == ("abort", "already_configured")
    await remove(hass, entry)


async def test_an_account_is_added_once_also_by_its_token(hass, fresh_emulator):
    entry = await add_account(hass, fresh_emulator)
    form = await choose(hass, "account", "growatt")
    given = {"token": fresh_emulator.accounts["growatt"]["token"], "server": fresh_emulator.ready["growatt"]}
    result = await submit(hass, form, given)
    assert (result["type"], result["reason"]) == ("abort", "plants_known")
    assert result["description_placeholders"] == {"entry": entry.title}
    await remove(hass, entry)


@pytest.mark.parametrize("secret", ["password", "token"])
async def test_new_credentials_are_asked_for_when_the_cloud_refuses_the_stored_ones(hass, fresh_emulator, secret):
    account = fresh_emulator.accounts["growatt"]
    stored = (
        {"username": account["username"], "password": "changed since"} if secret == "password" else {"token": "old"}
    )
    data = {"door": "account", "vendor": "growatt", "server": fresh_emulator.ready["growatt"], "time_zone": "UTC"}
    entry = MockConfigEntry(domain=DOMAIN, data=data | stored, title="Growatt", unique_id="growatt-1")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    form = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert [str(key) for key in form["data_schema"].schema] == [secret]
    result = await submit(hass, form, {secret: "still wrong"})
    assert result["errors"] == {"base": "invalid_auth"}
    result = await submit(hass, result, {secret: account[secret]})
    assert (result["type"], result.get("reason")) == ("abort", "reauth_successful")
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.data.plants
    await remove(hass, entry)


async def test_options_of_an_account_are_checked(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    given = {"interval": 1, "writes": True, "writes_per_day": 5}
    result = await hass.config_entries.options.async_configure(form["flow_id"], given)
    assert result["errors"] == {"interval": "interval_too_short"}
    result = await hass.config_entries.options.async_configure(result["flow_id"], given | {"interval": 30})
    await hass.async_block_till_done()
    assert result["type"] == "create_entry"
    assert entry.options == given | {"interval": 30}
    assert entry.state is ConfigEntryState.LOADED
    await remove(hass, entry)
