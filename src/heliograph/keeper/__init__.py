"""The keeper: one gate per account for all processes of this machine, and what it remembers between them."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

from heliograph.keeper.limits import Backoff, Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heliograph.keeper.guard import AccountGuard

__all__ = ["DEFAULT_KEEPER", "Backoff", "Budget", "Keeper", "Limits"]

PATIENCE = 120.0
"""Seconds to wait for another program's conversation with the same account."""


class Keeper:
    """Keeps the accounts of one folder; the usual one is `accounts` in the data folder of this user.

    `patience` is how many seconds a call waits for other conversations with its account.
    """

    def __init__(self, folder: Path | None = None, *, patience: float = PATIENCE) -> None:
        self._folder = folder
        self._patience = patience

    @property
    def folder(self) -> Path:
        """Where the accounts' files are; HELIOGRAPH_HOME is looked at when it is needed, not before."""
        if self._folder is None:
            from heliograph.core.files import data_folder  # noqa: PLC0415

            return data_folder(os.environ) / "accounts"
        return self._folder

    def guard(
        self,
        vendor: str,
        server: str,
        username: str,
        limits: Limits,
        *,
        interactive: bool = False,
        self_throttled: bool = False,
        clock: Callable[[], float] = time,
    ) -> AccountGuard:
        """Return the gate of one account."""
        from heliograph.keeper.guard import AccountGuard  # noqa: PLC0415 - a client that is not kept knows its limits only
        from heliograph.keeper.state_file import StateFile  # noqa: PLC0415

        shelf = StateFile.for_account(self.folder, vendor, server, username)
        return AccountGuard(
            shelf, limits, clock, interactive=interactive, self_throttled=self_throttled, patience=self._patience
        )

    def __repr__(self) -> str:
        return f"Keeper({str(self._folder)!r})" if self._folder else "Keeper()"


DEFAULT_KEEPER = Keeper()
"""The keeper of this user's data folder, used by every client that is given no other."""
