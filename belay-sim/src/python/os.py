from uos import *


def uname():
    from collections import namedtuple
    from _board import _ask

    return namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))(*_ask("uname"))
