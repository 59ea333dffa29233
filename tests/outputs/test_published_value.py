"""Tests of published values: every output rounds floating-point noise and preserves the order of values."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.collect.freshness import Freshness
from heliograph.current import DeviceState, PlantState
from heliograph.metrics import published_value
from heliograph.model import Quality, Status
from heliograph.outputs import influx, prometheus, webhook
from heliograph.outputs.mqtt import state
from heliograph.outputs.sink import SampleBatch
from heliograph.web import schemas
from support.http_service import NOON, ROOF, make_sample

UNROUNDED = 1239.8000000000002
NUMBERS = st.floats(-1e9, 1e9)


def plant(values):
    device = DeviceState(
        series=ROOF._replace(device="SN1"),
        name=None,
        family=None,
        status=None,
        measured_at=NOON,
        freshness=Freshness.LIVE,
        values=values,
    )
    return PlantState(
        series=ROOF,
        name="Roof",
        zone=UTC,
        status=Status.ONLINE,
        quality=Quality.LIVE,
        measured_at=NOON,
        fetched_at=NOON,
        freshness=Freshness.LIVE,
        sample_interval=300.0,
        values=values,
        devices=(device,),
    )


def via_mqtt(value):
    return state.plant_state(plant({"pv_energy_total": value}))["pv_energy_total"]


def via_mqtt_of_device(value):
    return state.device_state(plant({"pv_energy_total": value}).devices[0])["pv_energy_total"]


def via_influx(value):
    (line,) = influx.line_protocol(SampleBatch((make_sample(pv_energy_total=value, pv_power=0.0),), {}), "solar")
    return next((float(one[16:]) for one in line.split(" ")[1].split(",") if one.startswith("pv_energy_total")), None)


def via_webhook(value):
    return webhook._sample(make_sample(pv_energy_total=value), None)["values"]["pv_energy_total"]


def via_api(value):
    return schemas.plant_data(plant({"pv_energy_total": value}))["values"]["pv_energy_total"]


OUTPUTS = [via_mqtt, via_mqtt_of_device, via_influx, via_webhook, via_api]


@pytest.mark.parametrize("publish", OUTPUTS)
def test_published_value_is_rounded_in_every_output(publish):
    assert publish(UNROUNDED) == 1239.8
    assert publish(0.1 + 0.2) == 0.3
    assert publish(float("nan")) is publish(float("inf")) is None


def test_published_value_in_joules_is_rounded():
    assert "heliograph_pv_energy_joules_total{" in prometheus.exposition([plant({"pv_energy_total": UNROUNDED})], [])
    assert " 4463280000.0\n" in prometheus.exposition([plant({"pv_energy_total": UNROUNDED})], [])


@given(NUMBERS, NUMBERS)
def test_published_value_preserves_order(one, other):
    low, high = sorted((one, other))
    assert published_value(low) <= published_value(high)
    assert abs(published_value(low) - low) < 0.001
