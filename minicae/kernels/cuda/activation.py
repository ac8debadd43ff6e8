"""Activations, element by element, and softmax, a thread to a row."""

import math

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._device import cuda
from minicae.kernels.cuda._launch import kernel, launch


def activation_forward(x, y, activation, alpha):
    """As `reference.activation.activation_forward`."""
    _curves.forward(x, y, activation, alpha)


def activation_backward(dy, y, dpre, activation, alpha):
    """As `reference.activation.activation_backward`."""
    _curves.backward(dy, y, dpre, activation, alpha)


def softmax_forward(x, y):
    """As `reference.activation.softmax_forward`."""
    C = x.shape[x.ndim - 1]
    launch(_softmax, x.size // max(1, C), x, y, C)


def softmax_backward(dy, y, dx):
    """As `reference.activation.softmax_backward`."""
    C = y.shape[y.ndim - 1]
    launch(_softmax_backward, y.size // max(1, C), dy, y, dx, C)


@kernel("RRi")
def _softmax(x, y, C):
    start = cuda.grid(1) * C
    if start < x.size:
        largest = x[start]
        for c in range(start + 1, start + C):
            if not x[c] <= largest:  # a NaN counts as larger than every number
                largest = x[c]
        total = x.dtype.type(0)
        for c in range(start, start + C):
            e = math.exp(x[c] - largest)
            total += e
            y[c] = e
        for c in range(start, start + C):
            y[c] = y[c] / total


@kernel("RRRi")
def _softmax_backward(dy, y, dx, C):
    start = cuda.grid(1) * C
    if start < y.size:
        total = y.dtype.type(0)
        for c in range(start, start + C):
            total += dy[c] * y[c]
        for c in range(start, start + C):
            dx[c] = y[c] * (dy[c] - total)
