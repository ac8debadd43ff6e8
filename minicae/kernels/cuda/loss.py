"""Losses: the cost of each image, a block of threads to an image, and their gradients, a thread to an element."""

import math

from minicae.kernels.cuda._curves import sigmoid, softplus
from minicae.kernels.cuda._device import cuda
from minicae.kernels.cuda._launch import device, kernel, launch
from minicae.kernels.cuda._reduce import cost, sum_images


def mse_forward(y, target, per_image):
    """As `reference.loss.mse_forward`."""
    _forward(_MSE, y, target, per_image)


def mse_backward(y, target, dy, scale):
    """As `reference.loss.mse_backward`."""
    launch(_mse_backward, y.size, y, target, dy, 2 * scale)


def mae_forward(y, target, per_image):
    """As `reference.loss.mae_forward`."""
    _forward(_MAE, y, target, per_image)


def mae_backward(y, target, dy, scale):
    """As `reference.loss.mae_backward`."""
    launch(_mae_backward, y.size, y, target, dy, scale)


def bce_forward(y, target, per_image):
    """As `reference.loss.bce_forward`."""
    _forward(_BCE, y, target, per_image)


def bce_backward(y, target, dy, scale):
    """As `reference.loss.bce_backward`."""
    launch(_bce_backward, y.size, y, target, dy, scale, 1e-12)


def bce_logits_forward(y, target, per_image):
    """As `reference.loss.bce_logits_forward`."""
    _forward(_BCE_LOGITS, y, target, per_image)


def bce_logits_backward(y, target, dy, scale):
    """As `reference.loss.bce_logits_backward`."""
    launch(_bce_logits_backward, y.size, y, target, dy, scale)


def _forward(made, y, target, per_image):
    sum_images(made, y, target, per_image, y.size // max(1, len(y)))


@device
def _limited(logarithm, lowest):
    """The logarithm, at least -100; a NaN stays one."""
    if logarithm < lowest:
        logarithm = lowest
    return logarithm


@device
def _squared_error(y, target, n, i, size):
    d = y[n * size + i] - target[n * size + i]
    return d * d


@device
def _absolute_error(y, target, n, i, size):
    return abs(y[n * size + i] - target[n * size + i])


@device
def _cross_entropy(y, target, n, i, size):
    v, t = y[n * size + i], target[n * size + i]
    one = y.dtype.type(1)
    yes = no = y.dtype.type(-100)  # what a logarithm of 0 counts as
    if v < one - one or v > one:
        return y.dtype.type(math.nan)  # no probability: the simulator's logarithm would raise
    if v != one - one:
        yes = _limited(math.log(v), yes)
    if v != one:
        no = _limited(math.log1p(-v), no)
    return -(t * yes + (one - t) * no)


@device
def _cross_entropy_of_logits(y, target, n, i, size):
    v = y[n * size + i]
    return softplus(v, y.dtype.type(1)) - v * target[n * size + i]


_MSE = cost(_squared_error, "mse")
_MAE = cost(_absolute_error, "mae")
_BCE = cost(_cross_entropy, "bce")
_BCE_LOGITS = cost(_cross_entropy_of_logits, "bce_logits")


@kernel("RRRr")
def _mse_backward(y, target, dy, twice):
    i = cuda.grid(1)
    if i < y.size:
        dy[i] = twice * (y[i] - target[i])


@kernel("RRRr")
def _mae_backward(y, target, dy, scale):
    i = cuda.grid(1)
    if i < y.size:
        d = y[i] - target[i]
        zero = scale - scale
        if d > zero:
            dy[i] = scale
        elif d < zero:
            dy[i] = -scale
        else:
            dy[i] = d * zero  # 0, or the NaN that d is


@kernel("RRRrr")
def _bce_backward(y, target, dy, scale, least):
    i = cuda.grid(1)
    if i < y.size:
        v = y[i]
        below = v * (y.dtype.type(1) - v)
        if below < least:
            below = least
        dy[i] = scale * (v - target[i]) / below


@kernel("RRRr")
def _bce_logits_backward(y, target, dy, scale):
    i = cuda.grid(1)
    if i < y.size:
        dy[i] = scale * (sigmoid(y[i], y.dtype.type(1)) - target[i])
