"""Losses: forward kernels write one float64 number an image, so that any grouping of images adds up to the same bits."""

import numpy as np
from numba import prange

from minicae.kernels.cpu._elementary import exp, log, log1p
from minicae.kernels.cpu._jit import entry, helper

MSE, MAE, BCE, BCE_LOGITS = range(4)
RUN = 4096  # elements of one task of a backward kernel


@helper
def _floor(log):
    """Not below -100, so that a wrong certainty costs much and not infinitely much."""
    return -100.0 if log < -100 else log


@helper
def _cost(y, t, code):
    """What a run of elements costs together, in float64."""
    total = 0.0
    if code == MSE:
        for i in range(y.size):
            d = np.float64(y[i]) - np.float64(t[i])
            total += d * d
    elif code == MAE:
        for i in range(y.size):
            total += abs(np.float64(y[i]) - np.float64(t[i]))
    elif code == BCE:
        for i in range(y.size):
            p, q = np.float64(y[i]), np.float64(t[i])
            total -= q * _floor(log(p)) + (1 - q) * _floor(log1p(-p))
    else:
        for i in range(y.size):
            v = np.float64(y[i])
            total += (0.0 if v <= 0 else v) - v * np.float64(t[i]) + log1p(exp(-abs(v)))
    return total


@helper
def _slope(y, t, dy, scale, code):
    """dy = scale * the derivative of each element's cost with respect to y; in float64 where digits would cancel."""
    one, least = dy.dtype.type(1), dy.dtype.type(1e-12)
    if code == MSE:
        for i in range(dy.size):
            dy[i] = scale * (y[i] - t[i] + (y[i] - t[i]))
    elif code == MAE:
        for i in range(dy.size):
            d = y[i] - t[i]
            dy[i] = scale * (one if d > 0 else -one if d < 0 else d)
    elif code == BCE:
        for i in range(dy.size):
            spread = y[i] * (one - y[i])
            dy[i] = scale * (y[i] - t[i]) / (least if spread < least else spread)
    else:
        for i in range(dy.size):
            e = exp(-abs(np.float64(y[i])))
            dy[i] = scale * ((1.0 if y[i] > 0 else e) / (1 + e) - np.float64(t[i]))


@entry
def _forward(y, target, per_image, code):
    size = y.size // max(1, per_image.size)
    for n in prange(per_image.size):
        per_image[n] = _cost(y[n * size : (n + 1) * size], target[n * size : (n + 1) * size], code)


@entry
def _backward(y, target, dy, scale, code):
    for run in prange((y.size + RUN - 1) // RUN):
        first, end = run * RUN, min((run + 1) * RUN, y.size)
        _slope(y[first:end], target[first:end], dy[first:end], dy.dtype.type(scale), code)


def mse_forward(y, target, per_image):
    """As `reference.loss.mse_forward`."""
    _forward(y.size, y.reshape(-1), target.reshape(-1), per_image, MSE)


def mse_backward(y, target, dy, scale):
    """As `reference.loss.mse_backward`."""
    _backward(y.size, y.reshape(-1), target.reshape(-1), dy.reshape(-1), float(scale), MSE)


def mae_forward(y, target, per_image):
    """As `reference.loss.mae_forward`."""
    _forward(y.size, y.reshape(-1), target.reshape(-1), per_image, MAE)


def mae_backward(y, target, dy, scale):
    """As `reference.loss.mae_backward`."""
    _backward(y.size, y.reshape(-1), target.reshape(-1), dy.reshape(-1), float(scale), MAE)


def bce_forward(y, target, per_image):
    """As `reference.loss.bce_forward`."""
    _forward(20 * y.size, y.reshape(-1), target.reshape(-1), per_image, BCE)


def bce_backward(y, target, dy, scale):
    """As `reference.loss.bce_backward`."""
    _backward(y.size, y.reshape(-1), target.reshape(-1), dy.reshape(-1), float(scale), BCE)


def bce_logits_forward(y, target, per_image):
    """As `reference.loss.bce_logits_forward`."""
    _forward(20 * y.size, y.reshape(-1), target.reshape(-1), per_image, BCE_LOGITS)


def bce_logits_backward(y, target, dy, scale):
    """As `reference.loss.bce_logits_backward`."""
    _backward(10 * y.size, y.reshape(-1), target.reshape(-1), dy.reshape(-1), float(scale), BCE_LOGITS)
