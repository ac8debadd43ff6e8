"""Penalties on a code: sparse (L1, L2, Kullback-Leibler) and contractive."""

import math

import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scalar import CODES, bend, slope
from minicae.kernels.cpu._vector import magnitude_sum, square_sum

CLIP = 1e-7  # how near to 0 and 1 a mean activation may come


def l1_forward(z, per_image):
    """As `reference.penalty.l1_forward`."""
    _power_forward(z.size, z.reshape(-1), per_image, False)


def l1_backward(z, dz, scale):
    """As `reference.penalty.l1_backward`."""
    _power_backward(z.size, z.reshape(-1), dz.reshape(-1), z.dtype.type(scale), False)


def l2_forward(z, per_image):
    """As `reference.penalty.l2_forward`."""
    _power_forward(z.size, z.reshape(-1), per_image, True)


def l2_backward(z, dz, scale):
    """As `reference.penalty.l2_backward`."""
    _power_backward(z.size, z.reshape(-1), dz.reshape(-1), z.dtype.type(scale), True)


def kl_sparsity_forward(z, mean, rho):
    """As `reference.penalty.kl_sparsity_forward`."""
    _mean_activation(z.size, z, mean)
    return _divergence.serial(mean, rho)


def kl_sparsity_backward(mean, dz, rho, scale):
    """As `reference.penalty.kl_sparsity_backward`."""
    _divergence_backward(dz.size, mean, dz, rho, float(scale))


def contractive_forward(y, w, per_image, activation, alpha):
    """As `reference.penalty.contractive_forward`."""
    _jacobian_forward(y.size + w.size, y, w, per_image, CODES[activation], y.dtype.type(alpha))


def contractive_backward(y, w, dy, dw, scale, activation, alpha):
    """As `reference.penalty.contractive_backward`."""
    code, alpha = CODES[activation], y.dtype.type(alpha)
    _jacobian_backward(2 * (y.size + w.size), y, w, dy, dw, y.dtype.type(scale), code, alpha)


@entry
def _power_forward(z, per_image, squared):
    size = z.size // max(1, per_image.size)
    for n in prange(per_image.size):
        image = z[n * size : (n + 1) * size]
        per_image[n] = square_sum(image) if squared else magnitude_sum(image)


@entry
def _power_backward(z, dz, scale, squared):
    zero = z.dtype.type(0)
    for i in prange(z.size):
        v = z[i]
        if squared:
            dz[i] = scale * (v + v)
        else:
            dz[i] = scale if v > 0 else -scale if v < 0 else v * zero


@entry
def _mean_activation(z, mean):
    N = z.shape[0]
    for d in prange(mean.size):
        total = 0.0
        for n in range(N):
            total += z[n, d]
        mean[d] = min(max(total / N, CLIP), 1 - CLIP)


@entry
def _divergence(mean, rho):
    total = 0.0
    for d in range(mean.size):
        m = np.float64(mean[d])
        total += rho * math.log(rho / m) + (1 - rho) * math.log((1 - rho) / (1 - m))
    return total


@entry
def _divergence_backward(mean, dz, rho, scale):
    N, D = dz.shape
    low, high = mean.dtype.type(CLIP), mean.dtype.type(1 - CLIP)
    for n in prange(N):
        for d in range(D):
            inside = low < mean[d] < high
            dz[n, d] = scale / N * ((1 - rho) / (1 - mean[d]) - rho / mean[d]) if inside else 0.0


@entry
def _jacobian_forward(y, w, per_image, code, alpha):
    one = y.dtype.type(1)
    C, F = w.shape
    for n in prange(per_image.size):
        total = 0.0
        for f in range(F):
            s = np.float64(slope(y[n, f], code, alpha, one))
            length = 0.0
            for c in range(C):
                length += np.float64(w[c, f]) ** 2
            total += s * s * length
        per_image[n] = total


@entry
def _jacobian_backward(y, w, dy, dw, scale, code, alpha):
    one = y.dtype.type(1)
    two = one + one
    C, F = w.shape
    for f in prange(F):
        length, steepness = y.dtype.type(0), y.dtype.type(0)
        for c in range(C):
            length += w[c, f] * w[c, f]
        for n in range(y.shape[0]):
            s = slope(y[n, f], code, alpha, one)
            steepness += s * s
            dy[n, f] = scale * two * s * bend(y[n, f], code, alpha, one) * length
        for c in range(C):
            dw[c, f] = scale * two * steepness * w[c, f]
