"""What the program needs of `machine`, for an interpreter without pins: written down in the file MACHINE_LOG."""

import os


def _note(what):
    with open(os.getenv("MACHINE_LOG"), "a") as log:
        log.write(what + "\n")


class ADC:
    def __init__(self, channel):
        pass

    def read_u16(self):
        return 14021


class Pin:
    OUT = 1

    def __init__(self, name, mode=None):
        pass

    def toggle(self):
        _note("toggle")

    def off(self):
        _note("off")


class PWM:
    def __init__(self, pin, freq, duty_u16):
        pass

    def duty_u16(self, duty):
        _note("duty %d" % duty)

    def deinit(self):
        _note("deinit")
