from sys import platform

from _board import _ask

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


def __getattr__(name):
    if name in ("ADC", "Pin", "PWM", "Signal"):
        import _machine_pin as module
    elif name in ("I2C", "SPI", "SoftI2C", "SoftSPI", "UART"):
        import _machine_bus as module
    elif name in ("RTC", "Timer", "WDT"):
        import _machine_time as module
    elif name == "TouchPad" and platform == "esp32":
        import _machine_esp32 as module
    else:
        raise AttributeError(name)
    return getattr(module, name)


def unique_id():
    return _ask("unique_id")


def freq(hertz=None):
    return _ask("freq" if hertz is None else "freq %d" % hertz)


def reset():
    _ask("reset")


def soft_reset():
    raise SystemExit


def reset_cause():
    return PWRON_RESET


def idle():
    lightsleep(1)


def lightsleep(ms=0):
    from time import sleep_ms

    sleep_ms(ms)


def disable_irq():
    return _ask("irq 0")


def enable_irq(state):
    _ask("irq %d" % state)
