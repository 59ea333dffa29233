"""Growatt's door: who is logged in, who is locked out, and what callers without a session are shown."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.emulate import pages
from heliograph.vendors.growatt.emulate.asking import ANSWERS, Failed, told
from heliograph.vendors.growatt.emulate.writing import stamp
from heliograph.vendors.growatt.password import hash_password
from heliograph.wire import CHINA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from heliograph.answers import Asked, Holder, Stage, Told
    from heliograph.endpoint import Endpoint

COOKIE = "JSESSIONID"
LOCK_HOURS = 24


def user_id(holder: Holder) -> int:
    """Return the number the cloud knows an account by; on the wire it is a number, plants' ids are text."""
    return 1_000_000 + crc32(holder.username.encode()) % 9_000_000


def named(stage: Stage, username: str) -> Holder | None:
    """Return the account of a user name."""
    return next((holder for holder in stage.holders("growatt") if holder.username == username), None)


def logged_in(asked: Asked, stage: Stage) -> Holder | None:
    """Return the account a request's cookie opens, as long as it does."""
    cookie = asked.cookies.get(COOKIE.lower(), asked.cookies.get(COOKIE, ""))
    for holder in stage.holders("growatt"):
        sessions: dict[str, datetime] = holder.memory.setdefault("sessions", {})
        if cookie in sessions:
            _expire(holder, stage)
            return holder if cookie in sessions else None
    return None


def _expire(holder: Holder, stage: Stage) -> None:
    """End the sessions the fault `expire` asks for: those older than its seconds, or all there are, once."""
    sessions = holder.memory["sessions"]
    lifetime = stage.fault("expire")
    if lifetime:
        oldest = stage.now() - timedelta(seconds=float(lifetime))
        for cookie in [cookie for cookie, opened in sessions.items() if opened <= oldest]:
            del sessions[cookie]
    elif lifetime is not None and not holder.memory.get("expired"):
        sessions.clear()
    holder.memory["expired"] = lifetime == ""


def too_often(holder: Holder, stage: Stage) -> bool:
    """Tell whether an account asked more within a minute than the fault `rate` allows."""
    allowed = stage.fault("rate")
    if allowed is None:
        holder.memory.pop("asked", None)
        return False
    now = stage.now()
    recent = [at for at in holder.memory.get("asked", ()) if at > now - timedelta(minutes=1)]
    holder.memory["asked"] = [*recent, now]
    return len(recent) >= int(allowed or 0)


def without_session(call: Endpoint[..., Any]) -> Told:
    """Return what a call without a living session is shown; every way the cloud is known to say it occurs."""
    if call.route.path == "tcpSet.do":
        # Quirk: the portal's writes say it in JSON (a public client's tests).
        raise Failed({"success": False, "msg": "Login invalid, please log in again"})
    return {"PlantListAPI.do": pages.MOVED_TO_LOGIN, "newPlantAPI.do": pages.NOT_LOGGED_IN}.get(
        call.route.path, pages.LOGIN
    )


@ANSWERS.to(GrowattCalls.login)
def log_in(arguments: Mapping[str, str], stage: Stage) -> Told:
    """Answer a login, and open a session when it is accepted."""
    username = arguments.get("userName", "")
    holder = named(stage, username)
    locked = holder is not None and _locked(holder, stage)
    accepted = holder is not None and not locked and arguments.get("password") == hash_password(holder.password)
    stage.note_login(holder, username, accepted=accepted)
    if locked:
        words = f"Current account has been locked for {LOCK_HOURS} hours"
        return told({"back": {"msg": "507", "lockDuration": str(LOCK_HOURS), "success": False, "error": words}})
    if holder is None or not accepted:
        return told({"back": {"msg": "502", "success": False}})
    cookie = secrets.token_hex(16).upper()
    # Earlier sessions stay alive: nobody reports that Growatt knows only one.
    holder.memory.setdefault("sessions", {})[cookie] = stage.now()
    return told({"back": _welcome(holder, stage)}, ("Set-Cookie", f"{COOKIE}={cookie}; Path=/; HttpOnly"))


def _locked(holder: Holder, stage: Stage) -> bool:
    """Count a login, and tell whether the fault `lock` refuses it."""
    memory, now = holder.memory, stage.now()
    memory["logins"] = memory.get("logins", 0) + 1
    allowed = stage.fault("lock")
    if allowed is None:
        memory.pop("locked_until", None)
        return False
    until: datetime | None = memory.get("locked_until")
    if until is not None and now >= until:
        memory["logins"], until = 1, None
    if until is None and memory["logins"] > int(allowed or 0):
        until = now + timedelta(hours=LOCK_HOURS)
    memory["locked_until"] = until
    return until is not None


def _welcome(holder: Holder, stage: Stage) -> dict[str, Any]:
    return {
        "app_code": "1",
        "data": [{"plantId": site.id, "plantName": site.name} for site in holder.sites],
        "deviceCount": str(sum(len(site.devices) for site in holder.sites)),
        "isCheckUserAuth": True,
        "isEicUserAddSmartDevice": True,
        "isOpenDeviceList": 1,
        "isOpenDeviceParams": 0,
        "isOpenSmartFamily": 0,
        "isViewDeviceInfo": False,
        "msg": "",
        "quality": "0",
        "service": "1",
        "success": True,
        "totalData": {},
        "user": _user(holder, stage),
    }


def _user(holder: Holder, stage: Stage) -> dict[str, Any]:
    empty = (
        "activeName appAlias company customerCode lat lng nickName noticeType phoneNum serverUrl token uid "
        "userIconPath workerCode wxOpenid cpowerAuth cpowerToken"
    )
    zero = "isAgent isBigCustomer isPhoneNumReg isValiEmail isValiPhone kind parentUserId roleId"
    return {
        **dict.fromkeys(empty.split(), ""),
        **dict.fromkeys(zero.split(), 0),
        "accountName": holder.username,
        "accountNameOss": holder.username,
        "agentCode": "AAAAA",
        "appType": "c",
        "approved": False,
        "area": "Europe",
        "codeIndex": 1,
        "counrty": "Germany",
        "createDate": "2024-03-01 09:00:00",
        "dataAcqList": [],
        "distributorEnable": "1",
        "email": f"{holder.username}@example.com",
        "enabled": True,
        "id": user_id(holder),
        "installerEnable": "1",
        "inverterGroup": [],
        "inverterList": [],
        "lastLoginIp": "192.0.2.10",
        "lastLoginTime": stamp(stage.now().astimezone(CHINA)),
        "mailNotice": True,
        "password": hash_password(holder.password),
        "registerType": "0",
        "rightlevel": 1,
        "smsNotice": False,
        "timeZone": 8,
        "type": 2,
        "userDeviceType": -1,
        "userLanguage": "gm",
        "vipPoints": 10,
    }
