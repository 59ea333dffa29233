"""The list of other tools' values: complete, derived, and with a reason for each value that is missing here."""

import sys

from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from support.paths import DOCS

sys.path.insert(0, str(DOCS))
from coverage_tables import home_assistant_growatt


def test_home_assistant_growatt_sensors_have_a_metric_or_a_reason():
    found = list(home_assistant_growatt())
    assert len(found) == 187
    assert not [one for one in found if bool(one.metric) == bool(one.why)]
    elsewhere = {"measured_at", "Plant.peak_power"}
    assert not [one for one in found if one.metric and one.metric not in {*METRICS, *DEVICE_METRICS, *elsewhere}]
    assert sum(bool(one.metric) for one in found) >= 0.95 * len(found)
