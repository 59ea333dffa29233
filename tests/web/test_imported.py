"""Three imported years of daily CSV beside measured days: page, JSON API and history show both, marked."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from heliograph.cli.main import run
from heliograph.history import read_history
from support.website import HOME, ZONE, home, served, written

FIRST, LAST = date(2023, 1, 1), date(2026, 6, 10)


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A plant with sixty measured days up to 21 June 2026, and an import that overlaps them."""
    folder = tmp_path_factory.mktemp("imported")
    where = written(folder / "samples.sqlite", home())
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    text = "Datum;Ertrag (Wh)\n" + "".join(f"{day:%d.%m.%Y};{10_000 + day.year % 100},0\n" for day in days)
    (folder / "years.csv").write_text(text)
    assert run(["import", str(folder / "years.csv"), "--store", str(where)]) == 0
    return where


@pytest.fixture(scope="module")
def site(where):
    with served(where) as site:
        yield site


def visible(site, path):
    return " ".join(re.sub(r"<[^>]+>", " ", site.ask(path).body.decode()).split())


@pytest.mark.parametrize(("year", "solar", "days"), [(2023, "3.66", 365), (2024, "3.67", 366), (2025, "3.66", 365)])
def test_year_view_shows_imported_years(site, year, solar, days):
    text = visible(site, f"/?span=year&at={year}-06-01")
    assert f"Solar {solar} MWh" in text.replace("\u202f", " ").replace("\xa0", " ")
    assert f"Imported days: {days}." in text


def test_year_view_sums_imported_days_beside_measured_ones(site, where):
    measured = sum(20.0 + past for past in range(60))
    imported = ((date(2026, 6, 21) - timedelta(days=59)) - date(2026, 1, 1)).days
    table = read_history(since="2026-01-01", until="2026-06-21", store=where, metrics=["pv_energy"])
    assert sum(table["pv_energy"]) == pytest.approx(measured + imported * 10.026)
    assert f"Imported days: {imported}." in visible(site, "/?span=year")
    assert "Imported days" not in visible(site, "/?span=week")


def test_api_marks_imported_days(site):
    days = site.ask(f"/api/v1/plants/growatt/{HOME.plant}/days?from=2026-04-22&to=2026-04-23").json
    assert days["zone"] == ZONE
    first, second = days["days"]
    assert (first["quality"], first["imported"], first["final"]) == ("imported", ["pv_energy"], True)
    assert (second["quality"], second["imported"], second["values"]["pv_energy"]) == ("live", [], 79.0)


def test_api_document_describes_imported_days(site):
    day = site.ask("/api/v1/openapi.json").json["components"]["schemas"]["Day"]["properties"]
    assert "imported" in day["quality"]["enum"]
    assert "imported" in day
