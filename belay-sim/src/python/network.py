"""A virtual board has no radio and no cable: it sees the networks that its test names, and can join none of them."""

from _board import _ask

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000


class WLAN:
    IF_STA = 0
    IF_AP = 1
    SEC_OPEN = 0
    SEC_WPA2 = 3
    _actives = {}

    def __init__(self, interface_id=STA_IF):
        self._id = interface_id

    def active(self, is_active=None):
        if is_active is None:
            return self._actives.get(self._id, False)
        self._actives[self._id] = bool(is_active)

    def scan(self):
        if not self._actives.get(STA_IF):
            raise OSError("STA must be active")
        return _ask("networks")

    def connect(self, *_, **__):
        raise OSError("a virtual board has no radio")

    def disconnect(self):
        pass

    def isconnected(self):
        return False

    def status(self, *_):
        return STAT_IDLE

    def ifconfig(self, *_):
        return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")

    def config(self, *_, **__):
        return None
