"""What a poller reads from the store: the daylight of its plants."""

from datetime import UTC, datetime

import pytest

from heliograph.collect.pollstate import read_state
from heliograph.store.base import Batch, Series
from heliograph.store.sqlite import SqliteStore
from support.store_rows import SAMPLE

PLANTS = [Series("growatt", str(number)) for number in range(7)]
DAWN = int(datetime(2026, 6, 21, 5, tzinfo=UTC).timestamp())
HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(("days", "known"), [(1, False), (2, False), (3, True)])
def test_read_state_needs_three_finished_days_to_know_the_daylight(tmp_path, days, known):
    """In the first morning of seven plants, the last half-hour with sun is not dusk."""
    times = [DAWN - DAY * day + HOUR * hour for day in range(days + 1) for hour in range(4)]
    samples = [
        SAMPLE._replace(series=plant, measured_at=at, values={"pv_power": 900.0}) for plant in PLANTS for at in times
    ]
    with SqliteStore(tmp_path / "s.sqlite") as store:
        store.write(Batch(samples=samples))
        found = read_state(store, set(), dict.fromkeys(PLANTS, UTC), DAWN + 4 * HOUR)
    assert bool(found.sunny) is known
