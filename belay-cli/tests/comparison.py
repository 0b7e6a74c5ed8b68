"""A cached call, as belay and mpremote make it: `comparison.py PORT`, prints one JSON object a tool."""

import json
import statistics
import sys
import time

import serial

CALLS = 200


class Line:
    """Counts what a tool writes and reads, as `belay bench` counts it."""

    out = into = turns = 0
    reading = True

    @classmethod
    def watch(cls):
        write, read = serial.Serial.write, serial.Serial.read

        def counted_write(port, data):
            cls.out += len(data)
            cls.turns += cls.reading
            cls.reading = False
            return write(port, data)

        def counted_read(port, size=1):
            data = read(port, size)
            cls.into += len(data)
            cls.reading = cls.reading or bool(data)
            return data

        serial.Serial.write, serial.Serial.read = counted_write, counted_read


def measure(tool, call):
    assert call() == 52.5
    Line.out = Line.into = Line.turns = 0
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        assert call() == 52.5
        times.append((time.perf_counter() - start) * 1000)
    each = {"bytes_out": Line.out // CALLS, "bytes_in": Line.into // CALLS, "turns": Line.turns // CALLS}
    p99 = sorted(times)[CALLS * 99 // 100 - 1]
    print(json.dumps({"tool": tool, "ms_median": statistics.median(times), "ms_p99": p99, **each}))


def with_belay(port):
    from belay import Device

    device = Device(port)

    @device.task
    def read_temp(pin):
        return pin * 2 + 0.5

    measure("belay 0.30.1 (Python)", lambda: read_temp(26))
    device.close()


def with_mpremote(port):
    from mpremote.transport_serial import SerialTransport

    board = SerialTransport(port)
    board.enter_raw_repl(soft_reset=False)
    board.exec("def read_temp(pin):\n return pin * 2 + 0.5")
    measure("mpremote 1.29.0", lambda: board.eval("read_temp(26)"))
    board.close()


Line.watch()
with_belay(sys.argv[1])
with_mpremote(sys.argv[1])
