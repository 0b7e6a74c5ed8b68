import uos
from uos import *


def ilistdir(path="."):
    slash = "/" if isinstance(path, str) else b"/"
    for name, kind, inode in uos.ilistdir(path):
        yield name, kind, inode, 0 if kind & 0x4000 else stat(path + slash + name)[6]


def uname():
    from collections import namedtuple
    from _board import _ask

    return namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))(*_ask("uname"))
