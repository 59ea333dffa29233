"""The program that sends one message to notification services with apprise; started by the collector for each message.

A process of its own, because a service that hangs would otherwise occupy a thread forever. It reads a JSON object with
`services`, `title` and `body` from standard input, so that no address is in the process list, and prints one JSON array
per service: its number, whether it accepted the message, and a reason.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from threading import Lock, Thread

WAIT = 40.0
"""Seconds after which services that have not answered are given up."""


def main() -> int:
    """Send the message to all services at once, so that a slow one delays no other."""
    try:
        import apprise  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - an extra
    except ImportError:
        from heliograph.core.installation import extra_command  # noqa: PLC0415 - only then

        print(json.dumps([0, False, f"apprise is not installed: {extra_command('alerts')}"]), flush=True)
        return 1
    logging.disable()  # its log contains addresses
    message, lock = json.load(sys.stdin), Lock()

    def send(number: int, address: str) -> None:
        service = apprise.Apprise()
        if not service.add(address):
            accepted, reason = False, "apprise does not support this address"
        else:
            accepted = bool(service.notify(title=message["title"], body=message["body"], body_format="text"))
            reason = "" if accepted else "the service did not accept the message"
        with lock:
            print(json.dumps([number, accepted, reason]), flush=True)

    threads = [
        Thread(target=send, args=(number, address), daemon=True)
        for number, address in enumerate(message["services"], 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # without waiting for services that hang
