from _board import _ask


class I2C:
    def __init__(self, id=0, **_):
        self._id = id

    def init(self, **_):
        pass

    def deinit(self):
        pass

    def scan(self):
        return _ask("i2c.scan %d" % self._id)

    def _acknowledged(self, answer):
        if answer is None:
            raise OSError(5)
        return answer

    def readfrom(self, addr, nbytes, stop=True):
        return self._acknowledged(_ask("i2c.read %d %d %d" % (self._id, addr, nbytes)))

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self.readfrom(addr, len(buf))

    def writeto(self, addr, buf, stop=True):
        return self._acknowledged(_ask("i2c.write %d %d" % (self._id, addr), bytes(buf)))

    def writevto(self, addr, vector, stop=True):
        return self.writeto(addr, b"".join(bytes(part) for part in vector))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"), False)
        return self.readfrom(addr, nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))


class SoftI2C(I2C):
    def __init__(self, scl=None, sda=None, **_):
        super().__init__(0)


class SPI:
    MSB = 0
    LSB = 1
    CONTROLLER = 0

    def __init__(self, id=0, *_, **__):
        self._id = id

    def init(self, *_, **__):
        pass

    def deinit(self):
        pass

    def _transfer(self, data):
        return _ask("spi %d" % self._id, data)

    def write(self, buf):
        self._transfer(bytes(buf))

    def read(self, nbytes, write=0):
        return self._transfer(bytes([write]) * nbytes)

    def readinto(self, buf, write=0):
        buf[:] = self.read(len(buf), write)

    def write_readinto(self, write_buf, read_buf):
        read_buf[:] = self._transfer(bytes(write_buf))


class SoftSPI(SPI):
    def __init__(self, *_, **__):
        super().__init__(0)


class UART:
    def __init__(self, id=0, *_, **__):
        self._id = id

    def init(self, *_, **__):
        pass

    def deinit(self):
        pass

    def any(self):
        return _ask("uart.any %d" % self._id)

    def write(self, buf):
        return _ask("uart.write %d" % self._id, buf.encode() if isinstance(buf, str) else bytes(buf))

    def read(self, nbytes=-1):
        return _ask("uart.read %d %d" % (self._id, nbytes))

    def readinto(self, buf, nbytes=None):
        data = self.read(len(buf) if nbytes is None else nbytes)
        if data is not None:
            buf[: len(data)] = data
            return len(data)

    def readline(self):
        return _ask("uart.readline %d" % self._id)

    def flush(self):
        pass
