"""The registry of accounts: what is read again."""

import asyncio

import pytest

from heliograph.errors import StoreError
from heliograph.fleet.database import Database
from heliograph.fleet.registry import AccountRegistry
from heliograph.fleet.secrets import SecretBox


def test_accounts_whose_rows_have_not_changed_are_not_parsed_again(fleet):
    roof, barn = fleet.add_account("roof"), fleet.add_account("barn")

    async def read():
        database = Database(fleet.url)
        registry = AccountRegistry(database, fleet.box)
        before = await registry.accounts_of(1)
        fleet.run("UPDATE account SET due_at = 7 WHERE id = %s", (roof,))
        fleet.run("UPDATE account SET customer = 'Ada' WHERE id = %s", (barn,))
        after = await registry.accounts_of(1, before)
        await database.close()
        return before, after

    before, after = asyncio.run(read())
    assert [one.id for one in after] == [roof, barn]
    assert after[0].account is before[0].account
    assert after[0].due_at == 7
    assert after[1].account is not before[1].account
    assert after[1].customer == "Ada"


def test_accounts_of_a_key_that_a_worker_lacks_keep_their_state(fleet):
    """As after a rotation, when the new key file was forgotten on one machine."""
    fleet.add_account("roof")

    async def read():
        database = Database(fleet.url)
        try:
            with pytest.raises(StoreError, match="sealed with key 1, which this worker's key file does not have"):
                await AccountRegistry(database, SecretBox({2: bytes(32)})).accounts_of(1)
        finally:
            await database.close()

    asyncio.run(read())
    assert fleet.run("SELECT state FROM account") == [("new",)]
