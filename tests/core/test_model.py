"""The common model: every published metric is an attribute, and its name a literal type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from heliograph.metrics import METRICS, PV_POWER, MetricName
from heliograph.model import DeviceSnapshot, MetricAttribute, MetricValues, Plant, Sample, Snapshot

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)


def test_metric_name_lists_every_metric():
    assert get_args(MetricName) == tuple(METRICS)


def test_snapshot_has_an_attribute_for_every_metric():
    assert [name for name, row in vars(MetricValues).items() if isinstance(row, MetricAttribute)] == list(METRICS)
    plant = Plant(vendor="growatt", id="1")
    snapshot = Snapshot(plant=plant, status=None, measured_at=NOON, fetched_at=NOON, values={"pv_power": 840.0})
    assert (snapshot.pv_power, snapshot.grid_power) == (840.0, None)
    assert Snapshot.pv_power is DeviceSnapshot.pv_power is PV_POWER
    assert Sample(moment=NOON, values={"battery_soc": 57.0}).battery_soc == 57.0
    assert not hasattr(snapshot, "__dict__")


def test_snapshot_rejects_a_misspelt_metric():
    snapshot = Sample(moment=NOON, values={})
    with pytest.raises(AttributeError):
        _ = snapshot.pv_powr
