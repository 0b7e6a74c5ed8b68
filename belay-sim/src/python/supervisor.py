from utime import ticks_ms as _ticks_ms


class _Runtime:
    usb_connected = True
    serial_connected = True
    autoreload = False

    @property
    def serial_bytes_available(self):
        from select import POLLIN, poll
        from sys import stdin

        waiting = poll()
        waiting.register(stdin, POLLIN)
        return int(bool(waiting.poll(0)))


runtime = _Runtime()


def ticks_ms():
    return _ticks_ms() & 0x1FFFFFFF


def reload():
    raise SystemExit
