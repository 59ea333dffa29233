"""Fuzzed responses of Growatt give a result or a `CloudError`, never another exception."""

from __future__ import annotations

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from heliograph import errors as e
from heliograph.core.endpoint import endpoints
from heliograph.vendors.growatt import GrowattCalls
from heliograph.vendors.growatt.composite import GrowattSnapshots
from heliograph.vendors.growatt.payloads import devices
from support.growatt_script import logged_in, settings
from support.protocol_script import NOON, Cut, Leftover, reply, script

WORDS = [
    row.key for shape in vars(devices).values() if isinstance(shape, type) for row in getattr(shape, "fields", list)()
]
WORDS += ["back", "obj", "data", "success", "result", "msg", "user", "timezone", "PlantList", "invList", "tlxSetBean"]
VALUES = [None, True, False, 0, 1, -1, 1e300, 10**400, float("nan"), "", "0", "1", "x\x1b", "12:05", "507", "getPlant"]
VALUES += ["3.333"]
VALUES += ["1" + " " * 2000 + "!", "1" * 10_000, "a@" * 5000]  # slow for regular expressions with backtracking
FAMILY = st.sampled_from(["tlx", "mix", "inverter", "storage", "spa"])
LEAF = st.sampled_from(VALUES)
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
        | st.fixed_dictionaries({"deviceSn": LEAF, "deviceType": FAMILY, "deviceStatus": LEAF})
        | st.fixed_dictionaries({"back": st.fixed_dictionaries({"success": LEAF, "user": inner, "data": inner})})
        | st.fixed_dictionaries({"result": LEAF, "obj": inner, "data": inner, "invList": st.lists(inner, max_size=2)})
    ),
    max_leaves=20,
)
READS = [row for row in endpoints(GrowattCalls) if not row.route.command]


@given(st.sampled_from(READS), ANY_JSON | st.binary(max_size=40), st.sampled_from([200, 200, 200, 301, 404, 500, 999]))
def test_call_with_any_response_returns_a_result_or_raises_a_cloud_error(row, body, status):
    names = list(row.signature.parameters.values())
    needed = [
        1 if parameter.annotation == "int" else "1"
        for parameter in names
        if parameter.default is parameter.empty and parameter.name != "timespan"
    ]
    given_one = ["1"] if names and not needed else needed  # some require one of two optional arguments
    call = row.flow(*given_one, **_span(names))
    response = reply(body, status)
    _outcome(logged_in(zone=UTC).execute(call, NOON), [response, response, response])


def _span(names):
    return (
        {"timespan": 1}
        if any(parameter.name == "timespan" and parameter.default is parameter.empty for parameter in names)
        else {}
    )


def _outcome(flow, replies):
    try:
        _, found = script(flow, replies)
    except e.CloudError as error:
        return str(error).encode()
    except (Cut, Leftover):
        return None
    return repr(found)


ANY_OBJECT = st.dictionaries(st.sampled_from(WORDS), LEAF | ANY_JSON, max_size=12)


@given(FAMILY, LEAF, st.booleans(), ANY_JSON | ANY_OBJECT, ANY_OBJECT)
def test_snapshot_with_any_response_returns_a_result_or_raises_a_cloud_error(family, status, lost, plant, bean):
    row = {"deviceSn": "SN1", "deviceType": family, "deviceStatus": status, "lost": lost}
    info = {"invList": [row], "todayEnergy": status}
    response = reply(bean | {"result": 1, "obj": bean, "data": bean, "storageDetailBean": bean})
    flow = logged_in().execute(GrowattSnapshots.snapshot.flow("1"), NOON)
    for enough in range(1, 6):
        found = _outcome(flow, [reply(info), reply(plant), *[response] * enough])
        if found is not None:
            break
        flow = logged_in().execute(GrowattSnapshots.snapshot.flow("1"), NOON)


def test_missing_status_is_none():
    info = {"invList": [{"deviceSn": "SN1", "deviceType": "tlx"}]}
    detail = {"data": {"lost": False, "time": "2026-06-21 12:00:00", "ppv": 5}}
    replies = [reply(info), settings(2), reply(detail)]
    _, snapshot = script(logged_in().execute(GrowattSnapshots.snapshot.flow("1"), NOON), replies)
    assert snapshot.status is None
    assert snapshot.values["pv_power"] == 5.0
