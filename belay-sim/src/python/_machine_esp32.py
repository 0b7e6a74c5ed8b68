from _board import _ask
from _machine_pin import _name


class TouchPad:
    def __init__(self, pin):
        self._name = _name(pin)

    def read(self):
        return _ask("touch " + self._name)

    def config(self, _):
        pass
