from _board import _ask, _callbacks, _on


class Timer:
    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id=-1, **more):
        self._number = None
        if more:
            self.init(**more)

    def init(self, *, mode=PERIODIC, freq=None, period=None, callback=None, **_):
        self.deinit()
        if callback:
            microseconds = period * 1000 if freq is None else 1000000 // freq
            self._number = _on(lambda: callback(self))
            _ask("timer %d %d %d" % (self._number, microseconds, mode))

    def deinit(self):
        if self._number is not None:
            _ask("timer.off %d" % self._number)
            del _callbacks[self._number]
            self._number = None


class RTC:
    def datetime(self, when=None):
        from time import localtime

        year, month, day, hour, minute, second, weekday = localtime()[:7]
        return year, month, day, weekday, hour, minute, second, 0


class WDT:
    """A watchdog that never bites: a test that hangs is seen by the test's own deadline."""

    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass
