"""The money of today in the MQTT state of a plant, and none without a tariff."""

import json
from datetime import date

import pytest

from heliograph.config import MqttConfig
from heliograph.outputs.mqtt.state import DesiredState
from heliograph.store import open_store
from heliograph.store.base import Batch, SeriesInfo
from heliograph.tariffs.reader import MoneyReader
from heliograph.tariffs.tariff import Tariff
from support.http_service import NOON, ROOF, make_sample

STATE = "heliograph/growatt/11/state"
MIDNIGHT = NOON - 12 * 3600
KEYS = {"cost_today", "income_today", "savings_today", "co2_today", "currency", "money_since"}
TARIFF = Tariff(start=date(2026, 1, 1), currency="EUR", import_price=0.3, export_price=0.1, standing=0.5, co2=400.0)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "s.sqlite") as opened:
        opened.write(Batch(series_info=[SeriesInfo(ROOF, "Roof", None, "Europe/Berlin")]))
        yield opened


def sample(moment, **values):
    return make_sample(moment, **{f"{name}_energy_today": value for name, value in values.items()})


def state(desired, store, now):
    return json.loads(desired.messages(store, now)[STATE])


def money(tariffs):
    return DesiredState(MqttConfig(host="127.0.0.1", port=1), tuple, MoneyReader(tariffs))


def test_state_has_the_money_of_today_and_follows_new_samples(store):
    desired = money([TARIFF])
    store.write(Batch(samples=[sample(NOON, pv=10.0, load=6.0, grid_import=2.0, grid_export=5.0)]))
    first = state(desired, store, NOON + 60)
    assert {key: first[key] for key in KEYS} == {
        "cost_today": 1.1,
        "income_today": 0.5,
        "savings_today": 1.2,
        "co2_today": 4.0,
        "currency": "EUR",
        "money_since": "2026-06-20T22:00:00+00:00",
    }
    store.write(Batch(samples=[sample(NOON + 300, pv=10.0, load=7.0, grid_import=3.0, grid_export=5.0)]))
    assert state(desired, store, NOON + 360)["cost_today"] == 1.4
    assert "homeassistant/sensor/heliograph_growatt_11/cost_today/config" in desired.messages(store, NOON + 360)


def test_money_is_unknown_after_midnight_until_the_first_sample(store):
    desired = money([TARIFF])
    store.write(Batch(samples=[sample(MIDNIGHT - 300, pv=10.0, load=6.0, grid_import=2.0, grid_export=5.0)]))
    after = state(desired, store, MIDNIGHT + 60)
    assert (after["cost_today"], after["income_today"]) == (None, None)
    assert after["money_since"] == "2026-06-20T22:00:00+00:00"


def test_state_of_a_plant_without_a_tariff_has_no_money(store):
    store.write(Batch(samples=[sample(NOON, pv=10.0)]))
    for tariffs in ([], [Tariff(start=date(2026, 1, 1), currency="EUR", import_price=0.3, plants=("12",))]):
        assert not KEYS & set(state(money(tariffs), store, NOON + 60))
