from _board import _ask
from microcontroller import _claim, _free


class PWMOut:
    def __init__(self, pin, *, duty_cycle=0, frequency=500, variable_frequency=False):
        _claim(pin, self)
        self._pin = pin
        self._variable = variable_frequency
        self._frequency = frequency
        self.duty_cycle = duty_cycle

    @property
    def duty_cycle(self):
        return self._duty

    @duty_cycle.setter
    def duty_cycle(self, duty):
        self._duty = duty
        _ask("pwm %s %d %d" % (self._pin._name, self._frequency, duty))

    @property
    def frequency(self):
        return self._frequency

    @frequency.setter
    def frequency(self, hertz):
        if not self._variable:
            raise AttributeError("PWM frequency not writable when variable_frequency is False on construction.")
        self._frequency = hertz
        self.duty_cycle = self._duty

    def deinit(self):
        if self._pin:
            _ask("pwm %s 0 0" % self._pin._name)
            _free(self._pin)
            self._pin = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.deinit()
