"""Numbers that a device is still working out."""

import functools


class Later:
    """What `read()` gives, once it is asked for as `value`, as a float or as a bool: until then nobody waits for the device.

    `array` lies on the device and is what the number is read from; it is finite where the number is.
    """

    def __init__(self, array, read):
        self.array, self._read = array, read

    @functools.cached_property
    def value(self):
        """The number."""
        return self._read()

    def forget(self) -> None:
        """Read it anew the next time: the device has worked out another one."""
        self.__dict__.pop("value", None)

    def __rmul__(self, factor):
        return Later(self.array, lambda: factor * self._read())

    def __add__(self, other):
        return Later(self.array, lambda: self._read() + other)

    __mul__, __radd__ = __rmul__, __add__

    def __float__(self):
        return float(self.value)

    def __bool__(self):
        return bool(self.value)

    def __reduce__(self):  # a copy is the number
        return type(self.value), (self.value,)
