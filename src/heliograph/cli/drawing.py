"""Drawing of tables and texts: by rich (the extra `cli`), or as plain text without it."""

from __future__ import annotations

try:
    from rich import box
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    HAS_RICH = True
    HEAD_RULE = box.SIMPLE_HEAD
except ModuleNotFoundError:
    from heliograph.cli.plain_tables import PlainConsole as Console  # type: ignore[assignment]
    from heliograph.cli.plain_tables import PlainGroup as Group  # type: ignore[assignment]
    from heliograph.cli.plain_tables import PlainTable as Table  # type: ignore[assignment]
    from heliograph.cli.plain_tables import PlainText as Text  # type: ignore[assignment]

    HAS_RICH = False
    HEAD_RULE = "-"  # type: ignore[assignment]

__all__ = ["HAS_RICH", "HEAD_RULE", "Console", "Group", "Table", "Text"]
