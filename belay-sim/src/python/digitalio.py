from _board import _ask
from microcontroller import _claim, _free


class _Choice:
    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return "digitalio." + self._text


class Direction:
    INPUT = _Choice("Direction.INPUT")
    OUTPUT = _Choice("Direction.OUTPUT")


class Pull:
    UP = _Choice("Pull.UP")
    DOWN = _Choice("Pull.DOWN")


class DriveMode:
    PUSH_PULL = _Choice("DriveMode.PUSH_PULL")
    OPEN_DRAIN = _Choice("DriveMode.OPEN_DRAIN")


class DigitalInOut:
    def __init__(self, pin):
        _claim(pin, self)
        self._pin = pin
        self.switch_to_input()

    def deinit(self):
        if self._pin:
            self.switch_to_input()
            _free(self._pin)
            self._pin = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.deinit()

    def _ask(self, request):
        if not self._pin:
            raise ValueError("Object has been deinitialized and can no longer be used. Create a new object.")
        words = request.split(" ")
        words.insert(1, self._pin._name)
        return _ask(" ".join(words))

    def switch_to_input(self, pull=None):
        self._direction = Direction.INPUT
        self._pull = pull
        self._ask("pin.init 0 %d" % (pull is Pull.UP))

    def switch_to_output(self, value=False, drive_mode=DriveMode.PUSH_PULL):
        self._direction = Direction.OUTPUT
        self.drive_mode = drive_mode
        self._ask("pin.set %d" % bool(value))
        self._ask("pin.init 1 0")

    @property
    def direction(self):
        return self._direction

    @direction.setter
    def direction(self, direction):
        if direction is Direction.OUTPUT:
            self.switch_to_output()
        else:
            self.switch_to_input()

    @property
    def pull(self):
        if self._direction is Direction.OUTPUT:
            raise AttributeError("Cannot get pull while in output mode")
        return self._pull

    @pull.setter
    def pull(self, pull):
        if self._direction is Direction.OUTPUT:
            raise AttributeError("Cannot set pull while in output mode")
        self.switch_to_input(pull)

    @property
    def value(self):
        return bool(self._ask("pin.get"))

    @value.setter
    def value(self, value):
        if self._direction is not Direction.OUTPUT:
            raise AttributeError("Cannot set value when direction is input.")
        self._ask("pin.set %d" % bool(value))
