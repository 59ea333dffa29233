"""The pages of the fleet over HTTP: plants, answers, customers and tags, reports, accounts, audit."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta

import pytest

from support.fleet_page import MARK, PlantScene, as_person, fleet_site, send
from support.website import HOSTILE, NOON


@pytest.fixture
def site(two_tenants):
    with fleet_site(two_tenants.scene.url) as running:
        yield running


def page(site, path, person="operator@acme"):
    reply = site.ask(path, **as_person(person))
    assert reply.status == 200, reply.body
    return reply.body.decode()


def rows(text):
    return re.findall(r'<th scope="row"><a href="/plants/[^"]*">([^<]*)', text)


def own(fleet, place=0):
    return f"/plants/{fleet.ours}/{fleet.our_plants[place]}"


def test_first_page_lists_what_needs_a_person(site):
    text = page(site, "/")
    assert rows(text) == ["Barn", "Roof 10", "Cellar", "Attic"]
    assert "no data from the plant" in text
    assert "no yield in daylight" in text
    assert "4 of 4 plants" in text
    assert 'href="/?urgency=error"' in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=roof", ["Roof 10"]),
        ("?customer=Meier", ["Barn", "Roof 10"]),
        ("?tag=south", ["Roof 10"]),
        ("?sort=name", ["Attic", "Barn", "Cellar", "Roof 10"]),
        ("?sort=yield", ["Cellar", "Roof 10", "Barn", "Attic"]),
        ("?rule=offline", ["Roof 10"]),
        ("?urgency=warning", []),
        ("?tenant=999", []),
    ],
)
def test_filters_of_the_address(site, query, found):
    assert rows(page(site, f"/{query}")) == found


@pytest.mark.parametrize(
    "query",
    ["?sort=x", "?urgency=x", "?rule=x", "?account=x", "?tenant=-1", "?cursor=x", "?account=9999999999999999999"],
)
def test_unknown_values_of_the_address_are_refused(site, query):
    reply = site.ask(f"/{query}", **as_person("viewer@acme"))
    assert reply.status == 400
    assert site.ask(f"/api/v1/fleet/plants{query}", X_Forwarded_User="viewer@acme").status == 400


def test_acknowledged_alarm_no_longer_needs_a_person_until_it_is_raised_again(two_tenants, site):
    reply = send(site, f"{own(two_tenants)}/answer", {"rule": "offline"}, "operator@acme")
    assert (reply.status, reply.headers["Location"]) == (303, f"{own(two_tenants)}?done=answered")
    assert rows(page(site, "/?urgency=error")) == ["Barn"]
    assert "Acknowledged by operator@acme" in page(site, own(two_tenants))
    again = NOON + 60
    two_tenants.scene.run("UPDATE plant_alarm SET raised_at = %s WHERE rule = 'offline'", (again,))
    two_tenants.scene.rank(two_tenants.ours, two_tenants.our_plants, again)
    assert rows(page(site, "/?urgency=error")) == ["Barn", "Roof 10"]


def test_snoozed_alarm_returns_after_its_time(two_tenants, site):
    send(site, f"{own(two_tenants)}/answer", {"rule": "offline", "days": "7"}, "operator@acme")
    assert rows(page(site, "/?urgency=error")) == ["Barn"]
    two_tenants.scene.rank(two_tenants.ours, two_tenants.our_plants, NOON + 7 * 86400)
    assert rows(page(site, "/?urgency=error")) == ["Barn", "Roof 10"]


@pytest.mark.parametrize(
    "fields", [{"rule": "low_yield"}, {"rule": "' OR true --"}, {}, {"rule": "offline", "days": "0"}]
)
def test_answer_to_no_alarm_is_refused(two_tenants, site, fields):
    assert send(site, f"{own(two_tenants)}/answer", fields, "operator@acme").status in (400, 404)
    assert rows(page(site, "/?urgency=error")) == ["Barn", "Roof 10"]


def test_account_that_needs_a_person_is_answered_for_all_its_plants(two_tenants, site):
    for plant in two_tenants.our_plants[2:]:
        two_tenants.scene.run(
            "INSERT INTO plant_alarm VALUES (%s, %s, 'account', 0, 1, 'wrong password')", (two_tenants.ours, plant)
        )
    two_tenants.scene.rank(two_tenants.ours, two_tenants.our_plants)
    assert rows(page(site, "/?urgency=account")) == ["Cellar", "Attic"]
    send(site, f"{own(two_tenants, 2)}/answer", {"rule": "account"}, "operator@acme")
    assert rows(page(site, "/?urgency=account")) == []


def test_customer_and_tags_are_saved(two_tenants, site):
    fields = {"customer": "  Schulze & Söhne ", "tags": "north, roof, north"}
    send(site, f"{own(two_tenants)}/edit", fields, "operator@acme")
    assert rows(page(site, "/?customer=Schulze+%26+S%C3%B6hne")) == ["Roof 10"]
    assert rows(page(site, "/?tag=south")) == []
    assert rows(page(site, "/?tag=north")) == ["Roof 10"]
    assert "Schulze &amp; Söhne" in page(site, "/customers")


@pytest.mark.parametrize(
    "fields", [{"customer": "x" * 101}, {"customer": "a\nb"}, {"tags": " ".join(map(str, range(30)))}]
)
def test_invalid_customer_and_tags_change_nothing(two_tenants, site, fields):
    before = two_tenants.scene.run("SELECT customer FROM plant ORDER BY series")
    assert send(site, f"{own(two_tenants)}/edit", fields, "operator@acme").status == 400
    assert two_tenants.scene.run("SELECT customer FROM plant ORDER BY series") == before


@pytest.mark.parametrize("name", HOSTILE[:9])
def test_hostile_names_are_text(two_tenants, site, name):
    clean = name.replace("\0", "")
    two_tenants.scene.run(
        "UPDATE plant SET name = %s, customer = %s WHERE series = %s", (clean, clean, two_tenants.our_plants[0])
    )
    for path in ("/", own(two_tenants), "/customers", f"{own(two_tenants)}/report"):
        assert "<script>alert" not in page(site, path)
        assert "<img src=x" not in page(site, path)


def test_report_of_a_plant_adds_its_days_up(two_tenants, site):
    days = {date(2026, 6, 21) - timedelta(days=past): 30.0 + past % 7 for past in range(80)}
    may = sum(energy for day, energy in days.items() if day.month == 5)
    text = page(site, f"{own(two_tenants)}/report?month=2026-05")
    assert "Roof 10, May 2026" in text
    assert f"{may / 1000:.2f}\u202fMWh" in text
    table = list(csv.DictReader(io.StringIO(page(site, f"{own(two_tenants)}/report.csv?month=2026-05"))))
    assert len(table) == 31
    assert sum(float(row["pv_energy_kwh"]) for row in table) == pytest.approx(may)
    assert table[0]["day"] == "2026-05-01"
    assert table[0]["battery_charge_energy_kwh"] == ""
    assert "April 2026" in text
    assert "May 2025" in text


def test_report_without_a_month_is_of_the_last_complete_one(two_tenants, site):
    assert "Roof 10, May 2026" in page(site, f"{own(two_tenants)}/report")


@pytest.mark.parametrize(
    "month", ["2026-13", "2027-01", "1999-01", "x", "2026-5", "\u0662\u0660\u0662\u0666-\u0660\u0665"]
)
def test_month_without_data_is_refused(two_tenants, site, month):
    from urllib.parse import quote

    reply = site.ask(f"{own(two_tenants)}/report?month={quote(month)}", **as_person("viewer@acme"))
    assert reply.status == 400


def test_report_of_a_customer_has_one_row_per_plant(two_tenants, site):
    path = f"/customers/{two_tenants.ours}/report"
    text = page(site, f"{path}?name=Meier&month=2026-05")
    assert rows(text.replace("/report?month=2026-05", "")) == ["Barn", "Roof 10"]
    table = list(csv.DictReader(io.StringIO(page(site, f"{path}.csv?name=Meier&month=2026-05"))))
    assert [row["plant"] for row in table] == ["Barn", "Roof 10"]
    assert {row["days_known"] for row in table} == {"31"}
    assert site.ask(f"{path}?name=nobody", **as_person("viewer@acme")).status == 404
    assert site.ask(f"{path}?name=", **as_person("viewer@acme")).status == 404


def test_names_in_a_csv_file_are_no_formulas(two_tenants, site):
    two_tenants.scene.run("UPDATE plant SET name = '=1+1' WHERE series = %s", (two_tenants.our_plants[0],))
    text = page(site, f"/customers/{two_tenants.ours}/report.csv?name=Meier&month=2026-05")
    assert "\n'=1+1," in text


def test_gap_is_no_zero(two_tenants, site):
    series = two_tenants.our_plants[0]
    two_tenants.scene.run("UPDATE day SET pv_energy = NULL WHERE series = %s AND day = '2026-05-03'", (series,))
    table = list(csv.DictReader(io.StringIO(page(site, f"{own(two_tenants)}/report.csv?month=2026-05"))))
    assert table[2]["pv_energy_kwh"] == ""
    assert "30 of 31" in page(site, f"{own(two_tenants)}/report?month=2026-05")


def test_accounts_are_listed_by_state(two_tenants, site):
    number = two_tenants.scene.account(two_tenants.ours, "broken", "needs_person", "wrong password")
    text = page(site, "/accounts?state=needs_person")
    assert "wrong password" in text
    assert f"heliograph fleet account resume {number}" in text
    assert f"heliograph fleet account password {number}" in text
    assert "acme one" not in page(site, "/accounts?state=needs_person")
    assert "acme one" in page(site, "/accounts?q=ONE")


def test_accounts_and_customers_are_paged_by_key(two_tenants, site):
    for number in range(120):
        account = two_tenants.scene.account(two_tenants.ours, f"account {number:03}")
    two_tenants.scene.run("UPDATE plant SET account = %s", (account,))
    for kind, key in (("accounts", "name"), ("customers", "name")):
        path, seen = f"/api/v1/fleet/{kind}", []
        cursor = ""
        while True:
            found = site.ask(f"{path}?cursor={cursor}" if cursor else path, X_Forwarded_User="viewer@acme").json
            seen += [one[key] for one in found[kind]]
            if found["after"] is None:
                break
            cursor = found["after"]
        assert len(seen) == len(set(seen)) == (121 if kind == "accounts" else 2)
        assert seen == sorted(seen)


def test_looks_across_tenants_are_recorded_in_each(two_tenants, site):
    scene = two_tenants.scene
    for tenant in (two_tenants.ours, two_tenants.theirs):
        scene.run("INSERT INTO member VALUES (%s, 'support', 'viewer')", (tenant,))
    assert len(rows(page(site, "/", "support"))) == 5
    page(site, own(two_tenants), "support")
    page(site, f"/?tenant={two_tenants.theirs}", "support")
    looks = scene.run("SELECT tenant, detail FROM audit WHERE subject = 'support' AND action = 'look' ORDER BY id")
    plant = f"plant {two_tenants.our_plants[0]}"
    ours, theirs = two_tenants.ours, two_tenants.theirs
    assert looks == [(ours, "plants"), (theirs, "plants"), (ours, plant), (theirs, "plants")]
    assert "support" in page(site, "/audit", f"admin@{MARK}")
    page(site, "/", "viewer@acme")
    assert scene.run("SELECT 1 FROM audit WHERE subject = 'viewer@acme'") == []


def test_database_that_does_not_answer_is_reported_and_found_again(two_tenants, site):
    scene = two_tenants.scene
    assert site.ask("/healthz").status == 200
    scene.run("ALTER TABLE plant RENAME TO elsewhere")
    try:
        assert site.ask("/", **as_person("viewer@acme")).status == 503
    finally:
        scene.run("ALTER TABLE elsewhere RENAME TO plant")
    scene.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert site.ask("/", **as_person("viewer@acme")).status == 200


def test_api_describes_a_plant(two_tenants, site):
    found = site.ask(f"/api/v1/fleet{own(two_tenants)}", X_Forwarded_User="viewer@acme").json
    assert found["name"] == "Roof 10"
    assert found["urgency"] == "error"
    assert found["alarms"][0]["rule"] == "offline"
    assert found["pv_power"] == 4200
    month = site.ask(f"/api/v1/fleet{own(two_tenants)}/report", X_Forwarded_User="viewer@acme").json
    assert month["month"] == "2026-05"
    assert len(month["days"]) == month["sums"]["days_known"] == 31


@pytest.mark.parametrize("number", ["99999999999", "99999999999999999999999"])
def test_numbers_beyond_a_column_are_not_found(two_tenants, site, number):
    assert site.ask(f"/plants/{two_tenants.ours}/{number}", **as_person("viewer@acme")).status == 404
    assert site.ask(f"/plants/{number}/1", **as_person("viewer@acme")).status == 404
    assert site.ask(f"/customers/{number}/report?name=Meier", **as_person("viewer@acme")).status == 404


def test_empty_fleet_says_what_comes_next(scene):
    scene.tenant("acme")
    with fleet_site(scene.url) as site:
        assert "No plants yet" in page(site, "/")
        assert "No accounts match" in page(site, "/accounts")


def test_alarm_of_a_plant_shows_what_was_seen_and_what_to_do(two_tenants, site):
    text = page(site, own(two_tenants))
    assert "seen at Roof 10" in text
    assert "Check the power and the Wi-Fi" in text
    assert "Acknowledge" in text
    assert "Acknowledge" not in page(site, own(two_tenants), "viewer@acme")


def test_plant_without_size_has_no_yield(two_tenants, site):
    two_tenants.scene.plant(
        two_tenants.ours, two_tenants.our_account, PlantScene("x", peak_power=None, specific_yield=None)
    )
    assert rows(page(site, "/?sort=yield"))[-2:] == ["Attic", "x"]
