from _board import _ask

_used = {}


class Pin:
    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return "board." + self._name


def _claim(pin, user):
    if pin._name in _used:
        raise ValueError(pin._name + " in use")
    _used[pin._name] = user


def _free(pin):
    _used.pop(pin._name, None)


class _Processor:
    voltage = None

    @property
    def frequency(self):
        return _ask("freq")

    @property
    def uid(self):
        return _ask("unique_id")

    @property
    def temperature(self):
        return 27 - (_ask("adc 4") * 3.3 / 65535 - 0.706) / 0.001721


cpu = _Processor()


def reset():
    _ask("reset")


def delay_us(microseconds):
    from utime import sleep_us

    sleep_us(microseconds)
