"""Detector of blocking calls on an event loop: files, locks, databases, name resolution and sleeps."""

from __future__ import annotations

import asyncio
import builtins
import io
import os
import socket
import sqlite3
import time
import traceback
from contextlib import contextmanager
from unittest import mock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# `stat` is not among them: it needs no disk where a folder is in use.
_WATCHED = [
    (builtins, "open"),
    (io, "open"),
    (os, "open"),
    (os, "read"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (os, "unlink"),
    (os, "mkdir"),
    (fcntl, "flock"),
    (fcntl, "lockf"),
    (sqlite3, "connect"),
    (socket, "getaddrinfo"),
    (time, "sleep"),
]


@contextmanager
def blocking_calls():
    """Yield the list of blocking calls that the running event loop makes until the end of the block."""
    loop = asyncio.get_running_loop()
    found = []

    def watched(owner, name):
        original = getattr(owner, name)

        def call(*args, **kwargs):
            if asyncio._get_running_loop() is loop:
                frames = traceback.extract_stack()[:-1]
                own = [
                    f"{frame.filename}:{frame.lineno} {frame.name}"
                    for frame in frames
                    if "heliograph" in frame.filename
                ]
                found.append((f"{owner.__name__}.{name}", args[:1], own[-4:]))
            return original(*args, **kwargs)

        return mock.patch.object(owner, name, call)

    patches = [watched(owner, name) for owner, name in _WATCHED if owner is not None]
    for patch in patches:
        patch.start()
    try:
        yield found
    finally:
        for patch in patches:
            patch.stop()
