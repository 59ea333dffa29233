"""An in-memory keyring backend for tests, which can be locked."""

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class Ring(KeyringBackend):
    """An in-memory keyring; while locked it returns no passwords."""

    priority = 1
    name = "Ring"

    def __init__(self):
        super().__init__()
        self.kept = {}
        self.locked = False
        self.asked = 0

    def _open(self):
        self.asked += 1
        if self.locked:
            raise KeyringLocked("hunter2 is behind a lock")

    def get_password(self, service, username):
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self._open()
        self.kept[service, username] = password

    def delete_password(self, service, username):
        self._open()
        if (service, username) not in self.kept:
            raise PasswordDeleteError("no such password")
        del self.kept[service, username]
