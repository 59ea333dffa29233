"""Entry point of `python -m heliograph`."""

import sys

from heliograph.cli.main import run

sys.exit(run())
