"""The list of other tools' values: complete, derived, and with a reason for each value that is missing here."""

import sys

from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from support.paths import DOCS

sys.path.insert(0, str(DOCS))
from coverage_tables import home_assistant_growatt
from goodwe_coverage import goodwe_clients


def test_home_assistant_growatt_sensors_have_a_metric_or_a_reason():
    found = list(home_assistant_growatt())
    assert len(found) == 187
    assert not [one for one in found if bool(one.metric) == bool(one.why)]
    elsewhere = {"measured_at", "Plant.peak_power"}
    assert not [one for one in found if one.metric and one.metric not in {*METRICS, *DEVICE_METRICS, *elsewhere}]
    assert sum(bool(one.metric) for one in found) >= 0.95 * len(found)


def test_values_of_goodwe_clients_are_here_or_have_a_reason_that_names_its_evidence():
    found = list(goodwe_clients())
    assert len({one.family for one in found}) == 3
    assert not [one for one in found if bool(one.metric) == bool(one.why)]
    elsewhere = {"measured_at", "Plant.peak_power", "Plant.name", "Plant.id", "Device.id"}
    named = {one.metric for one in found if one.metric and " " not in one.metric}
    assert named <= {*METRICS, *DEVICE_METRICS, *elsewhere}
    assert not [one for one in found if one.why and not ("`" in one.why or "capture" in one.why)]
