"""Programs beside this one, which know the tests' own modules."""

import os
import subprocess
import sys

from support.paths import TESTS


def python(program, *arguments):
    """Start a Python program with pipes for all it says and hears."""
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
