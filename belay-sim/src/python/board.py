from microcontroller import Pin as _Pin

board_id = "raspberry_pi_pico"


def _pins():
    second = {23: "SMPS_MODE", 24: "VBUS_SENSE", 25: "LED", 26: "A0", 27: "A1", 28: "A2", 29: "A3"}
    for number in range(30):
        pin = _Pin(second.get(number, "GP%d" % number))
        globals()["GP%d" % number] = globals()[pin._name] = pin


_pins()
VOLTAGE_MONITOR = A3  # noqa: F821
