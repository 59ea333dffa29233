"""Money on the page, in the API and in downloads; the report of a year; and nothing of it without a tariff."""

import csv
import io
import json
from datetime import date
from urllib.request import Request, urlopen

import pytest

from heliograph.tariffs.money import PeriodMoney
from heliograph.tariffs.tariff import PriceSource, Tariff
from heliograph.web.page.download import file_name
from heliograph.web.page.history import parse_selection
from heliograph.web.page.money import money_section
from heliograph.web.page.report import _compared_months, _compared_years
from support.browser import site
from support.web_scenes import HOME, SCENES
from web.test_page import VisibleText, fetch_page, fetch_text

PLANT = f"/plant/goodwe/{HOME.plant}"
API = f"/api/v1/plants/goodwe/{HOME.plant}/money"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with site(tmp_path_factory.mktemp("money"), SCENES["money"]) as running:
        yield running


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    with site(tmp_path_factory.mktemp("free"), SCENES["full-sun"]) as running:
        yield running


def fetch(running, path):
    with urlopen(Request(running.url + path)) as response:
        return response.headers, response.read().decode()


def periods(running, query):
    return json.loads(fetch(running, f"{API}?{query}")[1])


def table(running, path):
    headers, text = fetch(running, path)
    assert headers["Content-Type"].startswith("text/csv")
    return headers["Content-Disposition"], list(csv.DictReader(io.StringIO(text)))


def test_page_shows_money_of_the_period(home):
    content = fetch_text(home, "/?span=month")
    # 9 days at 0.49 and 12 at 0.41 with VAT; nothing is imported.
    assert "Cost €10.26 Income €56.96 Savings €" in content
    assert "CO₂ avoided 379 kg" in content
    assert "Cost €0.49 Income €0.46" in fetch_text(home)


def test_api_sums_days_to_months_and_years(home):
    days = periods(home, "from=2026-05-18&to=2026-06-30")
    assert (days["currency"], days["by"], len(days["periods"])) == ("EUR", "day", 35)
    first = days["periods"][0]
    assert (first["period"], first["days"], first["cost"]) == ("2026-05-18", 1, 0.49)
    assert first["days_known"] == {"cost": 1, "income": 1, "savings": 1, "co2": 1}
    months = periods(home, "from=2026-05-18&to=2026-06-30&by=month")["periods"]
    assert [(one["period"], one["days"]) for one in months] == [("2026-05", 14), ("2026-06", 21)]
    (year,) = periods(home, "from=2026-01-01&by=year")["periods"]
    for name in ("cost", "income", "savings", "co2"):
        assert year[name] == pytest.approx(sum(one[name] or 0 for one in days["periods"]), abs=0.005)
        assert year[name] == pytest.approx(sum(one[name] for one in months), abs=0.001)


def test_metrics_have_the_money_of_today(home):
    lines = dict(
        line.rsplit(" ", 1) for line in fetch(home, "/metrics")[1].splitlines() if "_today{" in line or "grams" in line
    )
    labels = f'{{vendor="goodwe",plant="{HOME.plant}",name="Haus am See",currency="EUR"}}'
    (today,) = periods(home, "from=2026-06-21&to=2026-06-21")["periods"]
    for name in ("cost", "income", "savings"):
        assert float(lines[f"heliograph_{name}_today{labels}"]) == pytest.approx(today[name], abs=0.02)
    assert float(lines[f"heliograph_co2_today_grams{labels}"]) == pytest.approx(today["co2"] * 1000, abs=10)


def test_nothing_is_shown_without_a_tariff(free):
    assert "currency" not in fetch(free, "/metrics")[1]
    for path in ("/", "/?span=month", f"{PLANT}/report"):
        page = fetch_page(free, path)
        assert not any(word in page for word in ("Cost", "Savings", "€", "CO₂", 'class="money"'))
    assert periods(free, "from=2026-06-01")["periods"] == []
    assert periods(free, "from=2026-06-01")["currency"] is None
    _, rows = table(free, f"{PLANT}/data.csv?span=month&show=energy")
    assert "cost" not in rows[0]


def test_page_says_why_prices_are_missing(tmp_path):
    def scene(store):
        source = PriceSource(str(tmp_path / "none.csv"))
        tariff = Tariff(start=date(2026, 1, 1), currency="EUR", source=source)
        return SCENES["full-sun"](store)._replace(tariffs=(tariff,))

    with site(tmp_path, scene) as running:
        assert f"Prices are missing: the file of prices {tmp_path}/none.csv does not exist." in fetch_text(running)
        assert "Prices are missing" in fetch_text(running, f"{PLANT}/report")


def test_money_that_is_known_of_some_days_only_says_so():
    values = {"cost": None, "income": 3.0, "savings": 1.5, "co2": 4.0}
    one = PeriodMoney("EUR", values, {"cost": 0, "income": 30, "savings": 12, "co2": 30}, 30)
    content = str(VisibleText("".join(map(str, money_section(one, (), metered=True)[1]))))
    assert (
        content
        == "Known: cost of 0, savings of 12 of 30 days. Of the others, the energy, its price or its hour is unknown."
    )
    content = str(VisibleText("".join(map(str, money_section(one, (), metered=False)[1]))))
    assert content.startswith("Known: savings of 12 of 30 days.")


def test_report_compares_year_and_month_with_the_last_ones(home):
    content = fetch_text(home, f"{PLANT}/report")
    assert "Year 2026 so far 2025 to 21 Jun 2025 Solar 1.63 MWh" in content
    assert "Month June so far 1–21 May May Solar 996 kWh" in content
    assert "Solar per kWp 102 kWh" in content
    assert "Days with data 35 of 172 0 of 172 0 of 365" in content
    assert "Cost €10.26 €1.96 €6.86" in content
    assert "Best and worst days of 2026" in content
    assert content.index("Mon 15 June") < content.index("Sat 13 June")
    assert "No data for 2024 and 2023." in fetch_text(home, f"{PLANT}/report?year=2024")


@pytest.mark.parametrize("query", ["year=20266", "year=1999", "year=2027", "year=%D9%A2%D9%A0%D9%A2%D9%A6", "year="])
def test_report_of_an_impossible_year_is_not_found(home, query):
    fetch_page(home, f"{PLANT}/report?{query}", 404)
    fetch_page(home, "/plant/goodwe/none/report", 404)


def test_compared_periods_end_on_the_same_day_of_shorter_months_and_years():
    assert _compared_years(2028, date(2028, 2, 29))[1] == ("2027 to 28 Feb", date(2027, 1, 1), date(2027, 2, 28))
    assert _compared_months(date(2026, 3, 31)) == [
        ("March so far", date(2026, 3, 1), date(2026, 3, 31)),
        ("1–28 February", date(2026, 2, 1), date(2026, 2, 28)),
        ("February", date(2026, 2, 1), date(2026, 2, 28)),
    ]
    assert _compared_months(date(2026, 1, 5))[1] == ("1–5 December", date(2025, 12, 1), date(2025, 12, 5))


def test_csv_has_the_energies_and_money_of_the_bars(home):
    disposition, rows = table(home, f"{PLANT}/data.csv?span=month&at=2026-06-01&show=energy")
    assert disposition == f'attachment; filename="heliograph-{HOME.plant}-month-2026-06-01-energy.csv"'
    assert len(rows) == 21
    assert sum(float(row["pv_energy_kwh"]) for row in rows) == pytest.approx(996, abs=0.5)
    assert (rows[0]["day"], rows[0]["currency"], rows[0]["cost"]) == ("2026-06-01", "EUR", "0.49")
    _, months = table(home, f"{PLANT}/data.csv?span=year&show=energy")
    assert [(row["month"], row["days_known"]) for row in months] == [("2026-05", "14"), ("2026-06", "21")]


def test_csv_has_the_powers_of_the_curves_in_local_time(home):
    _, rows = table(home, f"{PLANT}/data.csv?span=day&at=2026-06-20")
    assert (len(rows), rows[0]["time"]) == (288, "2026-06-20T00:00:00+02:00")
    assert max(float(row["pv_power"]) for row in rows) > 5000
    _, rows = table(home, f"{PLANT}/data.csv?span=week&at=2026-06-20&show=power")
    assert rows[1]["time"] == "2026-06-15T00:05:00+02:00"


def test_file_name_is_safe_for_any_plant_id():
    view = parse_selection({"span": "day"}, date(2026, 6, 21))
    assert file_name('a/b"\r\n\ud800ü', view) == "heliograph-a_b_____-day-2026-06-21-power.csv"
    assert len(file_name("x" * 1000, view)) < 120
