"""Gap fill of a fleet: after an outage, every point that the clouds can report is stored."""

import asyncio
import random
import signal
import time
from datetime import datetime

from heliograph.vendors import VENDORS
from support.fleet_run import FleetRun, FleetSize

SIZE = FleetSize(accounts=16, shards=4, interval=3.0)
OUTAGE = 2 * 3600.0
"""Seconds for which nothing was polled."""
STORED = """SELECT measured_at FROM heliograph.sample JOIN heliograph.series ON series.id = series
    WHERE plant = %s AND device = ''"""
FILLED = "SELECT count(*) FROM heliograph.asked WHERE span = 'curve'"


def test_points_of_an_outage_are_stored_although_a_worker_is_killed_while_it_fills_gaps():
    with FleetRun(SIZE, behind=OUTAGE) as run:
        for name in "ab":
            run.start_worker(name)
        run.wait_for_all_polled(150)
        run.wait_until(lambda: sampled(run) == SIZE.accounts, 60, "every plant has a first sample")
        for one in list(run.workers):
            run.end_worker(one, signal.SIGKILL)
        run.advance_clouds(OUTAGE)
        for name in "cd":
            run.start_worker(name, fill_gaps=True)
        run.wait_until(lambda: run.query(FILLED)[0][0] > 0, 150, "a gap is filled")
        run.end_worker(random.Random(run.seed).choice(run.workers), signal.SIGKILL)
        run.wait_until(lambda: run.query(FILLED) == [(SIZE.accounts,)], 150, "the gaps of all plants are filled")
        for one in list(run.workers):
            assert run.end_worker(one, signal.SIGTERM) == 0
        assert run.violations() == {}

        points = asyncio.run(reported_points(run))
        stored = {plant: {at for (at,) in run.query(STORED, (plant,))} for plant in points}
        missing = [(plant, at) for plant, times in points.items() for at in times if at not in stored[plant]]
        print(f"{sum(map(len, points.values()))} points of {len(points)} plants reported, {len(missing)} not stored")
        assert missing == []
        assert all(len(times) > OUTAGE / 300 for times in points.values())


def sampled(run):
    """Return how many plants have a sample."""
    rows = run.query(
        """SELECT count(DISTINCT plant) FROM heliograph.sample JOIN heliograph.series ON series.id = series
        WHERE device = ''"""
    )
    return rows[0][0]


async def reported_points(run):
    """Return the times of the points that the clouds report of each plant's day until its newest stored sample."""
    points = {}
    for one in run.accounts:
        client = VENDORS[one["vendor"]].async_client_class()(
            one["username"], one["password"], server=run.clouds_url, keeper=None
        )
        plant = next(found for found in await client.plants() if found.id == one["plants"][0])
        today = datetime.fromtimestamp(run.cloud_epoch() + time.monotonic(), plant.zone).date()
        curve = await client.day_curve(plant.id, f"{today}")
        ((newest,),) = run.query(f"SELECT max(measured_at) FROM ({STORED}) AS stored", (plant.id,))
        points[plant.id] = [
            int(sample.moment.timestamp())
            for sample in curve
            if sample.moment.timestamp() <= newest and any(value is not None for value in sample.values.values())
        ]
    return points
