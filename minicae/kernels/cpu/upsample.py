"""Nearest and bilinear upsampling; each backward kernel is the adjoint of its forward kernel, weight by weight."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu.activation import activation_backward


def upsample_nearest_forward(x, y, size):
    """As `reference.upsample.upsample_nearest_forward`."""
    _nearest_forward(y.size, x, y, size)


def upsample_nearest_backward(dy, dx, size, through=None):
    """As `reference.upsample.upsample_nearest_backward`."""
    _nearest_backward(dy.size, dy, dx, size)
    if through is not None:
        activation_backward(dx, through[0], dx, *through[1:])


def upsample_bilinear_forward(x, y, align_corners):
    """As `reference.upsample.upsample_bilinear_forward`."""
    _bilinear_forward(4 * y.size, x, y, align_corners)


def upsample_bilinear_backward(dy, dx, align_corners, through=None):
    """As `reference.upsample.upsample_bilinear_backward`."""
    _bilinear_backward(4 * dy.size, dy, dx, align_corners)
    if through is not None:
        activation_backward(dx, through[0], dx, *through[1:])


@entry
def _nearest_forward(x, y, size):
    N, H, W, C = x.shape
    for row in prange(N * H):
        n, h = row // H, row % H
        for p in range(size[0]):
            for w in range(W):
                for q in range(size[1]):
                    for c in range(C):
                        y[n, h * size[0] + p, w * size[1] + q, c] = x[n, h, w, c]


@entry
def _nearest_backward(dy, dx, size):
    N, H, W, C = dx.shape
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            dx[n, h, w] = 0
            for p in range(size[0]):
                for q in range(size[1]):
                    for c in range(C):
                        dx[n, h, w, c] += dy[n, h * size[0] + p, w * size[1] + q, c]


@helper
def _source(i, size, out_size, align_corners):
    """Output place i as (lower neighbour, upper neighbour, weight of the upper one), clamped to the image."""
    if align_corners:
        at = i * (size - 1) / (out_size - 1) if out_size > 1 else 0.0
    else:
        at = min(max((i + 0.5) * size / out_size - 0.5, 0.0), size - 1.0)
    low = min(int(math.floor(at)), size - 1)
    return low, min(low + 1, size - 1), at - low


@entry
def _bilinear_forward(x, y, align_corners):
    N, H, W, C = x.shape
    OH, OW = y.shape[1:3]
    for row in prange(N * OH):
        n, i = row // OH, row % OH
        h0, h1, v = _source(i, H, OH, align_corners)
        for j in range(OW):
            w0, w1, u = _source(j, W, OW, align_corners)
            a, b = y.dtype.type((1 - v) * (1 - u)), y.dtype.type((1 - v) * u)
            d, e = y.dtype.type(v * (1 - u)), y.dtype.type(v * u)
            for c in range(C):
                y[n, i, j, c] = a * x[n, h0, w0, c] + b * x[n, h0, w1, c] + d * x[n, h1, w0, c] + e * x[n, h1, w1, c]


@entry
def _bilinear_backward(dy, dx, align_corners):
    N, H, W, C = dx.shape
    OH, OW = dy.shape[1:3]
    for n in prange(N):
        dx[n] = 0
        for i in range(OH):
            h0, h1, v = _source(i, H, OH, align_corners)
            for j in range(OW):
                w0, w1, u = _source(j, W, OW, align_corners)
                _add_scaled(dx, n, h0, w0, dy, i, j, dy.dtype.type((1 - v) * (1 - u)))
                _add_scaled(dx, n, h0, w1, dy, i, j, dy.dtype.type((1 - v) * u))
                _add_scaled(dx, n, h1, w0, dy, i, j, dy.dtype.type(v * (1 - u)))
                _add_scaled(dx, n, h1, w1, dy, i, j, dy.dtype.type(v * u))


@helper
def _add_scaled(dx, n, h, w, dy, i, j, weight):
    for c in range(dy.shape[3]):
        dx[n, h, w, c] += weight * dy[n, i, j, c]
