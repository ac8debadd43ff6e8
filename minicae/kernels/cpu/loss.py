"""Losses: forward kernels write one float64 number an image, so that any grouping of images adds up to the same bits."""

import math

import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry, helper

MSE, MAE, BCE, BCE_LOGITS = range(4)


@helper
def _cost(y, t, code):
    """What one element costs, in float64."""
    if code == MSE:
        return (y - t) * (y - t)
    if code == MAE:
        return abs(y - t)
    if code == BCE:
        return -(t * _floor(math.log(y)) + (1 - t) * _floor(math.log1p(-y)))
    return (0.0 if y <= 0 else y) - y * t + math.log1p(math.exp(-abs(y)))


@helper
def _floor(log):
    """Not below -100, so that a wrong certainty costs much and not infinitely much."""
    return -100.0 if log < -100 else log


@helper
def _slope(y, t, code):
    """The derivative of one element's cost with respect to y, in float64."""
    if code == MSE:
        return 2 * (y - t)
    if code == MAE:
        return 0.0 if y == t else math.copysign(1.0, y - t) if y - t == y - t else y - t
    if code == BCE:
        spread = y * (1 - y)
        return (y - t) / (1e-12 if spread < 1e-12 else spread)
    return 1 / (1 + math.exp(-y)) - t


@entry
def _forward(y, target, per_image, code):
    size = y.size // max(1, per_image.size)
    for n in prange(per_image.size):
        total = 0.0
        for i in range(n * size, (n + 1) * size):
            total += _cost(np.float64(y[i]), np.float64(target[i]), code)
        per_image[n] = total


@entry
def _backward(y, target, dy, scale, code):
    for i in prange(y.size):
        dy[i] = scale * _slope(np.float64(y[i]), np.float64(target[i]), code)


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
