"""Run by itself, in a process where pygoodwe is the 0.2.0 that speaks SEMS+: prints what it reads as JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pygoodwe


def main(asked: dict[str, object]) -> dict[str, object]:
    """Return what the peer reads of each plant; only its two addresses are not its own."""
    from pygoodwe import sems_plus  # the version the tests themselves import has none

    sems_plus.LOGIN_URL, sems_plus.GATEWAY_URL = str(asked["login"]), str(asked["gateway"])
    account = (str(asked["username"]), str(asked["password"]))
    if not (plants := asked["plants"]):
        peer = pygoodwe.API("", *account, skipload=True)
        return {"version": version("pygoodwe"), "logged_in": peer.do_login()}
    assert isinstance(plants, dict)
    data = {family: pygoodwe.API(plant, *account).data for family, plant in plants.items()}
    hybrid = pygoodwe.SingleInverter(plants["hybrid"], *account)
    said = {"pv": hybrid.getPVFlow(), "meter": hybrid.getPmeter(), "load": hybrid.getLoadFlow()}
    return {"version": version("pygoodwe"), "data": data, "hybrid": said}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
