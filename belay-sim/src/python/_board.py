_device = open("/dev/board", "r+b")
_callbacks = {}


def _ask(request, data=b""):
    _device.write(request.encode() + b"\n" + data)
    return eval(_device.read())


def _fire(number):
    callback = _callbacks.get(number)
    if callback:
        callback()


def _on(callback):
    _ask("callback %d" % id(_fire))
    number = 0
    while number in _callbacks:
        number += 1
    _callbacks[number] = callback
    return number
