"""The portal's session beside the app's: both are stored in one account state, whose locks and budget they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.protocol import AccountProtocol
from heliograph.core.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

FACT = "portal"
"""The name under which the app's session stores the portal's session among its facts."""
_SHARED = ("now", "zone", "account")


class PortalSession(Session):
    """The portal's session of an account, inside the app's session of the same account.

    `server` is the app's server, which identifies the account; requests go to `portal_url`.
    """

    def __init__(self, server: str, portal_url: str = "") -> None:
        super().__init__(server)
        self.portal_url = self.base = portal_url
        self.account: dict[str, Any] = Session(server).to_dict()
        """The app's session as stored."""

    @classmethod
    def inside(cls, stored: Session, portal_url: str) -> PortalSession:
        """Return the portal's session that is stored in the app's."""
        session = cls(stored.server, portal_url)
        session.account, session.zone, session.now = stored.to_dict(), stored.zone, stored.now
        own: dict[str, Any] = session.account["facts"].get(FACT, {})
        if own.get("portal_url") == portal_url:
            for name in session._own_names():
                setattr(session, name, own.get(name, getattr(session, name)))
        return session

    def to_dict(self) -> dict[str, Any]:
        """Return the app's session with this one inside it."""
        own = {name: getattr(self, name) for name in self._own_names()}
        return {**self.account, "facts": {**self.account["facts"], FACT: own}}

    def _own_names(self) -> Iterator[str]:
        return (name for name in vars(self) if name not in (*_SHARED, "server"))

    def clear(self) -> None:
        """Forget cookies and a refused login; the other facts stay."""
        super().clear()
        self.base = self.portal_url
        self.facts.pop("refused_at", None)

    def expire(self) -> None:
        """Clear the session after the portal rejected it.

        It is not counted as ended early: the account state has one time of login, which may be the app's.
        """
        self.clear()
        self.died_at = self.now

    @property
    def app_accepted(self) -> bool:
        """Whether the app accepted a login of this account."""
        return self.account["facts"].get("user_id") is not None


class PortalAccountProtocol(AccountProtocol):
    """The protocol of an account at the portal; a stored session of the app becomes the portal's session inside it."""

    _session: PortalSession | None = None

    @property
    def session(self) -> Session:
        """The portal's session."""
        assert self._session is not None
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        if not isinstance(session, PortalSession):
            session = PortalSession.inside(session, self._session.portal_url if self._session else "")
        self._session = session
