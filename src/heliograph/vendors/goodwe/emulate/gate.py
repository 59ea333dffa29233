"""The portal's door: who is logged in, from which client and host, and what callers without a session are told."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.vendors.goodwe.api import GoodWeCalls
from heliograph.vendors.goodwe.emulate.asking import ANSWERS, Failed
from heliograph.vendors.goodwe.emulate.envelopes import monitor_service
from heliograph.wire import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.answers import Asked, Holder, Stage

RATE_WINDOW = timedelta(minutes=1)

_NO_SESSION = (100001, "No access, please log in.")
_EXPIRED = (100002, "The authorization has expired, please log in again.")


def presented(asked: Asked) -> dict[str, Any]:
    """Return the Token header: JSON text, or Base64 of it, which some clients send."""
    text = asked.headers.get("token", "")
    token = _json(text)
    if token is None:
        try:
            plain = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            plain = b""
        # Quirk: the portal's JSON reader takes single quotes, and sems-portal-api sends them.
        token = _json(plain) or _json(plain.replace(b"'", b'"'))
    if token is None:
        # Quirk: the words are the portal's own, and so is the language of an answer to nobody.
        raise Failed("100000", "ver is not fund", language="zh_CN")
    return token


def _json(text: str | bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def uid(holder: Holder) -> str:
    """Return the number of an account, as this cloud gives them."""
    return str(uuid5(NAMESPACE_URL, f"semsportal/{holder.username}"))


@ANSWERS.to(GoodWeCalls.cross_login)
def log_in(arguments: Mapping[str, str], token: Mapping[str, Any], asked: Asked, stage: Stage) -> dict[str, Any]:
    """Answer a login; the new session replaces the account's earlier one without a word."""
    username = arguments.get("account", "")
    holder = next((one for one in stage.holders("goodwe") if one.username == username), None)
    if holder is not None:
        slow_down(holder, stage)
    # The fault "lock" means nothing here: no public report knows of a GoodWe account locked by logging in.
    accepted = holder is not None and arguments.get("pwd") == holder.password
    stage.note_login(holder, username, accepted=accepted)
    if holder is None or not accepted:
        raise Failed(100005, "Email or password error.")
    now = stage.now()
    secret = secrets.token_hex(16)
    client = str(token.get("client", ""))
    holder.memory["session"] = {"token": secret, "client": client, "origin": asked.origin, "opened": now}
    data = {
        "uid": uid(holder),
        "timestamp": int(now.timestamp() * 1000),
        "token": secret,
        "client": client,
        "version": str(token.get("version", "")),
        "language": str(token.get("language", "")),
    }
    if arguments.get("version", "").lower() == "v3":
        data |= {"uuid": "", "neutral": 0}
    return {**monitor_service(0, "Successful", data), "api": f"{asked.origin}/api/"}


def holder_of(token: Mapping[str, Any], asked: Asked, stage: Stage) -> Holder:
    """Return the account a token opens; it does for the client and the host it was given to, until another login."""
    if not token.get("uid") or not token.get("token"):
        raise Failed(*_NO_SESSION)
    for holder in stage.holders("goodwe"):
        session = holder.memory.get("session")
        if uid(holder) == token["uid"] and session is not None:
            same = (session["token"], session["client"], session["origin"])
            if same == (token["token"], token.get("client"), asked.origin) and not _expired(session["opened"], stage):
                return holder
    raise Failed(*_EXPIRED)


def _expired(opened: datetime, stage: Stage) -> bool:
    lifetime = stage.fault("expire")
    if lifetime is None:
        return False
    return stage.now() - opened >= timedelta(seconds=number(lifetime) or 0.0)


def slow_down(holder: Holder, stage: Stage) -> None:
    """Refuse an account that asked more within a minute than the fault `rate` allows."""
    now = stage.now()
    recent = [at for at in holder.memory.get("asked", ()) if at > now - RATE_WINDOW]
    holder.memory["asked"] = [*recent, now]
    allowed = stage.fault("rate")
    if allowed is not None and len(recent) >= (number(allowed) or 0):
        # Nobody has published the words that come with this code.
        raise Failed("GY0429", "")
