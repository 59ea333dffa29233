"""`python -m heliograph`: the command line without its script."""

import sys

from heliograph.cli.main import run

sys.exit(run())
