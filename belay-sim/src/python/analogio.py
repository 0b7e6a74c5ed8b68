from _board import _ask
from microcontroller import _claim, _free


class AnalogIn:
    reference_voltage = 3.3

    def __init__(self, pin):
        if pin._name not in ("A0", "A1", "A2", "A3"):
            raise ValueError("Invalid pin")
        _claim(pin, self)
        self._pin = pin

    @property
    def value(self):
        return _ask("adc " + self._pin._name)

    def deinit(self):
        if self._pin:
            _free(self._pin)
            self._pin = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.deinit()
