"""Activations on their own, where no matrix product is there to carry them, and softmax."""

from numba import prange

from minicae.kernels.cpu._elementary import exp
from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._scalar import CODES, activate_run, bend_run
from minicae.kernels.cpu._vector import copy

RUN = 4096  # elements that are copied and then changed in place, while they are in the first cache


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
    for run in prange((x.size + RUN - 1) // RUN):
        first = run * RUN
        size = min(RUN, x.size - first)
        copy(x, first, y, first, size)
        activate_run(y[first : first + size], code, alpha)


@entry
def _backward(dy, y, dpre, code, alpha):
    for run in prange((y.size + RUN - 1) // RUN):
        first = run * RUN
        size = min(RUN, y.size - first)
        copy(dy, first, dpre, first, size)
        bend_run(dpre[first : first + size], y[first : first + size], code, alpha)


@helper
def _softmax(x, y):
    """One row of softmax."""
    top = x[0]
    for c in range(x.size):
        top = max(top, x[c])
    for c in range(x.size):
        y[c] = exp(x[c] - top)
    total = y.dtype.type(0)
    for c in range(x.size):
        total += y[c]
    for c in range(x.size):
        y[c] /= total


@entry
def _softmax_forward(x, y):
    for m in prange(x.shape[0]):
        _softmax(x[m], y[m])


@entry
def _softmax_backward(dy, y, dx):
    for m in prange(y.shape[0]):
        inner = y.dtype.type(0)
        for c in range(y.shape[1]):
            inner += dy[m, c] * y[m, c]
        for c in range(y.shape[1]):
            dx[m, c] = y[m, c] * (dy[m, c] - inner)
