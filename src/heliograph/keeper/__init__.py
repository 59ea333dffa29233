"""The keeper: shares the session, the request quota and the back-off of an account between all programs of one user."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

from heliograph.keeper.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heliograph.keeper.budget import Backoff, Budget
    from heliograph.keeper.guard import AccountGuard
    from heliograph.keeper.state_store import StateStore

__all__ = ["DEFAULT_KEEPER", "Backoff", "Budget", "Keeper", "Limits"]

PATIENCE = 120.0
"""Seconds to wait until another program releases the account."""


class Keeper:
    """The account states in one folder; the default is `accounts` in the data folder of this user.

    `patience` is the number of seconds a call waits until another program releases its account. `store` returns the
    `StateStore` (keeper/state_store.py) of an account by its name; the default is a file in the folder. The folder also
    contains the newest snapshots.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        patience: float = PATIENCE,
        store: Callable[[str], StateStore] | None = None,
    ) -> None:
        self._folder = folder
        self._patience = patience
        self._store = store

    @property
    def folder(self) -> Path:
        """The folder of the state files; HELIOGRAPH_HOME is read on each access."""
        if self._folder is None:
            from heliograph.core.files import data_folder  # noqa: PLC0415

            return data_folder(os.environ) / "accounts"
        from pathlib import Path  # noqa: PLC0415 - not needed for keeper=None

        return Path(self._folder)

    def guard(
        self,
        vendor: str,
        server: str,
        username: str,
        limits: Limits,
        *,
        interactive: bool = False,
        self_throttled: bool = False,
        pacing_advice: str = "",
        clock: Callable[[], float] = time,
    ) -> AccountGuard:
        """Return the guard of one account; `pacing_advice` is added to the error of a program that has to wait."""
        from heliograph.keeper.guard import AccountGuard  # noqa: PLC0415 - saves its import for keeper=None
        from heliograph.keeper.state_file import StateFile, account_name  # noqa: PLC0415

        name = account_name(vendor, server, username)
        return AccountGuard(
            self._store(name) if self._store else StateFile(self.folder, name),
            self.folder,
            limits,
            clock,
            interactive=interactive,
            self_throttled=self_throttled,
            pacing_advice=pacing_advice,
            patience=self._patience,
        )

    def __repr__(self) -> str:
        return f"Keeper({str(self._folder)!r})" if self._folder else "Keeper()"


def __getattr__(name: str) -> object:
    # Imported when first used: a client without account protection has no budget.
    if name not in ("Backoff", "Budget"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from heliograph.keeper import budget  # noqa: PLC0415

    return getattr(budget, name)


DEFAULT_KEEPER = Keeper()
"""The keeper of this user's data folder; the default of every client."""
