"""The registry of accounts: what is read again."""

import asyncio

from heliograph.fleet.database import Database
from heliograph.fleet.registry import AccountRegistry


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
