"""Payload classes: typed fields, missing values, units and signs."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, list_of, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable


class Panel(Payload):
    """One panel of the toy vendor."""

    name = text("n")
    power = number("p", "W")


class Answer(Payload):
    """One answer of the toy vendor."""

    within = "obj"
    name = text("nm")
    on = flag("on")
    pv_power = number("ppv", "kW", m.PV_POWER)
    pv_power_old = number("ppvOld", "W", m.PV_POWER)
    battery_power = number("chg", "W", m.BATTERY_POWER, sign=-1)
    energy_total = number("etot", "kWh", m.PV_ENERGY_TOTAL)
    voltage = number("v", "V")
    panel = nested("panel", Panel)
    panels = nested_list("panels", Panel)
    extra = raw("extra")


class Longer(Answer):
    """The same with one redeclared field."""

    battery_power = number("bat", "kW", m.BATTERY_POWER)


def answer(**members):
    return Answer({"result": 1, "obj": members})


def test_fields_are_read_from_the_wrapping_member():
    parsed = answer(nm=" Roof ", on="true", v="239.4V", extra={"as": "sent"})
    assert (parsed.name, parsed.on, parsed.voltage, parsed.extra) == ("Roof", True, 239.4, {"as": "sent"})


def test_raw_is_the_answer_exactly_as_sent():
    sent = {"result": 1, "obj": {"ppv": "0.84", "unknown": [1]}}
    parsed = Answer(sent)
    assert parsed.raw is sent
    assert parsed.pv_power == 0.84  # in the vendor's unit, not converted


def test_field_is_in_its_declared_unit_even_if_the_text_has_another():
    parsed = answer(ppv="840(W)", etot="2.56 MWh", v="0.8kWp")
    assert (parsed.pv_power, parsed.energy_total, parsed.voltage) == (0.84, 2560.0, None)


def test_every_declared_unit_can_be_parsed():
    from heliograph.vendors.goodwe.legacy import payloads as goodwe
    from heliograph.vendors.growatt.payloads import devices, plants

    for shape in [one for module in (devices, plants, goodwe) for one in vars(module).values()]:
        for row in shape.fields() if isinstance(shape, type) and issubclass(shape, Payload) else ():
            assert not row.unit or row.read(f"1{row.unit}") == 1.0, row.key
            assert row.metric is None or row.unit, row.key


def test_missing_field_is_none_and_never_zero():
    parsed = answer(ppv="--", etot="", chg=None)
    assert [getattr(parsed, row.name) for row in Answer.fields() if row.metric] == [None] * 4
    assert set(parsed.readings().values()) == {None}


def test_missing_body_has_no_values_and_anything_but_an_object_is_unreadable():
    assert Answer({"obj": None}).name is None
    for wrong in ({"obj": []}, {"obj": "x"}, [], "text", 5, True):
        with pytest.raises(Unreadable, match="Answer expects an object"):
            Answer(wrong)


def test_readings_are_in_published_units_and_signs():
    parsed = answer(ppv="0.84", chg="200", etot="2.56 MWh", v="230")
    assert parsed.readings() == {m.PV_POWER: 840.0, m.BATTERY_POWER: -200.0, m.PV_ENERGY_TOTAL: 2560.0}


def test_readings_contain_no_minus_zero():
    assert math.copysign(1, answer(chg="0").readings()[m.BATTERY_POWER]) == 1


def test_readings_use_the_field_with_a_value_if_two_feed_one_metric():
    assert answer(ppv="1").readings()[m.PV_POWER] == 1000.0
    assert answer(ppvOld="7").readings()[m.PV_POWER] == 7.0
    assert answer(ppv="1", ppvOld="7").readings()[m.PV_POWER] == 7.0
    assert answer(ppv="1", ppvOld="--").readings()[m.PV_POWER] == 1000.0


def test_redeclared_field_replaces_the_inherited_one():
    assert [row.name for row in Longer.fields()].count("battery_power") == 1
    assert Longer({"obj": {"chg": "200"}}).readings()[m.BATTERY_POWER] is None
    assert Longer({"obj": {"bat": "0.3"}}).readings()[m.BATTERY_POWER] == 300.0


def test_nested_list_skips_items_that_are_no_objects():
    parsed = answer(panel={"n": "A", "p": "5"}, panels=[{"n": "B"}, None, "x", {"n": "C"}])
    assert (parsed.panel.name, parsed.panel.power) == ("A", 5.0)
    assert [one.name for one in parsed.panels] == ["B", "C"]


@pytest.mark.parametrize("wrong", [None, "x", 5, [], {}])
def test_missing_nested_payload_is_an_empty_one(wrong):
    assert answer(panel=wrong).panel.name is None
    assert answer(panels=wrong).panels == ()


def test_list_of_parses_an_array_item_by_item():
    assert [one.name for one in list_of(Panel)([{"n": "A"}, None, {"n": "B"}])] == ["A", "B"]
    assert list_of(Panel)([]) == ()
    for wrong in ({"n": "A"}, "text", 5):
        with pytest.raises(Unreadable, match="array"):
            list_of(Panel)(wrong)


def test_payload_repr_shows_fields_and_equality_compares_raw():
    assert repr(Panel({"n": "A"})) == "Panel(name='A', power=None)"
    assert Panel({"n": "A"}) == Panel({"n": "A"}) != Panel({"n": "B"})
    assert Panel({}) != Answer({})


def test_payload_has_no_dict_and_rejects_misspelt_and_declared_attributes():
    panel = Panel({"n": "P1"})
    assert not hasattr(panel, "__dict__")
    for name in ("nam", "name"):
        with pytest.raises(AttributeError):
            setattr(panel, name, "P2")
    assert pickle.loads(pickle.dumps(panel)) == copy.deepcopy(panel) == panel
