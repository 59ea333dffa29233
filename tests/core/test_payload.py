"""A payload is a view over an answer as sent: typed fields, gaps, units and signs."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, list_of, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable


class Panel(Payload):
    """One panel of the toy cloud."""

    name = text("n")
    power = number("p", "W")


class Answer(Payload):
    """One answer of the toy cloud."""

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
    """The same with one field said anew."""

    battery_power = number("bat", "kW", m.BATTERY_POWER)


def answer(**members):
    return Answer({"result": 1, "obj": members})


def test_fields_are_read_inside_the_member_they_live_in():
    said = answer(nm=" Roof ", on="true", v="239.4V", extra={"as": "sent"})
    assert (said.name, said.on, said.voltage, said.extra) == ("Roof", True, 239.4, {"as": "sent"})


def test_the_answer_is_kept_exactly_as_sent():
    sent = {"result": 1, "obj": {"ppv": "0.84", "unknown": [1]}}
    said = Answer(sent)
    assert said.raw is sent
    assert said.pv_power == 0.84  # the cloud's own unit: typed, not converted


def test_a_field_is_in_its_declared_unit_whatever_unit_the_text_brings():
    said = answer(ppv="840(W)", etot="2.56 MWh", v="0.8kWp")
    assert (said.pv_power, said.energy_total, said.voltage) == (0.84, 2560.0, None)


def test_every_declared_unit_is_one_that_can_be_read():
    from heliograph.vendors.goodwe.legacy import payloads as goodwe
    from heliograph.vendors.growatt.payloads import devices, plants

    for shape in [one for module in (devices, plants, goodwe) for one in vars(module).values()]:
        for row in shape.fields() if isinstance(shape, type) and issubclass(shape, Payload) else ():
            assert not row.unit or row.read(f"1{row.unit}") == 1.0, row.key
            assert row.metric is None or row.unit, row.key


def test_a_missing_field_is_a_gap_and_never_a_zero():
    said = answer(ppv="--", etot="", chg=None)
    assert [getattr(said, row.name) for row in Answer.fields() if row.metric] == [None] * 4
    assert set(said.readings().values()) == {None}


def test_a_missing_body_reads_as_gaps_and_anything_but_an_object_is_unreadable():
    assert Answer({"obj": None}).name is None
    for wrong in ({"obj": []}, {"obj": "x"}, [], "text", 5, True):
        with pytest.raises(Unreadable, match="Answer expects an object"):
            Answer(wrong)


def test_readings_are_in_our_units_and_signs():
    said = answer(ppv="0.84", chg="200", etot="2.56 MWh", v="230")
    assert said.readings() == {m.PV_POWER: 840.0, m.BATTERY_POWER: -200.0, m.PV_ENERGY_TOTAL: 2560.0}


def test_a_turned_sign_makes_no_minus_zero():
    assert math.copysign(1, answer(chg="0").readings()[m.BATTERY_POWER]) == 1


def test_of_two_fields_for_one_metric_the_one_that_says_something_counts():
    assert answer(ppv="1").readings()[m.PV_POWER] == 1000.0
    assert answer(ppvOld="7").readings()[m.PV_POWER] == 7.0
    assert answer(ppv="1", ppvOld="7").readings()[m.PV_POWER] == 7.0
    assert answer(ppv="1", ppvOld="--").readings()[m.PV_POWER] == 1000.0


def test_a_field_said_anew_replaces_the_inherited_one():
    assert [row.name for row in Longer.fields()].count("battery_power") == 1
    assert Longer({"obj": {"chg": "200"}}).readings()[m.BATTERY_POWER] is None
    assert Longer({"obj": {"bat": "0.3"}}).readings()[m.BATTERY_POWER] == 300.0


def test_parts_are_payloads_and_what_is_no_object_is_skipped():
    said = answer(panel={"n": "A", "p": "5"}, panels=[{"n": "B"}, None, "x", {"n": "C"}])
    assert (said.panel.name, said.panel.power) == ("A", 5.0)
    assert [one.name for one in said.panels] == ["B", "C"]


@pytest.mark.parametrize("wrong", [None, "x", 5, [], {}])
def test_a_missing_part_reads_as_an_empty_one(wrong):
    assert answer(panel=wrong).panel.name is None
    assert answer(panels=wrong).panels == ()


def test_an_answer_that_is_an_array_is_read_item_by_item():
    assert [one.name for one in list_of(Panel)([{"n": "A"}, None, {"n": "B"}])] == ["A", "B"]
    assert list_of(Panel)([]) == ()
    for wrong in ({"n": "A"}, "text", 5):
        with pytest.raises(Unreadable, match="array"):
            list_of(Panel)(wrong)


def test_a_payload_shows_its_fields_and_compares_by_what_was_sent():
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
