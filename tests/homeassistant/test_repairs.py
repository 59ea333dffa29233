"""Repairs: what an account needs from its user is reported with its remedy, and removed when it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from custom_components.heliograph.model import AccountNow
from entries import add_account, add_api, end_of_issue, issue_of, issues, remove, state_of
from homeassistant.config_entries import ConfigEntryState


async def fault(hass, emulator, **faults):
    await hass.async_add_executor_job(lambda: emulator.faults(**faults))


@pytest.mark.parametrize(
    ("vendor", "faults", "key"),
    [
        ("growatt", {"expire": "", "lock": 1}, "account_locked"),
        pytest.param("growatt", {"block": ""}, "account_blocked", marks=pytest.mark.slow),
        pytest.param("goodwe", {"expire": "", "agreement": ""}, "terms_not_accepted", marks=pytest.mark.slow),
        pytest.param("goodwe", {"expire": "", "region": "refuse"}, "wrong_region", marks=pytest.mark.slow),
        # An account that has moved to another service of the vendor: each answer is a success without data.
        pytest.param("goodwe", {"classic": "", "september": ""}, "request_refused", marks=pytest.mark.slow),
    ],
)
async def test_a_problem_of_an_account_is_a_repair(hass, fresh_emulator, shifted_clock, vendor, faults, key):
    entry = await add_account(hass, fresh_emulator, vendor)
    assert issues(hass) == {}
    await fault(hass, fresh_emulator, **faults)
    shifted_clock.shift += 7200
    issue = await issue_of(hass, key)
    assert None not in issue.translation_placeholders.values()
    assert not issue.is_fixable
    assert entry.state is ConfigEntryState.LOADED
    names = [one.entity_id for one in hass.states.async_all("binary_sensor") if "account" in one.entity_id]
    failing, locked = (next(name for name in names if name.endswith(end)) for end in ("problem", "locked"))
    assert await state_of(hass, failing, wanted="on")
    if key in ("account_locked", "account_blocked"):
        assert await state_of(hass, locked, wanted="on")
        assert hass.states.get(locked).attributes["pause"] == key.removeprefix("account_")
        assert hass.states.get(locked).attributes["until"]
    await remove(hass, entry)


async def test_values_that_a_token_may_not_read_are_a_repair_with_the_remedy(hass, fresh_emulator):
    await fault(hass, fresh_emulator, no_permission="")
    entry = await add_account(hass, fresh_emulator, token=fresh_emulator.accounts["growatt"]["token"])
    await entry.runtime_data.async_refresh()
    issue = await issue_of(hass, "missing_values")
    assert "user name and password" in issue.translation_placeholders["reason"]
    await remove(hass, entry)


@pytest.mark.slow
async def test_answers_that_cannot_be_read_are_a_repair_until_they_can(hass, fresh_emulator, shifted_clock):
    entry = await add_account(hass, fresh_emulator, "goodwe")
    await fault(hass, fresh_emulator, html="")
    shifted_clock.shift += 7200
    await issue_of(hass, "unreadable")
    await fault(hass, fresh_emulator, html=None)
    shifted_clock.shift += 7200
    await end_of_issue(hass, "unreadable")
    assert entry.runtime_data.last_update_success
    await remove(hass, entry)


async def test_a_login_that_only_the_user_can_complete_is_a_repair(hass, home_server):
    """The emulator refuses no login in this way: the account's state is given."""
    entry = await add_api(hass, home_server.url)
    system = entry.runtime_data.data
    account = AccountNow(
        name="me",
        vendor="goodwe",
        problem="code 100004",
        problem_kind="login_failed",
        requests_used=1,
        requests_limit=100,
        pause=None,
        pause_until=None,
        missing_values={},
    )
    entry.runtime_data._on_change(replace(system, accounts=(account,)))
    issue = issues(hass)["login_failed"]
    assert issue.translation_placeholders == {"account": "me", "problem": "code 100004"}
    await remove(hass, entry)
