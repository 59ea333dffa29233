"""Benchmark of a cold start: import, login and four calls in one process. usage: cold.py CLIENT URL"""

from __future__ import annotations

import sys

client, url = sys.argv[1], sys.argv[2]
if client in ("growattServer", "drop-in"):
    if client == "growattServer":
        from growattServer import GrowattApi

        api = GrowattApi()
    else:
        from heliograph.growattserver import GrowattApi

        api = GrowattApi(keeper=None)
    api.server_url = url
    api.login("me", "secret")
    for _ in range(4):
        api.tlx_detail("X")
elif client in ("typed", "typed, protected"):
    from heliograph import Growatt

    options = {"keeper": None}
    if client == "typed, protected":
        from heliograph.keeper import Limits

        # The session of the previous process is stored, so no login is needed. All repetitions share one budget.
        options = {"limits": Limits(requests=10**9, logins=10**9, reserve=0)}
    api = Growatt("me", "secret", server=url, **options)
    for _ in range(4):
        api.tlx_detail("X")
elif client == "pygoodwe":
    from pygoodwe import API

    api = API("station", "me", "secret", api_url=url + "api/", skipload=True, log_level="WARNING")
    api.do_login()
    for _ in range(4):
        api.call("v2/PowerStation/GetMonitorDetailByPowerstationId", {"powerStationId": "station"})
elif client == "goodwe":
    from heliograph import GoodWe

    api = GoodWe("me", "secret", server=url, keeper=None)
    for _ in range(4):
        api.monitor_detail("station")
elif client == "pyreqwest alone":
    import json

    from pyreqwest.client import SyncClientBuilder

    pool = SyncClientBuilder().build()
    for path in ("newTwoLoginAPI.do", *["newTlxApi.do?op=getTlxDetailData&id=X"] * 4):
        json.loads(bytes(pool.get(url + path).build().send().bytes()))
elif client == "requests alone":
    import requests

    session = requests.Session()
    for path in ("newTwoLoginAPI.do", *["newTlxApi.do?op=getTlxDetailData&id=X"] * 4):
        session.get(url + path).json()
