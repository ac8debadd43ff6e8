"""Memory: where arrays begin, and whether there is enough.

Arrays start on a line of the cache: a vector that is spread over two lines is read and written at half the speed. What
would not fit is refused before it is begun: an operating system gives out more than there is, and ends the process later.
"""

import contextlib
import math
import re
from pathlib import Path

import numpy as np

from minicae.errors import SettingError

LINE = 64  # bytes
SMALL = 1 << 26  # bytes that nobody asks about
GROUP = Path("/sys/fs/cgroup")  # where Linux tells the limits of a container


def aligned(shape: tuple | int, dtype) -> np.ndarray:
    """An array with arbitrary content, C-contiguous, its first element at the beginning of a line."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape))
    flat = np.empty(size + LINE // dtype.itemsize, dtype)
    start = -flat.ctypes.data % LINE // dtype.itemsize
    return flat[start : start + size].reshape(shape)


def available() -> int | None:
    """Bytes that can still be taken, as Linux tells for the machine and the container; None where nobody tells."""
    found = []
    with contextlib.suppress(OSError):
        told = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        found += [int(told[1]) << 10] if told else []
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        found.append(int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return min(found, default=None)


def require(size: int, what: str, remedy: str) -> None:
    """SettingError where `size` bytes for `what` are more than there are; `remedy` says what to do."""
    if size < SMALL:
        return
    left = available()
    if left is not None and size > left:
        raise SettingError(
            f"{what} would take {size / 2**30:.1f} GiB of memory, {max(0, left) / 2**30:.1f} are left: {remedy}"
        )


def countable(shape: tuple | int, most: int) -> None:
    """SettingError where an array of this shape has more numbers than kernels count."""
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    if size > most:
        raise SettingError(
            f"an array {shape} has {size:,} numbers, kernels on the device count to {most:,}: choose a smaller batch or model"
        )
