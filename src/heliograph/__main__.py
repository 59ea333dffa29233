"""Entry point of `heliograph` and `python -m heliograph`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; Ctrl-C ends it without a traceback, also while modules are imported."""
    try:
        from heliograph.cli.main import run  # noqa: PLC0415 - most of the start is this import

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
