"""Reading and writing state files beside the keeper: of this version, of the first format, and of a newer program."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from heliograph.keeper.state import AccountState
    from heliograph.keeper.state_file import StateFile


def load_held(store: StateFile, now: float = 0.0) -> AccountState:
    """Load a state as a call does: damage is set aside."""
    held = store.hold()
    try:
        return held.load(now)
    finally:
        held.release()


def save_state(store: StateFile, state: AccountState, *, durable: bool = False) -> Path:
    """Save a state as a call does."""
    held = store.hold()
    try:
        held.load(state.at)
        held.save(state.copy(), durable=durable)
    finally:
        held.release()
    return store.path


def stored_members(path: Path) -> dict[str, Any]:
    """Return the members of the state in a file of this version, read as any JSON file."""
    copies = [copy for copy in json.loads(path.read_bytes())["copies"] if copy]
    members: dict[str, Any] = max(copies, key=lambda copy: copy["copy"])["book"]
    return members


def write_format(path: Path, form: int, members: dict[str, Any] | None) -> None:
    """Write a file as the version of another format does; the first one had the members in `book`."""
    text = json.dumps(members, separators=(",", ":"))
    digest = sha256(f"{form} {text}".encode()).hexdigest()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(f'{{"format":{form},"sum":"{digest}","book":{text}}}')
