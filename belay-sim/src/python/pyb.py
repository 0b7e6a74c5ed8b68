from time import sleep_ms as delay
from time import sleep_us as udelay
from time import ticks_diff, ticks_ms, ticks_us

from _board import _ask
from _machine_pin import ADC as _ADC
from _machine_pin import PWM as _PWM
from _machine_pin import Pin as _Pin
from _machine_time import RTC
from _machine_time import Timer as _Timer
from machine import disable_irq, enable_irq, freq, unique_id
from machine import reset as hard_reset

millis = ticks_ms
micros = ticks_us


def elapsed_millis(start):
    return ticks_diff(ticks_ms(), start)


def elapsed_micros(start):
    return ticks_diff(ticks_us(), start)


def wfi():
    delay(1)


class Pin(_Pin):
    OUT_PP = _Pin.OUT
    OUT_OD = _Pin.OPEN_DRAIN
    PULL_NONE = 0


class ADC(_ADC):
    pass


class Accel:
    def _axes(self):
        return _ask("accelerometer")

    def x(self):
        return self._axes()[0]

    def y(self):
        return self._axes()[1]

    def z(self):
        return self._axes()[2]

    def tilt(self):
        return 0

    def filtered_xyz(self):
        """The sum of four readings, as on the board."""
        return tuple(4 * axis for axis in self._axes())


class LED:
    _names = "LED_RED", "LED_GREEN", "LED_YELLOW", "LED_BLUE"

    def __init__(self, id):
        self._pin = _Pin(self._names[id - 1], _Pin.OUT)
        self._level = 0

    def intensity(self, value=None):
        if value is None:
            return self._level
        self._level = max(0, min(255, value))
        self._pin(self._level > 0)
        _ask("pwm %s %d %d" % (self._pin._name, 1000 if 0 < self._level < 255 else 0, self._level * 257))

    def on(self):
        self.intensity(255)

    def off(self):
        self.intensity(0)

    def toggle(self):
        self.intensity(0 if self._level else 255)


class Servo:
    """A servo is a pulse of 1.5 ms in the middle and 0.85 ms more or less at 90 degrees, fifty times a second."""

    def __init__(self, id):
        if not 1 <= id <= 4:
            raise ValueError("Servo(%d) doesn't exist" % id)
        self._pwm = _PWM("X%d" % id, freq=50)
        self.pulse_width(1500)

    def pulse_width(self, microseconds=None):
        if microseconds is None:
            return self._width
        self._width = max(640, min(2420, microseconds))
        self._pwm.duty_ns(self._width * 1000)

    def angle(self, degrees=None, time=0):
        if degrees is None:
            return round((self._width - 1500) * 90 / 850)
        self.pulse_width(round(1500 + degrees * 850 / 90))

    def speed(self, percent=None, time=0):
        if percent is None:
            return round((self._width - 1500) / 7)
        self.pulse_width(round(1500 + percent * 7))


class Switch:
    """The pin is pulled up, and the button pulls it down."""

    def __init__(self):
        self._pin = _Pin("SW", _Pin.IN, _Pin.PULL_UP)

    def value(self):
        return not self._pin()

    __call__ = value

    def callback(self, function):
        self._pin.irq(function and (lambda _: function()), _Pin.IRQ_FALLING)


class Timer:
    def __init__(self, id, **more):
        self._timer = _Timer()
        self._callback = self._freq = None
        if more:
            self.init(**more)

    def init(self, *, freq, callback=None, **_):
        self._freq = freq
        self.callback(callback or self._callback)

    def freq(self):
        return self._freq

    def callback(self, function):
        self._callback = function
        self._timer.deinit()
        if function and self._freq:
            self._timer.init(freq=self._freq, callback=lambda _: function(self))

    def deinit(self):
        self.callback(None)
