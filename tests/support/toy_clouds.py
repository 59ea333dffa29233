"""Two minimal emulated clouds for tests of the emulator: acme supports logins and plants, zeta only one plant."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from heliograph.emulator.api import EmulatedResponse, HardwareProfile
from heliograph.emulator.app import Emulator
from heliograph.emulator.clock import SimulatedClock
from heliograph.emulator.world import World

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 6, 21, 10, 2, 30, tzinfo=UTC)

PLANS = {
    "roof": HardwareProfile(4000, has_meter=False),
    "meter": HardwareProfile(6000),
    "hybrid": HardwareProfile(8000, battery_capacity=10, battery_power=4000, load_kwh_per_day=12),
    "cabin": HardwareProfile(3000, battery_capacity=6, battery_power=2500, off_grid=True, load_kwh_per_day=9),
    "row": HardwareProfile(5000, battery_capacity=5, battery_power=2500, households=3),
}


class Acme:
    vendor = "acme"

    def families(self):
        return tuple(PLANS)

    def hardware(self, family):
        return PLANS[family]

    def username(self, number):
        return f"{self.vendor}{number}"

    def plant_id(self, seed):
        return f"{self.vendor[0]}{seed % 50}"  # few, so that some collide

    def serials(self, family, seed):
        return tuple(f"{self.vendor}-{seed}-{place}" for place in range(PLANS[family].households + 1))

    def addresses(self, url):
        return {self.vendor: f"{url}/{self.vendor}/"}

    def faults(self):
        return {}

    def account_info(self, account):
        return {}

    def owns(self, path):
        return path.startswith(f"{self.vendor}/")

    def account_of(self, request, context):
        names = {request.arguments.get("user"), request.cookies.get("user")}
        return next((account for account in context.accounts(self.vendor) if account.username in names), None)

    def other_login(self, account, at, context):
        account.state.setdefault("rivals", []).append(at)

    def handle(self, request, context):
        if context.fault("html") is not None:
            return EmulatedResponse(b"<html>", content_type="text/html")
        if request.path == "acme/login":
            known = {account.username: account for account in context.accounts("acme")}
            account = known.get(request.arguments.get("user"))
            accepted = account is not None and request.arguments.get("password") == account.password
            context.record_login(account, request.arguments.get("user", ""), accepted=accepted)
            return _json({"in": accepted}, ("Set-Cookie", "sid=1"))
        if request.path == "acme/edge":
            return _json({"blocked": context.firewall_blocks()})
        if request.path == "acme/fail":
            raise ZeroDivisionError
        rates = [context.fault("rate"), context.fault("rate")]
        return _json({**request._asdict(), "headers": None, "rates": rates, "now": context.now().isoformat()})


class Zeta(Acme):
    vendor = "zeta"

    def families(self):
        return ("meter",)


def _json(document, *headers):
    return EmulatedResponse(json.dumps(document).encode(), headers=headers)


def toy_emulator(accounts=3, faults=None, start=NOON, speed=0.0, seed=7):
    return Emulator(World(SimulatedClock(start, speed), BERLIN, seed), [Acme(), Zeta()], accounts, faults)
