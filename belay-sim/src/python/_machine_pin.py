from _board import _ask, _on


def _name(pin):
    return pin._name if isinstance(pin, Pin) else str(pin)


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    ALT = 3
    ANALOG = 4
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **_):
        self._name = _name(id)
        self._number = None
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **_):
        if value is not None:
            self.value(value)
        if mode != -1 or pull != -1:
            _ask("pin.init %s %d %d" % (self._name, mode, pull or 0))

    def value(self, x=None):
        if x is None:
            return _ask("pin.get " + self._name)
        _ask("pin.set %s %d" % (self._name, bool(x)))

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    high = on
    low = off

    def toggle(self):
        _ask("pin.toggle " + self._name)

    def irq(self, handler=None, trigger=12, **_):
        if handler is None:
            trigger = 0
        number = _on(lambda: handler(self)) if trigger else 0
        _ask("pin.irq %s %d %d" % (self._name, trigger, number))
        return self

    def __repr__(self):
        return "Pin(%s)" % self._name


class Signal:
    def __init__(self, pin, *args, invert=False, **more):
        self._pin = pin if isinstance(pin, Pin) else Pin(pin, *args, **more)
        self._invert = invert

    def value(self, x=None):
        if x is None:
            return self._pin.value() ^ self._invert
        self._pin.value(bool(x) ^ self._invert)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class ADC:
    CORE_TEMP = 4
    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3

    def __init__(self, pin, **_):
        self._name = _name(pin)

    def read_u16(self):
        return _ask("adc " + self._name)

    def read_uv(self):
        return self.read_u16() * 3300000 // 65535

    def read(self):
        return self.read_u16() >> 4

    def atten(self, _):
        pass

    width = atten


class PWM:
    def __init__(self, pin, freq=None, duty_u16=None, duty_ns=None, **_):
        self._name = _name(pin)
        self._freq = self._duty = 0
        self.init(freq, duty_u16, duty_ns)

    def init(self, freq=None, duty_u16=None, duty_ns=None, **_):
        if freq is not None:
            self._freq = freq
        if duty_u16 is not None:
            self._duty = duty_u16
        if duty_ns is not None:
            self._duty = min(65535, duty_ns * self._freq * 65535 // 1000000000)
        _ask("pwm %s %d %d" % (self._name, self._freq, self._duty))

    def freq(self, hertz=None):
        if hertz is None:
            return self._freq
        self.init(freq=hertz)

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self.init(duty_u16=value)

    def duty_ns(self, value=None):
        if value is None:
            return self._duty * 1000000000 // (65535 * self._freq)
        self.init(duty_ns=value)

    def duty(self, value=None):
        if value is None:
            return self._duty >> 6
        self.init(duty_u16=value << 6)

    def deinit(self):
        self.init(0, 0)
