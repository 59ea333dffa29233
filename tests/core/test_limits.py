"""Limits of the machine, in processes of their own."""

import subprocess
import sys
from errno import ENOMEM

import pytest

from heliograph.core.limits import NEEDED_MEGABYTES, check_address_space, limit_reached

LIMITED = """if True:
    import os, resource
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + {megabytes} * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def run_limited(megabytes, code):
    """Run code in a process that has so many megabytes of address space more than at its start; return its output."""
    code = LIMITED.format(megabytes=megabytes) + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="`ulimit -v` is not enforced here")
def test_check_address_space_accepts_enough_and_rejects_less():
    code = """
    from heliograph.core.limits import check_address_space
    try:
        check_address_space()
        print("enough")
    except OSError as error:
        print(error.errno, error.strerror)
"""
    assert run_limited(NEEDED_MEGABYTES + 30, code).strip() == "enough"
    number, _, text = run_limited(60, code).partition(" ")
    assert int(number) == ENOMEM
    assert text.strip().endswith(f"MB of address space are left, {NEEDED_MEGABYTES} MB are needed")


def test_check_address_space_without_a_limit():
    assert check_address_space() is None


@pytest.mark.skipif(sys.platform != "linux", reason="`ulimit -v` is not enforced here")
def test_async_request_without_address_space_is_reported_as_not_sent():
    code = """
    import asyncio
    from heliograph.core.session import Request
    from heliograph.errors import Unreachable
    from heliograph.transports import send_async
    try:
        asyncio.run(send_async(Request("GET", "http://127.0.0.1:9/", {})))
    except Unreachable as error:
        print(error.sent, error)
"""
    assert run_limited(60, code).startswith("False the request to 127.0.0.1:9 failed in this program")


def test_limit_reached_names_limit_and_remedy():
    error = OSError(ENOMEM, "3 MB of address space are left, 320 MB are needed")
    assert limit_reached(error).startswith("3 MB of address space are left, 320 MB are needed; free memory, or raise")
    assert limit_reached(OSError(2, "No such file or directory")) == ""
