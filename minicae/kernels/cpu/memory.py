"""Moving, adding and scaling arrays: padding, cropping, labels, sums."""

import math

import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.memory import aligned


def empty(shape, dtype):
    """As `reference.memory.empty`; the array begins on a line of the cache."""
    return aligned(shape, dtype)


def upload(host, array):
    """As `reference.memory.upload`."""
    np.copyto(array, host)


def download(array):
    """As `reference.memory.download`."""
    return np.array(array)


def pad2d(x, y, padding):
    """As `reference.memory.pad2d`."""
    _pad(y.size, x, y, padding[0], padding[2])


def crop2d(x, y, cropping):
    """As `reference.memory.crop2d`."""
    _crop(y.size, x, y, cropping[0], cropping[2])


def append_one_hot(x, labels, y):
    """As `reference.memory.append_one_hot`."""
    samples = len(x), math.prod(x.shape[1:-1])
    _append(y.size, x.reshape(*samples, x.shape[-1]), labels, y.reshape(*samples, y.shape[-1]))


def transpose(x, y):
    """As `reference.memory.transpose`."""
    y[...] = x.T


def add(x, other, y):
    """As `reference.memory.add`."""
    _add(x.size, x.reshape(-1), other.reshape(-1), y.reshape(-1))


def scale(x, factor):
    """As `reference.memory.scale`."""
    _scale(x.size, x.reshape(-1), float(factor))


@entry
def _pad(x, y, top, left):
    N, H, W, C = x.shape
    for n in prange(N):
        y[n] = 0
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    y[n, top + h, left + w, c] = x[n, h, w, c]


@entry
def _crop(x, y, top, left):
    N, H, W, C = y.shape
    for n in prange(N):
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    y[n, h, w, c] = x[n, top + h, left + w, c]


@entry
def _append(x, labels, y):
    N, P, C = x.shape
    for n in prange(N):
        label = np.rint(labels[n])
        for p in range(P):
            for c in range(C):
                y[n, p, c] = x[n, p, c]
            for c in range(C, y.shape[2]):
                y[n, p, c] = label == c - C


@entry
def _add(x, other, y):
    for i in prange(x.size):
        y[i] = x[i] + other[i]


@entry
def _scale(x, factor):
    by = x.dtype.type(factor)
    for i in prange(x.size):
        x[i] *= by
