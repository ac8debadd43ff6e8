"""Activations on their own, where no matrix product is there to carry them, and softmax."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scalar import CODES, activate, slope


def activation_forward(x, y, activation, alpha):
    """As `reference.activation.activation_forward`."""
    _forward(x.size, x.reshape(-1), y.reshape(-1), CODES[activation], x.dtype.type(alpha))


def activation_backward(dy, y, dpre, activation, alpha):
    """As `reference.activation.activation_backward`."""
    _backward(y.size, dy.reshape(-1), y.reshape(-1), dpre.reshape(-1), CODES[activation], y.dtype.type(alpha))


def softmax_forward(x, y):
    """As `reference.activation.softmax_forward`."""
    C = x.shape[-1]
    _softmax_forward(8 * x.size, x.reshape(-1, C), y.reshape(-1, C))


def softmax_backward(dy, y, dx):
    """As `reference.activation.softmax_backward`."""
    C = y.shape[-1]
    _softmax_backward(2 * y.size, dy.reshape(-1, C), y.reshape(-1, C), dx.reshape(-1, C))


@entry
def _forward(x, y, code, alpha):
    one = y.dtype.type(1)
    for i in prange(x.size):
        y[i] = activate(x[i], code, alpha, one)


@entry
def _backward(dy, y, dpre, code, alpha):
    one = y.dtype.type(1)
    for i in prange(y.size):
        dpre[i] = dy[i] * slope(y[i], code, alpha, one)


@entry
def _softmax_forward(x, y):
    for m in prange(x.shape[0]):
        top = x[m, 0]
        for c in range(x.shape[1]):
            top = max(top, x[m, c])
        total = y.dtype.type(0)
        for c in range(x.shape[1]):
            y[m, c] = math.exp(x[m, c] - top)
            total += y[m, c]
        for c in range(x.shape[1]):
            y[m, c] /= total


@entry
def _softmax_backward(dy, y, dx):
    for m in prange(y.shape[0]):
        inner = y.dtype.type(0)
        for c in range(y.shape[1]):
            inner += dy[m, c] * y[m, c]
        for c in range(y.shape[1]):
            dx[m, c] = y[m, c] * (dy[m, c] - inner)
