"""Fuzzed responses of the web portal give a result or a `CloudError`, never another exception."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import errors as e
from heliograph.core.endpoint import endpoints
from heliograph.core.http import MAX_PAGES
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Session
from heliograph.vendors.growatt.portal import GrowattPortalData, PortalCalls, payloads
from heliograph.vendors.growatt.portal.auth import GrowattPortalProtocol
from heliograph.vendors.growatt.portal.session import PortalAccountProtocol, PortalSession
from support.protocol_script import NOON, Cut, Leftover, reply, script

WORDS = [
    row.key for shape in vars(payloads).values() if isinstance(shape, type) for row in getattr(shape, "fields", list)()
]
WORDS += ["result", "obj", "msg", "datas", "lockDuration"]
VALUES = [None, True, False, 0, 1, -1, 1e300, 10**400, float("nan"), "", "0", "1", "x\x1b", "12:05", "locked"]
VALUES += ["2026-06-21 12:05:00", "1" * 10_000, "a@" * 5000]
LEAF = st.sampled_from(VALUES)
FAMILY = st.sampled_from(["tlx", "tlxh", "mix", "inv", "storage", "spa", "noah"])
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
        | st.fixed_dictionaries({"result": LEAF, "obj": inner})
        | st.fixed_dictionaries({"id": LEAF, "timezone": LEAF})
    ),
    max_leaves=20,
)
ANY_OBJECT = st.dictionaries(st.sampled_from(WORDS), LEAF | ANY_JSON, max_size=12)


def protocol(credentials=None):
    found = PortalAccountProtocol(GrowattPortalProtocol(), Session("https://openapi.growatt.com/"), credentials)
    found.session = PortalSession("https://openapi.growatt.com/", "https://server.growatt.com/")
    found.session.zone = UTC
    return found


def outcome(flow, replies):
    try:
        _, found = script(flow, replies)
    except e.CloudError as error:
        return str(error).encode()
    except (Cut, Leftover):
        return None
    return repr(found)


@given(
    st.sampled_from(list(endpoints(PortalCalls))),
    ANY_JSON | st.binary(max_size=40),
    st.sampled_from([200, 200, 200, 302, 404, 500, 999]),
)
def test_portal_call_with_any_response_returns_a_result_or_raises_a_cloud_error(row, body, status):
    fixed = {"family": "spa", "start": "2026-06-20", "end": "2026-06-21"}
    names = row.signature.parameters.values()
    needed = [fixed.get(one.name, "1") for one in names if one.default is one.empty]
    response = reply(body, status)
    outcome(protocol().execute(row.flow(*needed), NOON), [response, response, response])


@given(FAMILY, LEAF, ANY_JSON, ANY_OBJECT)
def test_portal_snapshot_with_any_response_returns_a_result_or_raises_a_cloud_error(family, leaf, plant, answer):
    plants = reply([plant, {"id": "1", "timezone": leaf, "plantName": leaf}])
    row = {"sn": "SN1", "deviceTypeName": family, "status": leaf, "timeServer": leaf, "timezone": leaf}
    page = reply({"result": 1, "obj": {"datas": [row, plant], "pages": leaf}})
    for enough in range(5):
        flow = protocol().execute(GrowattPortalData.snapshot.flow("1"), NOON)
        found = outcome(flow, [plants, page, *[reply({"result": 1, "obj": answer})] * enough])
        if found is not None:
            break


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"result": "x"}', b'{"result": [1]}', b"<html></html>"])
def test_portal_login_with_an_odd_response_raises_a_cloud_error(body):
    credentials = Credentials("me", Secret("secret"))
    with pytest.raises(e.CloudError):
        script(protocol(credentials).execute(PortalCalls.portal_plants.flow(), NOON), [reply(body)])


def test_portal_login_that_reports_a_lock_is_a_lock():
    body = {"result": -3, "msg": "Current account has been locked for 5 hours", "lockDuration": "5"}
    credentials = Credentials("me", Secret("secret"))
    with pytest.raises(e.AccountLocked) as caught:
        script(protocol(credentials).execute(PortalCalls.portal_plants.flow(), NOON), [reply(body)])
    assert caught.value.retry_after == 5 * 3600


def test_endless_device_list_is_refused():
    pages = [
        reply({"result": 1, "obj": {"datas": [{"sn": str(number)}], "pages": 10**9}}) for number in range(MAX_PAGES)
    ]
    with pytest.raises(e.Unreadable, match="pages"):
        script(protocol().execute(PortalCalls.portal_devices.flow("1"), NOON), pages)
