"""The rows of one poll: samples with plausible values and repaired counters, days, and rejected values. Pure."""

from __future__ import annotations

from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING

from heliograph.collect.counters.repair import repair_counters
from heliograph.collect.plausibility import check_sample
from heliograph.store.base import Batch
from heliograph.store.snapshot_rows import measurements_of, samples_of, series_info_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.collect.counters.repair import CounterStates
    from heliograph.collect.pollstate import Curves
    from heliograph.model import Snapshot
    from heliograph.store.base import Day, Repair, StoredMeasurements, StoredSample


def poll_batch(
    snapshots: Sequence[Snapshot],
    states: CounterStates,
    account: str | None = None,
    curves: Curves = MappingProxyType({}),
) -> Batch:
    """Return all rows of one poll; `states` is not modified, the batch contains the new counter states.

    `curves` has the energies since midnight of plants, by their power curves in kWh.
    """
    samples: list[StoredSample] = []
    days: list[Day] = []
    repairs: list[Repair] = []
    counters: CounterStates = {}
    measurements: list[StoredMeasurements] = []
    for snapshot in snapshots:
        zone = snapshot.plant.zone or UTC
        accepted = set()
        for sample in samples_of(snapshot):
            checked = check_sample(sample)
            repairs.extend(checked.repairs)
            if checked.sample is None:
                continue
            accepted.add(sample.series)
            result = repair_counters(
                states.get(sample.series, {}),
                checked.sample,
                zone,
                peak_power=snapshot.plant.peak_power,
                curve=curves.get(sample.series, {}),
            )
            samples.append(result.sample)
            days.extend(result.days)
            repairs.extend(result.repairs)
            counters[sample.series] = result.state
        measurements.extend(one for one in measurements_of(snapshot) if one.series in accepted)
    return Batch(
        samples=samples,
        measurements=measurements,
        days=days,
        repairs=repairs,
        counters=counters,
        series_info=[info for snapshot in snapshots for info in series_info_of(snapshot, account)],
    )
