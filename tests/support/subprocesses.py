"""Python programs as subprocesses, which can import the test support modules."""

import os
import subprocess
import sys

from support.paths import TESTS


def python(program, *arguments):
    """Start a Python program with pipes for input and output."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
        },
    )
