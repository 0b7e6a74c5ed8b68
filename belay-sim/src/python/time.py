from _board import _ask
from utime import localtime, mktime, sleep, time


def monotonic_ns():
    return _ask("uptime")


def monotonic():
    return monotonic_ns() / 1000000000
