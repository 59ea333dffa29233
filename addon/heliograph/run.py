"""Start of the add-on: writes the configuration from the options and the MQTT service, then runs heliograph.

Environment: HELIOGRAPH_HOME is the folder of options and store (/data), SUPERVISOR_TOKEN comes from the Supervisor.
SUPERVISOR_URL, INGRESS_PEER, PAGE_PORT and ADDON_CONFIG are for tests.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

USER = "heliograph"
"""User of the image."""
INGRESS_PEER = "172.30.32.2"
"""The Supervisor's address, which Home Assistant's documentation of ingress names."""
_LARGEST_RESPONSE = 65536
_TEXTS = ("name", "vendor", "username", "server", "timezone")


def main() -> None:
    """Write the configuration and replace this program by heliograph."""
    home = Path(os.environ.get("HELIOGRAPH_HOME", "/data"))
    if os.geteuid() == 0 and (user := find_user()) is not None:
        become_user(home, user)
    try:
        options = json.loads((home / "options.json").read_text("utf-8"))
        broker = find_broker(options)
        extra = Path(os.environ.get("ADDON_CONFIG", "/config")) / "heliograph.toml"
        more = extra.read_text("utf-8") if extra.exists() else ""
    except (OSError, ValueError) as error:
        sys.exit(f"heliograph add-on: the options cannot be read: {error}")
    config = home / "addon.toml"
    write_private(config, configuration(options, broker) + more)
    if not options.get("accounts") and "[[account]]" not in more:
        # The page explains the next step; without it the add-on would restart forever.
        print("heliograph add-on: no account yet: add one under Configuration, then restart the add-on", flush=True)
        run(["serve", "--config", str(config)])
    run(["run", "--log", options.get("log", "text"), "--config", str(config)])


def find_user() -> pwd.struct_passwd | None:
    """Return the user of the image; None outside of it."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def become_user(home: Path, user: pwd.struct_passwd) -> None:
    """Give the data folder to a user, and become that user."""
    for path in (home, *home.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.umask(0o077)


def find_broker(options: dict[str, Any]) -> dict[str, Any] | None:
    """Return host, port, username, password and ssl of the broker: the one in the options, else the Supervisor's."""
    if not options.get("mqtt"):
        return None
    if options.get("mqtt_host"):
        given = {name: options.get(f"mqtt_{name}") for name in ("host", "port", "username", "password")}
        return {**given, "ssl": given["port"] == 8883}
    url = os.environ.get("SUPERVISOR_URL", "http://supervisor") + "/services/mqtt"
    headers = {"Authorization": f"Bearer {os.environ.get('SUPERVISOR_TOKEN', '')}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:  # noqa: S310
            data = json.loads(response.read(_LARGEST_RESPONSE))["data"]
            return {name: data.get(name) for name in ("host", "port", "username", "password", "ssl")}
    except (urllib.error.URLError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        # No broker is installed, or it has not started yet: values are collected and shown without it.
        print(
            f"heliograph add-on: no MQTT broker found ({error}); install the Mosquitto broker add-on and restart this "
            "one, or enter mqtt_host under Configuration",
            flush=True,
        )
        return None


def configuration(options: dict[str, Any], broker: dict[str, Any] | None) -> str:
    """Return the configuration of heliograph as TOML."""
    lines = [
        "# Written at every start from the options of the add-on; further tables are in heliograph.toml.",
        "[serve]",
        'host = "0.0.0.0"',
        f"port = {int(os.environ.get('PAGE_PORT', '8765'))}",
        f"ingress = {text(os.environ.get('INGRESS_PEER', INGRESS_PEER))}",
    ]
    if options.get("page_token"):
        lines.append(f"token = {text(options['page_token'])}")
    for account in options.get("accounts", []):
        lines += ["", "[[account]]"]
        lines += [f"{name} = {text(account[name])}" for name in (*_TEXTS, "password", "token") if account.get(name)]
        if account.get("interval"):
            lines.append(f"interval = {int(account['interval'])}")
        if writes := str(account.get("writes") or "").strip():
            names = [name.strip() for name in writes.split(",") if name.strip()]
            lines.append("writes = true" if names == ["all"] else f"writes = [{', '.join(map(text, names))}]")
    if broker is not None:
        lines += ["", "[mqtt]", f"host = {text(broker['host'])}"]
        lines += [f"port = {int(broker['port'])}"] if broker.get("port") else []
        lines += [f"{name} = {text(broker[name])}" for name in ("username", "password") if broker.get(name)]
        lines += ["tls = true"] if broker.get("ssl") else []
        lines += ["commands = true"] if options.get("mqtt_commands") else []
    return "\n".join([*lines, "", ""])


def text(value: object) -> str:
    """Return a TOML string. JSON escapes the same characters, but for DEL."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def write_private(path: Path, content: str) -> None:
    """Write a file that only this user can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)


def run(arguments: list[str]) -> None:
    """Replace this program by heliograph."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "heliograph", *arguments])  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
