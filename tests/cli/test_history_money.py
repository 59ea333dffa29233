"""The command `history --money`: a table and JSON at the tariffs of the configuration."""

import json
from datetime import date

import pytest

from heliograph.cli.main import run
from heliograph.model import Quality
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, Series, SeriesInfo

ROOF, BARN = Series("growatt", "11"), Series("goodwe", "b-1")
TARIFF = """
[[tariff]]
from = 2026-05-02
currency = "EUR"
import = 0.3
export = 0.1
standing = 0.5
co2 = 400
plants = ["11"]
"""
NIGHT = TARIFF + 'windows = [{from = "22:00", to = "06:00", import = 0.2}]\n'


@pytest.fixture
def history(tmp_path, capsys):
    """Run the command on two plants with three days and return its exit code, stdout and stderr."""
    with open_store(tmp_path / "s.sqlite") as store:
        energies = {"pv_energy": 10.0, "load_energy": 6.0, "grid_import_energy": 2.0, "grid_export_energy": 5.0}
        for series, name in ((ROOF, "Roof"), (BARN, "Barn")):
            days = [Day(series, date(2026, 5, n), energies, Quality.BACKFILLED, True, 1) for n in (1, 2, 3)]
            store.write(Batch(series_info=[SeriesInfo(series, name, None, "Europe/Berlin")], days=days))

    def run_and_capture(config, *words):
        (tmp_path / "config.toml").write_text(config)
        where = ("--config", str(tmp_path / "config.toml"), "--store", str(tmp_path / "s.sqlite"))
        code = run(["history", "--month", "2026-05", "--money", *words, *where])
        return code, *capsys.readouterr()

    return run_and_capture


def test_history_money_as_json(history):
    code, out, _ = history(TARIFF, "--json")
    rows = {(row["name"], row["period"]): row for row in json.loads(out)}
    assert code == 0
    assert rows["Roof", "2026-05-03"]["money"] == {
        "currency": "EUR",
        "cost": 1.1,
        "income": 0.5,
        "savings": 1.2,
        "co2": 4.0,
        "days_known": {"cost": 1, "income": 1, "savings": 1, "co2": 1},
    }
    assert rows["Roof", "2026-05-01"]["money"]["cost"] is None
    assert rows["Roof", "2026-05-04"]["money"] is None
    assert rows["Barn", "2026-05-03"]["money"] is None


def test_history_money_as_table(history):
    code, out, _ = history(TARIFF)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["2026-05-03", "1.10", "0.50", "1.20", "4.00"] in lines
    assert ["Total", "2.20", "1.00", "2.40", "8.00"] in lines
    assert "Barn: no tariff is configured for this plant in this time" in out


def test_history_money_of_days_without_samples_is_unknown_at_prices_that_change(history):
    _, out, _ = history(TARIFF + NIGHT.replace("05-02", "05-03"), "--plant", "11")
    lines = [line.split() for line in out.splitlines()]
    assert ["2026-05-03", "·", "0.50", "·", "4.00"] in lines
    _, out, _ = history(NIGHT, "--json")
    assert {row["money"]["cost"] for row in json.loads(out) if row["money"]} == {None}


def test_history_money_without_a_tariff_says_what_to_add(history):
    code, out, err = history("")
    assert (code, out) == (2, "")
    assert "no tariff is configured in" in err
    assert "add a [[tariff]] table" in err


def test_history_money_reports_missing_prices(history):
    config = '[[tariff]]\nfrom = 2026-01-01\ncurrency = "EUR"\nprices = "none.csv"\nexport = 0.1\n'
    code, out, err = history(config)
    assert code == 0
    assert "0.50" in out
    assert "none.csv does not exist" in err
