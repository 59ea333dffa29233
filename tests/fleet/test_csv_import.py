"""Import of accounts from CSV: all or nothing, one line for each problem, and the accounts that result."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet.csv_import import COLUMNS, import_accounts, read_csv
from heliograph.fleet.database import Database
from heliograph.fleet.registry import AccountRegistry, move_account, reseal
from heliograph.fleet.secrets import SecretBox
from support.fleet_database import KEY

HEAD = "name,vendor,username,password"
TWO = f"{HEAD}\nroof,growatt,ada@example.org,hunter2\nbarn,goodwe,bob@example.org,hunter3\n"


def with_database(fleet, work):
    async def run():
        database = Database(fleet.url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def load(fleet, text, tenant="acme", **options):
    return with_database(fleet, lambda database: import_accounts(database, fleet.box, text, tenant=tenant, **options))


def accounts(fleet, box=None):
    """Return all accounts as the registry yields them, by name."""

    async def read(database):
        registry = AccountRegistry(database, box or fleet.box)
        found = [account for shard in range(4) for account in await registry.accounts_of(shard)]
        return {one.account.name: one for one in found}

    return with_database(fleet, read)


def names(fleet):
    return sorted(name for (name,) in fleet.run("SELECT name FROM account"))


def test_imported_accounts_are_those_of_the_file(fleet):
    columns = (
        "customer;tags;name;vendor;username;password;server;timezone;plants;interval;requests_per_day;writes;egress"
    )
    row = "Mill Ltd;north urgent;roof;growatt;ada@example.org; p;eu;Europe/Amsterdam;1234|99;20;300;true;"
    assert load(fleet, f"\ufeff{columns}\r\n{row}\r\n\r\n") == (1, (), True)
    (found,) = accounts(fleet).values()
    account = found.account
    assert (account.name, account.vendor, account.username) == ("acme/roof", "growatt", "ada@example.org")
    assert account.password.reveal() == " p"
    assert (account.server, str(account.zone), account.plants) == ("eu", "Europe/Amsterdam", ("1234", "99"))
    assert (account.interval, account.requests_per_day, account.writes) == (timedelta(minutes=20), 300, True)
    assert (found.customer, found.tags, found.egress, found.state) == (
        "Mill Ltd",
        ("north", "urgent"),
        "default",
        "new",
    )
    assert found.shard == found.id % 4


def test_token_account_has_no_user_name(fleet):
    assert load(fleet, "name,vendor,token\nroof,growatt,abcdef123456\n").stored
    account = accounts(fleet)["acme/roof"].account
    assert not account.has_password
    assert account.token.reveal() == "abcdef123456"
    assert load(fleet, "name,vendor,token\nother,growatt,abcdef123456\n").problems == (
        "line 2: the account is in the fleet already as 'roof'",
    )


def test_database_contains_no_user_name_and_no_password(fleet):
    assert load(fleet, TWO).stored
    rows = str(fleet.run("SELECT account::text FROM account"))
    # Long texts: short ones may be in the hexadecimal digits of a sealed secret by chance.
    for secret in ("ada@example.org", "bob@example.org", "hunter2", "hunter3"):
        assert secret not in rows
        assert secret.encode().hex() not in rows


def test_dry_run_checks_everything_and_stores_nothing(fleet):
    assert load(fleet, TWO, dry_run=True) == (2, (), False)
    assert names(fleet) == []
    assert fleet.run("SELECT * FROM tenant") == []
    assert load(fleet, f"{TWO}x,other,y,z\n", dry_run=True).problems[0].startswith("line 4: vendor must be one of")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (f"{HEAD}\n", "the file has no accounts"),
        ("name,vendor,user,password\n", "unknown columns: 'user'; known are .* Did you mean username?"),
        ("vendor,username,password\n", "missing columns: name; the file has vendor, username, password"),
        ("name,vendor\nroof,growatt\n", "missing columns: username and password, or token"),
        (f"{HEAD},name\n", "columns given twice: name"),
        (f"{HEAD}\nroof,growatt,ada\n", "line 2: password is missing, and there is no token"),
        (f"{HEAD}\n,growatt,ada,hunter2\n", "line 2: name is missing from this account"),
        (f"{HEAD}\nroof,growat,ada,hunter2\n", "line 2: vendor must be one of growatt, goodwe"),
        (f"{HEAD}\nroof,growatt,ada,hunter2,more\n", "line 2: it has 5 cells, and there are 4 columns"),
        (f"{HEAD}\na/b,growatt,ada,hunter2\n", "line 2: name or customer must have"),
        (f'{HEAD}\n"roof,growatt,ada,hunter2\n', "line 2: this is not CSV"),
        (f"{HEAD},interval\nroof,growatt,ada,hunter2,1\n", "line 2: interval is below"),
        (f"{HEAD},interval\nroof,growatt,ada,hunter2,soon\n", "line 2: interval must be minutes"),
        (
            f"{HEAD},requests_per_day\nroof,growatt,ada,hunter2,many\n",
            "line 2: requests_per_day must be a whole number",
        ),
        (f"{HEAD},server\nroof,growatt,ada,hunter2,mars\n", "line 2: server cannot be used: 'mars' is not a Growatt"),
        (f"{HEAD},timezone\nroof,growatt,ada,hunter2,Mars\n", "line 2: timezone must be a time zone"),
        (f"{HEAD},egress\nroof,growatt,ada,hunter2,fra 1\n", "line 2: egress must have"),
        (f"{HEAD},egress\nroof,growatt,ada,hunter2,fra1\n", "line 2: there is no egress fra1; known are default;"),
        (f"{HEAD}\nroof,growatt,ada,hunter2\nroof,growatt,bob,x\n", "line 3: the name 'roof' is that of line 2"),
        (f"{HEAD}\nroof,growatt,ada,hunter2\nbarn,growatt,ADA ,x\n", "line 3: the account is that of line 2"),
        ("PK\x03\x04\0\0", "this is not a CSV file"),
    ],
)
def test_file_with_a_problem_is_rejected_whole_with_one_line(fleet, text, problem):
    report = load(fleet, text)
    (found,) = report.problems
    assert re.match(problem, found), found
    assert "\n" not in found
    assert "hunter2" not in found
    assert not report.stored
    assert names(fleet) == []


def test_all_problems_are_reported_in_the_order_of_the_lines(fleet):
    text = f"{HEAD}\nroof,growatt,ada,x\nbad,mars,bob,x\nroof,growatt,eve,x\n,growatt,joe,x\n"
    report = load(fleet, text)
    assert [problem.partition(":")[0] for problem in report.problems] == ["line 3", "line 4", "line 5"]
    assert report.accounts == 2


def test_accounts_that_are_in_the_fleet_already_are_rejected(fleet):
    assert load(fleet, TWO).stored
    again = load(fleet, f"{HEAD}\nshed,growatt,eve,x\nother,growatt,ADA@example.org,x\nbarn,goodwe,eve,x\n")
    assert again.problems == (
        "line 3: the account is in the fleet already as 'roof'",
        "line 4: the tenant has another account named 'barn'",
    )
    assert names(fleet) == ["barn", "roof"]
    other = load(fleet, f"{HEAD}\nmine,growatt,ada@example.org,x\n", tenant="zeus")
    assert other.problems == ("line 2: the account is in the fleet already",)
    assert load(fleet, f"{HEAD}\nroof,growatt,eve,x\n", tenant="zeus").stored


def test_same_user_name_at_another_server_is_another_account(fleet):
    text = (
        f"{HEAD},server\na,growatt,ada,x,\nb,growatt,ada,x,https://example.org\nc,growatt,ada,x,https://example.org/\n"
    )
    assert load(fleet, text).problems == ("line 4: the account is that of line 3",)


@pytest.mark.parametrize("tenant", ["", " ", "a/b", "a\nb", "x" * 201])
def test_invalid_tenant_is_rejected(fleet, tenant):
    with pytest.raises(ConfigError, match="a tenant's name"):
        load(fleet, TWO, tenant=tenant)


def test_large_import_spreads_the_accounts_over_the_shards(fleet):
    lines = "\n".join(f"a{number},growatt,user{number},pw{number}" for number in range(2500))
    assert load(fleet, f"{HEAD}\n{lines}\n") == (2500, (), True)
    assert {count for (count,) in fleet.run("SELECT count(*) FROM account GROUP BY shard")} == {625}
    found = accounts(fleet)
    assert {name: one.account.password.reveal() for name, one in found.items()} == {
        f"acme/a{number}": f"pw{number}" for number in range(2500)
    }


CELL = st.one_of(st.sampled_from([*COLUMNS, "1", "true", "growatt", ""]), st.text(max_size=8))


@settings(max_examples=50)
@given(st.lists(st.lists(CELL, max_size=6), max_size=4), st.sampled_from(",;\t"))
def test_any_table_is_read_or_rejected_with_one_line_each(rows, separator):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    found, problems = read_csv(text.getvalue())
    assert found or problems
    assert all(problem and "\n" not in problem for problem in problems)


@given(st.text())
def test_any_text_is_read_or_rejected(text):
    found, problems = read_csv(text)
    assert not found
    assert problems


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(COLUMNS[4:]), st.text(max_size=15)))
def test_any_value_is_read_or_rejected_with_its_line(values):
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS[:4], *values])
    writer.writeheader()
    writer.writerow({"name": "a", "vendor": "growatt", "username": "ada", "password": "hunter2", **values})
    found, problems = read_csv(text.getvalue())
    assert len(found) + len(problems) == 1
    assert all("hunter2" not in problem for problem in problems)


def test_secrets_are_sealed_again_with_a_new_key(fleet):
    assert load(fleet, TWO).stored
    both, new = SecretBox({1: KEY, 2: bytes(32)}), SecretBox({2: bytes(32)})
    assert with_database(fleet, lambda database: reseal(database, both, page=1)) == (2, ())
    assert fleet.run("SELECT DISTINCT key_number FROM account") == [(2,)]
    assert accounts(fleet, new)["acme/barn"].account.password.reveal() == "hunter3"
    assert with_database(fleet, lambda database: reseal(database, new)) == (0, ())
    with pytest.raises(StoreError, match="the key does not open this fleet's secrets"):
        load(fleet, TWO)


def test_account_that_cannot_be_used_needs_a_person_and_stops_no_other(fleet, caplog):
    assert load(fleet, TWO).stored
    fleet.run("UPDATE account SET options = '{\"future\": 1}' WHERE name = 'roof'")
    assert list(accounts(fleet)) == ["acme/barn"]
    assert fleet.run("SELECT name, state, reason FROM account WHERE state <> 'new'") == [
        ("roof", "needs_person", fleet.run("SELECT reason FROM account WHERE name = 'roof'")[0][0])
    ]
    assert "future is an unknown key" in caplog.text


def test_moved_account_is_in_its_new_shard(fleet):
    assert load(fleet, TWO).stored
    before = accounts(fleet)["acme/roof"]
    shard = (before.shard + 1) % 4
    with_database(fleet, lambda database: move_account(database, before.id, shard))
    assert accounts(fleet)["acme/roof"].shard == shard


def test_rotation_seals_all_others_if_a_secret_does_not_open(fleet):
    assert load(fleet, TWO).stored
    fleet.run("UPDATE account SET password = username WHERE name = 'roof'")
    report = with_database(fleet, lambda database: reseal(database, SecretBox({1: KEY, 2: bytes(32)}), page=1))
    assert report.sealed == 1
    (problem,) = report.unopened
    assert "a secret of the password of account" in problem
    assert fleet.run("SELECT name, key_number FROM account ORDER BY 1") == [("barn", 2), ("roof", 1)]
    assert fleet.run("SELECT number FROM secret_key ORDER BY 1") == [(1,), (2,)]
