"""Shared test client of the emulated GoodWe cloud: raw requests in both dialects, in memory or over a socket."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from heliograph.emulator.clouds.goodwe import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator

NOON, EVENING, NIGHT = "2026-06-21T12:02:00+02:00", "2026-12-01T19:00:00+01:00", "2026-06-21T02:00:00+02:00"
WEB = {"uid": "", "timestamp": 0, "token": "", "client": "semsPlusWeb", "version": "", "language": "en"}
PHONE = {"version": "v2.1.0", "client": "ios", "language": "en"}
FLAGS = {"agreement": 1, "isChinese": False, "isLocal": False}

PLUS_LOGIN = "/web/sems/sems-user/api/v1/auth/cross-login"
PLUS_LIST, FLOW = "/web/sems/sems-plant/api/portal/stations/page", "/web/sems/sems-plant/api/stations/flow"
STATISTICS = "/web/sems/sems-plant/api/stations/statistics"
REMOTE = "/web/sems/sems-remote/api/v1/address/remote/"
LOGIN, OWNER = "/api/v3/Common/CrossLogin", "/api/PowerStation/GetPowerStationIdByOwner"
DETAIL = "/api/v3/PowerStation/GetMonitorDetailByPowerstationId"
PLANT = "/api/v3/PowerStation/GetPlantDetailByPowerstationId"
STATUS_FUNCTION = "2043643517552594945"


def encode_password(password):
    return base64.b64encode(hashlib.md5(password.encode()).hexdigest().encode()).decode()


def sign(token, at=1790000000000):
    """Sign a request by the documented algorithm, independently of the package."""
    digest = hashlib.sha256(f"{at}@{token['uid']}@{token['token']}".encode()).hexdigest()
    return base64.b64encode(f"{digest}@{at}".encode()).decode()


class Caller:
    """Raw client of an emulated cloud with a stopped clock, logged in to at most one dialect."""

    def __init__(self, emulator, origin="http://emulator"):
        self.emulator = emulator
        self.origin = origin
        self.account = emulator.accounts[0]
        self.plants = {plant.family: plant for plant in self.account.plants}
        self.token = WEB

    def send(self, verb, target, headers, body):
        response = self.emulator.respond(verb, target, headers, body, self.origin)
        return response.status, response.body

    def call(self, path, fields=None, *, verb="POST", token=None, signature=None):
        """Return the response to one request; an empty token or signature is not sent."""
        token = self.token if token is None else token
        headers = {"content-type": "application/json"}
        if token:
            headers["token"] = json.dumps(token)
        if signature is None and token and {"uid", "token"} <= token.keys():
            signature = sign(token)
        if signature:
            headers["x-signature"] = signature
        target, body = (path, json.dumps(fields or {}).encode())
        if verb == "GET":
            target, body = f"{path}?{urlencode(fields or {}, errors='replace')}", b""
        status, answer = self.send(verb, target, headers, body)
        return json.loads(answer) | ({} if status == 200 else {"status": status})

    def plus_login(self, *, token=None, signature=None, flags=FLAGS, **changes):
        fields = {"account": self.account.username, "pwd": encode_password(self.account.password), **flags, **changes}
        answer = self.call(PLUS_LOGIN, fields, token=WEB if token is None else token, signature=signature)
        if answer.get("data", {}).get("token"):
            self.token = answer["data"]
        return answer

    def log_in(self, **token):
        fields = {"account": self.account.username, "pwd": self.account.password}
        answer = self.call(LOGIN, fields, token=PHONE | token)
        if (answer["data"] or {}).get("token"):
            self.token = answer["data"]
        return answer

    def flow(self, family, **options):
        return self.call(FLOW, {"stationId": self.plants[family].id}, verb="GET", **options)

    def detail(self, family, path=DETAIL, **options):
        return self.call(path, {"powerStationId": self.plants[family].id}, **options)

    def device(self, family, what, kind="INVERTER", serial=None):
        plant = self.plants[family]
        fields = {"deviceType": kind, "pwId": plant.id, "sn": serial or plant.devices[0]}
        path = f"/web/sems/sems-plant/api/equipments/{serial or plant.devices[0]}/{what}"
        return self.call(path, fields, verb="GET")["data"]

    def inventory(self, family):
        path = "/web/sems/sems-plant/api/stations/device/all-status"
        found = self.call(path, {"stationId": self.plants[family].id}, verb="GET")["data"]["deviceDetailList"]
        states = [state for kind in found for state in kind["statusDetailList"]]
        return {row["sn"]: row for state in states for row in state["detailMap"].values()}

    def statistics(self, family, first, last, dimension):
        items = ["proConsumStats", "proGridStats", "proPurchaseStats", "proSystemTotalStats", "proSelfConsumStats"]
        fields = {"stationId": self.plants[family].id, "items": items, "dimension": dimension}
        return self.call(STATISTICS, {**fields, "startTime": f"{first} 00:00:00", "endTime": f"{last} 23:59:59"})

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, **duration):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))


class Remote(Caller):
    """Raw client over a real socket."""

    def __init__(self, emulator, url):
        super().__init__(emulator, url)
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)

    def send(self, verb, target, headers, body):
        self.connection.request(verb, target, body or None, headers)
        response = self.connection.getresponse()
        return response.status, response.read()


def world(start=NOON):
    return build_emulator(EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=1), [EMULATION])
