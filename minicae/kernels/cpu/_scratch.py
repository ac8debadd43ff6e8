"""Working memory of the kernels: allocated once, grown when a call needs more, never freed.

What lies in it lasts for one call of one entry and no longer, and entries run one at a time, so one area for each dtype
is enough for all Python threads.
"""

import numba
import numpy as np

from minicae.memory import aligned

_areas = {}
_nothing = {}
_zeros = {}


def threads() -> int:
    """The largest number of threads that a kernel can be run with in this process."""
    return numba.config.NUMBA_NUM_THREADS


def scratch(dtype, size: int) -> np.ndarray:
    """A flat array of at least `size` elements, with arbitrary content."""
    area = _areas.get(dtype)
    if area is None or area.size < size:
        area = _areas[dtype] = aligned(size, dtype)
    return area


def empty(dtype) -> np.ndarray:
    """An array of no elements: what a kernel is given for a bias that is not there."""
    held = _nothing.get(dtype)
    if held is None:
        held = _nothing[dtype] = np.empty(0, dtype)
    return held


def zeros(dtype, size: int) -> np.ndarray:
    """At least `size` zeros: the bias of a kernel that always adds one."""
    held = _zeros.get(dtype)
    if held is None or held.size < size:
        held = _zeros[dtype] = np.zeros(size, dtype)
    return held


def round_up(value: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `value`."""
    return -(-value // step) * step
