"""A scripted Growatt account: credentials, canned replies, and helpers that read the requests sent."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION, Credentials, Session
from heliograph.vendors.growatt import GrowattCalls, hash_password
from heliograph.vendors.growatt.auth import GrowattProtocol
from support.protocol_script import NOON, reply, script

SERVER = "https://openapi.growatt.com/"
USER, PASSWORD = "ada.lovelace", "hunter2"
SECRETS = (USER, PASSWORD, hash_password(PASSWORD), "cookie-value")

PLANTS = [{"plantId": "1", "plantName": "Roof"}, {"plantId": "2", "plantName": "Barn"}]
LOGIN = reply(
    {"back": {"success": True, "user": {"id": 42, "rightlevel": 1}, "data": PLANTS}},
    cookies=("JSESSIONID=cookie-value; Path=/; HttpOnly", "SERVERID=a1;Path=/"),
)
INFO = reply({"todayEnergy": "0.2", "deviceList": []})
WRITTEN = reply({"success": True, "msg": "200"})

LOGIN_PAGE = reply(b"<!DOCTYPE html><html data-name='login'><form action='/login'>", content_type="text/html")
ERROR_PAGE = reply(b"", 302, location=SERVER + "error.do?errorMess=errorNoLogin")
ERROR_500 = reply(b"<html>Error500 Dear user, you have not login to the system <a href='./login.do'>", 500)
EXPIRIES = pytest.mark.parametrize("expiry", [LOGIN_PAGE, ERROR_PAGE, ERROR_500], ids=["page", "302", "500"])

plant_info = GrowattCalls.plant_info


def account(session=None, *, zone=None, allow_commands=False):
    session = session or Session(SERVER)
    session.zone = zone
    return AccountProtocol(
        GrowattProtocol(), session, Credentials(USER, Secret(PASSWORD)), allow_commands=allow_commands
    )


def logged_in(**options):
    talk = account(**options)
    script(talk.execute(ENSURE_SESSION, NOON), [LOGIN])
    return talk


def paths(requests):
    return [urlsplit(request.url).path.lstrip("/") for request in requests]


def arguments(request):
    fields = parse_qs(urlsplit(request.url).query + "&" + (request.body or b"").decode(), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def settings(hours, at=NOON):
    return reply({"id": 1, "timezone": hours}, at=at)
