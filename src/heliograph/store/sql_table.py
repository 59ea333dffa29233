"""A table of the store: its key, its columns, and how two rows with the same key are merged."""

from __future__ import annotations

from typing import NamedTuple


class SqlTable(NamedTuple):
    """A table with its key, and how two rows with the same key are merged."""

    name: str
    key: tuple[str, ...]
    value_columns: tuple[str, ...]
    version_columns: tuple[str, ...] = ()
    """The columns that decide which row is newer; if empty, the row written last."""
    summed_columns: tuple[str, ...] = ()
    """Value columns whose values are added up."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of the row tuples."""
        return self.key + self.value_columns

    def insert(self, source: str) -> str:
        """Return an upsert of the rows of `source`: the newer row wins, value by value, unless its value is NULL."""
        sets = ", ".join(f"{name} = {self._winner(name)}" for name in self.value_columns)
        return (
            f"INSERT INTO {self.name} ({', '.join(self.columns)}) {source} "
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {sets}"
        )

    def _winner(self, name: str) -> str:
        new, old = f"excluded.{name}", f"{self.name}.{name}"
        if name in self.summed_columns:
            return f"{old} + {new}"
        if not self.version_columns:
            return new
        new_version, old_version = (
            ", ".join(f"{row}.{one}" for one in self.version_columns) for row in ("excluded", self.name)
        )
        is_newer = f"({new_version}) >= ({old_version})"
        return f"CASE WHEN {is_newer} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END"
