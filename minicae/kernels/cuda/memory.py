"""Memory on the device, the ways there and back, and the kernels that hardly calculate."""

import copyreg
import math

import numpy as np

from minicae.kernels.cuda._device import DeviceNDArray, cuda, divide, fetch, send
from minicae.kernels.cuda._launch import kernel, launch, placed
from minicae.kernels.cuda._queue import LOCK, QUEUE, is_pinned, stream
from minicae.memory import countable

MOST = 2**31 - 2**16  # in 32 bits, and the last block of threads reaches beyond the end


def empty(shape, dtype):
    """As `reference.memory.empty`, on the device. Raises SettingError for more numbers than kernels can count."""
    countable(shape, MOST)
    with LOCK:
        QUEUE.events += 1
        return cuda.device_array(shape, dtype)


def upload(host, array):
    """As `reference.memory.upload`; `host` may be changed once this returns, `pinned` memory after the next download.

    From one array on the device to another nothing is waited for.
    """
    if not array.size:
        return
    if hasattr(host, "copy_to_host"):
        launch(_copy, array.size, host, array)
        return
    numbers = host if np.ndim(host) else np.full(array.shape, host)
    numbers = np.ascontiguousarray(numbers, array.dtype).reshape(array.shape)
    with LOCK:
        QUEUE.before_writing(array)
        send(numbers, array, stream() if is_pinned(numbers) else 0)


def download(array):
    """As `reference.memory.download`; waits until everything before it is done."""
    with LOCK:
        QUEUE.flush()
        return fetch(array)


# a copy of a model, and one that is pickled, has arrays of its own there
copyreg.pickle(DeviceNDArray, lambda array: (placed, (download(array),)))


def pad2d(x, y, padding):
    """As `reference.memory.pad2d`."""
    launch(_pad, y.size, x, y, *x.shape[1:], *y.shape[1:3], padding[0], padding[2])


def crop2d(x, y, cropping):
    """As `reference.memory.crop2d`."""
    launch(_crop, y.size, x, y, *x.shape[1:], *y.shape[1:3], cropping[0], cropping[2])


def append_one_hot(x, labels, y):
    """As `reference.memory.append_one_hot`."""
    _, *pixels, C = x.shape
    launch(_append, y.size, x, labels, y, math.prod(pixels), C, y.shape[y.ndim - 1])


def transpose(x, y):
    """As `reference.memory.transpose`."""
    launch(_transpose, x.size, x, y, *x.shape)


def add(x, other, y):
    """As `reference.memory.add`."""
    launch(_add, x.size, x, other, y)


def scale(x, factor):
    """As `reference.memory.scale`."""
    launch(_scale, x.size, x, (factor,))


@kernel("RRiiiiiii")
def _pad(x, y, H, W, C, OH, OW, top, left):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, OW)
        n, i = divide(rest, OH)
        h, w = i - top, j - left
        if h >= 0 and h < H and w >= 0 and w < W:
            y[at] = x[((n * H + h) * W + w) * C + c]
        else:
            y[at] = y.dtype.type(0)


@kernel("RRiiiiiii")
def _crop(x, y, H, W, C, OH, OW, top, left):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, OW)
        n, i = divide(rest, OH)
        y[at] = x[((n * H + top + i) * W + left + j) * C + c]


@kernel("RRRiii")
def _append(x, labels, y, P, C, F):
    at = cuda.grid(1)
    if at < y.size:
        pixel, c = divide(at, F)
        if c < C:
            y[at] = x[pixel * C + c]
        else:
            n, _ = divide(pixel, P)
            half, one = y.dtype.type(0.5), y.dtype.type(1)
            apart = abs(labels[n] - y.dtype.type(c - C))
            hot = apart < half or (apart == half and (c - C) & 1 == 0)  # rounded to it, a half to the even class
            y[at] = one if hot else one - one


@kernel("RR")
def _copy(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i]


@kernel("RRii")
def _transpose(x, y, N, C):
    at = cuda.grid(1)
    if at < y.size:
        c, n = divide(at, N)
        y[at] = x[n * C + c]


@kernel("RRR")
def _add(x, other, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + other[i]


@kernel("RN")
def _scale(x, factor):
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= factor[0]
