"""Memory that starts on a line of the cache: a vector that is spread over two lines is read and written at half the speed."""

import numpy as np

LINE = 64  # bytes


def aligned(shape: tuple | int, dtype) -> np.ndarray:
    """An array with arbitrary content, C-contiguous, its first element at the beginning of a line."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape))
    flat = np.empty(size + LINE // dtype.itemsize, dtype)
    start = -flat.ctypes.data % LINE // dtype.itemsize
    return flat[start : start + size].reshape(shape)
