"""A virtual board has no radio and no cable: interfaces are there, connections are not."""

STA_IF = 0
AP_IF = 1


class WLAN:
    IF_STA = 0
    IF_AP = 1

    def __init__(self, interface_id=STA_IF):
        self._active = False

    def active(self, is_active=None):
        if is_active is None:
            return self._active
        self._active = bool(is_active)

    def scan(self):
        return []

    def connect(self, *_, **__):
        raise OSError("a virtual board has no radio")

    def disconnect(self):
        pass

    def isconnected(self):
        return False

    def status(self, *_):
        return 0

    def ifconfig(self, *_):
        return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")

    def config(self, *_, **__):
        return None
