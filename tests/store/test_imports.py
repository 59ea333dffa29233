"""Imported energies: shown where none was measured, never changing measured days, and undone as a whole."""

from datetime import date, timedelta

import pytest

from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES
from heliograph.model import Quality
from heliograph.store.base import Batch, Day, ImportBatch, ImportedEnergy, Series, SeriesInfo
from support.store_rows import ROOF, gaps

OTHER = Series("goodwe", "11")
FIRST = date(2026, 6, 1)
BATCH = ImportBatch(ROOF, "20260701-080000", 1_782_900_000, "years.csv")


def day(number):
    return FIRST + timedelta(days=number)


def energies(*kwh, energy="pv_energy", batch=BATCH, start=0):
    return [ImportedEnergy(batch.series, day(n), energy, one, batch.id) for n, one in enumerate(kwh, start)]


def known(store, series=ROOF, names=None):
    return store.known_days(series, FIRST, day(30), names)


@pytest.fixture
def measured(store):
    """A store with one measured day, whose import from the grid is unknown."""
    store.write(
        Batch(
            series_info=[SeriesInfo(ROOF, "Roof", None, "Europe/Berlin")],
            days=[Day(ROOF, day(1), {"pv_energy": 12.5, "load_energy": 0.0}, Quality.LIVE, final=False, written_at=1)],
        )
    )
    return store


def test_known_days_fill_gaps_with_imported_energies_only(measured):
    before = measured.days(ROOF, FIRST, day(30))
    measured.add_import(BATCH, [*energies(1.0, 2.0, 3.0), *energies(9.0, energy="grid_import_energy", start=1)])
    first, second, third = known(measured)
    assert (first.values["pv_energy"], first.quality, first.final) == (1.0, Quality.IMPORTED, True)
    assert first.imported == {"pv_energy"}
    assert (second.quality, second.final, second.imported) == (Quality.LIVE, False, {"grid_import_energy"})
    assert second.values == gaps(ENERGIES) | {"pv_energy": 12.5, "load_energy": 0.0, "grid_import_energy": 9.0}
    assert third.day == day(2)
    assert measured.days(ROOF, FIRST, day(30)) == before


def test_known_days_have_the_selected_energies(measured):
    measured.add_import(BATCH, energies(1.0, 2.0))
    assert [one.values for one in known(measured, names=["pv_energy"])] == [{"pv_energy": 1.0}, {"pv_energy": 12.5}]
    assert [one.day for one in known(measured, names=["load_energy"])] == [day(1)]


def test_days_measured_after_an_import_are_shown_instead(measured):
    measured.add_import(BATCH, energies(1.0))
    measured.write(Batch(days=[Day(ROOF, FIRST, {"pv_energy": 0.0}, Quality.BACKFILLED, final=True, written_at=0)]))
    assert (known(measured)[0].values["pv_energy"], known(measured)[0].imported) == (0.0, frozenset())


def test_undo_deletes_the_values_of_one_import(measured):
    other = BATCH._replace(id="20260702-080000", source="grid.csv")
    measured.add_import(BATCH, energies(1.0, 2.0, 3.0))
    measured.add_import(other, energies(7.0, energy="grid_import_energy", batch=other))
    assert measured.undo_import(BATCH.id, 5) == 3
    assert [(one.day, one.imported) for one in known(measured)] == [
        (FIRST, {"grid_import_energy"}),
        (day(1), frozenset()),
    ]
    undone, kept = measured.imports()
    assert (undone.batch, undone.values, undone.first) == (BATCH._replace(undone_at=5), 0, None)
    assert (kept.batch, kept.values, kept.first, kept.last) == (other, 1, FIRST, FIRST)


@pytest.mark.parametrize("import_id", ["20260701-080000", "nothing"])
def test_undo_rejects_an_undone_or_unknown_import(measured, import_id):
    measured.add_import(BATCH, energies(1.0))
    measured.undo_import(BATCH.id, 5)
    with pytest.raises(StoreError, match=r"already undone|no import 'nothing'"):
        measured.undo_import(import_id, 6)


def test_import_of_imported_days_stores_nothing(measured):
    measured.add_import(BATCH, energies(1.0, 2.0))
    other = BATCH._replace(id="20260702-080000")
    with pytest.raises(StoreError, match=rf"1 of these .* pv_energy of {day(1)}, by import {BATCH.id}"):
        measured.add_import(other, energies(5.0, 6.0, batch=other, start=1))
    assert [one.batch for one in measured.imports()] == [BATCH]
    assert [one.kwh for one in measured.imported(ROOF)] == [1.0, 2.0]


def test_import_after_undo_and_of_another_plant(measured):
    measured.add_import(BATCH, energies(1.0))
    measured.undo_import(BATCH.id, 5)
    again, other = BATCH._replace(id="20260703-080000"), BATCH._replace(series=OTHER, id="20260704-080000")
    measured.add_import(again, energies(2.0, batch=again))
    measured.add_import(other, energies(3.0, batch=other))
    assert known(measured)[0].values["pv_energy"] == 2.0
    assert known(measured, OTHER)[0].values["pv_energy"] == 3.0


def test_energies_of_an_undone_import_that_a_repair_brings_back_are_hidden(measured):
    measured.add_import(BATCH, energies(1.0))
    measured.undo_import(BATCH.id, 5)
    measured.write(Batch(imported=energies(1.0)))
    assert list(measured.imported(ROOF)) == []
