"""What a cached call costs with belay and mpremote, and what becomes of some calls that are not so simple.

`comparison.py PORT FILE` adds one JSON object a tool and one a question to the file.
"""

import json
import math
import multiprocessing
import statistics
import sys
import time

import serial

CALLS = 100


def report(**row):
    # Standard output is for what the tasks print.
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps(row) + "\n")


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
    report(tool=tool, ms_median=statistics.median(times), ms_p99=p99, **each)


BELAY, MPREMOTE = "belay 0.30.1 (Python)", "mpremote 1.29.0"

# Whoever waits longer for an endless loop that was given one second has no deadline.
PATIENCE = 3


def answer(tool, question, right, call):
    """Whether a call gives what it should."""
    try:
        fits = bool(right(call()))
    except BaseException:
        fits = False
    report(tool=tool, question=question, yes=fits)


def ask(tool, port, question, worker):
    """Whether the answer is yes, in a process of its own: some of these hang, and some leave a session unusable."""
    process = multiprocessing.Process(target=worker, args=(tool, port, question))
    process.start()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
        report(tool=tool, question=question, yes=False)


def belay_device(port):
    from belay import Device

    return Device(port)


def belay_measures(port):
    device = belay_device(port)

    @device.task
    def read_temp(pin):
        return pin * 2 + 0.5

    measure(BELAY, lambda: read_temp(26))
    device.close()


def belay_answers(tool, port, question):
    device = belay_device(port)
    # A board that is not well is no answer.
    assert device("6 * 7") == 42

    @device.task
    def no_line_end():
        print("printed", end="")
        return 7

    @device.task
    def end_of_transmission():
        import sys

        sys.stdout.write("\x04")
        return 7

    @device.task
    def not_a_number():
        return float("nan")

    @device.task
    def for_ever():
        while True:
            pass

    calls = {
        "print": (lambda value: value == 7, no_line_end),
        "control": (lambda value: value == 7, end_of_transmission),
        "nan": (math.isnan, not_a_number),
        # There is nothing to give it a deadline with.
        "deadline": (lambda value: True, for_ever),
    }
    answer(tool, question, *calls[question])


def mpremote_board(port):
    from mpremote.transport_serial import SerialTransport

    board = SerialTransport(port)
    board.enter_raw_repl(soft_reset=False)
    return board


def mpremote_measures(port):
    board = mpremote_board(port)
    board.exec("def read_temp(pin):\n return pin * 2 + 0.5")
    measure(MPREMOTE, lambda: board.eval("read_temp(26)"))
    board.close()


def mpremote_answers(tool, port, question):
    board = mpremote_board(port)
    assert board.eval("6 * 7") == 42
    board.exec("def no_line_end():\n print('printed', end='')\n return 7")
    board.exec("def end_of_transmission():\n import sys\n sys.stdout.write('\\x04')\n return 7")

    def after_a_late_call():
        try:
            board.exec_raw("while True: pass", timeout=1)
        except Exception:
            return board.eval("6 * 7")

    calls = {
        "print": (lambda value: value == 7, lambda: board.eval("no_line_end()")),
        "control": (lambda value: value == 7, lambda: board.eval("end_of_transmission()")),
        "nan": (math.isnan, lambda: board.eval("float('nan')")),
        "deadline": (lambda value: value == 42, after_a_late_call),
    }
    answer(tool, question, *calls[question])


def main(port):
    Line.watch()
    belay_measures(port)
    mpremote_measures(port)
    for question in ["print", "control", "nan", "deadline"]:
        ask(BELAY, port, question, belay_answers)
        ask(MPREMOTE, port, question, mpremote_answers)


if __name__ == "__main__":
    main(sys.argv[1])
