"""Script for a separate process with pygoodwe 0.2.0, which supports SEMS+: prints the plant data as JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pygoodwe


def main(request: dict[str, object]) -> dict[str, object]:
    """Return the data that pygoodwe reads of each plant; only its two server URLs are replaced."""
    from pygoodwe import sems_plus  # missing in the version imported by the tests

    sems_plus.LOGIN_URL, sems_plus.GATEWAY_URL = str(request["login"]), str(request["gateway"])
    account = (str(request["username"]), str(request["password"]))
    if not (plants := request["plants"]):
        peer = pygoodwe.API("", *account, skipload=True)
        return {"version": version("pygoodwe"), "logged_in": peer.do_login()}
    assert isinstance(plants, dict)
    data = {family: pygoodwe.API(plant, *account).data for family, plant in plants.items()}
    hybrid = pygoodwe.SingleInverter(plants["hybrid"], *account)
    single = {"pv": hybrid.getPVFlow(), "meter": hybrid.getPmeter(), "load": hybrid.getLoadFlow()}
    return {"version": version("pygoodwe"), "data": data, "hybrid": single}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
