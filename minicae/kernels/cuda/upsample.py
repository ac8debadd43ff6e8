"""Upsampling, a thread to an element of what is written: backward, each pixel collects what was read from it.

Where bilinear points lie is worked out once for each pair of sizes, on the host and in float64, and kept on the device.
"""

import functools

import numpy as np

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import device, kernel, launch, placed


def upsample_nearest_forward(x, y, size):
    """As `reference.upsample.upsample_nearest_forward`."""
    launch(_nearest, y.size, x, y, *x.shape[1:], *size)


def upsample_nearest_backward(dy, dx, size, through=None):
    """As `reference.upsample.upsample_nearest_backward`."""
    launch(_nearest_backward, dx.size, dy, dx, *dx.shape[1:], *size)
    _curves.pass_on(dx, through)


def upsample_bilinear_forward(x, y, align_corners):
    """As `reference.upsample.upsample_bilinear_forward`."""
    (above, u, _), (before, v, _) = _tables(x.shape, y.shape, align_corners, x.dtype)
    launch(_bilinear, y.size, x, y, above, u, before, v, *x.shape[1:], *y.shape[1:3])


def upsample_bilinear_backward(dy, dx, align_corners, through=None):
    """As `reference.upsample.upsample_bilinear_backward`."""
    (above, u, rows), (before, v, columns) = _tables(dx.shape, dy.shape, align_corners, dy.dtype)
    sizes = *dx.shape[1:], *dy.shape[1:3]
    launch(_bilinear_backward, dx.size, dy, dx, above, u, rows, before, v, columns, *sizes)
    _curves.pass_on(dx, through)


def _tables(small, large, align_corners, dtype):
    return [_table(small[axis], large[axis], bool(align_corners), dtype) for axis in (1, 2)]


@functools.cache
def _table(size, new_size, align_corners, dtype):
    """Along one axis, on the device: for each new pixel the old one before it and how far it is behind that one; for
    each old pixel the new ones that may have read it, first and past the last."""
    i = np.arange(new_size)
    if align_corners:
        source = i * (size - 1) / max(new_size - 1, 1)
    else:
        source = np.clip((i + 0.5) * size / new_size - 0.5, 0, size - 1)
    before = source.astype(np.int32)
    old = np.arange(size)
    readers = np.searchsorted(before, old - 1, "left"), np.searchsorted(before, old, "right")
    return (
        placed(before),
        placed((source - before).astype(dtype)),
        placed(np.stack(readers, 1).ravel().astype(np.int32)),
    )


@kernel("RRiiiii")
def _nearest(x, y, H, W, C, sh, sw):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, W * sw)
        n, i = divide(rest, H * sh)
        h, _ = divide(i, sh)
        w, _ = divide(j, sw)
        y[at] = x[((n * H + h) * W + w) * C + c]


@kernel("RRiiiii")
def _nearest_backward(dy, dx, H, W, C, sh, sw):
    at = cuda.grid(1)
    if at < dx.size:
        rest, c = divide(at, C)
        rest, w = divide(rest, W)
        n, h = divide(rest, H)
        total = dx.dtype.type(0)
        for i in range(sh):
            for j in range(sw):
                total += dy[((n * H * sh + h * sh + i) * W * sw + w * sw + j) * C + c]
        dx[at] = total


@kernel("RRIRIRiiiii")
def _bilinear(x, y, above, u, before, v, H, W, C, OH, OW):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, OW)
        n, i = divide(rest, OH)
        h, w = above[i], before[j]
        below, after = min(h + 1, H - 1), min(w + 1, W - 1)
        one = x.dtype.type(1)
        left = (one - u[i]) * x[((n * H + h) * W + w) * C + c] + u[i] * x[((n * H + below) * W + w) * C + c]
        right = (one - u[i]) * x[((n * H + h) * W + after) * C + c] + u[i] * x[((n * H + below) * W + after) * C + c]
        y[at] = (one - v[j]) * left + v[j] * right


@device
def _share(h, before, u, size, one):
    """The weight with which a point reads pixel h, when it lies u behind the pixel `before`."""
    weight = one - one
    if before == h:
        weight += one - u
    if min(before + 1, size - 1) == h:
        weight += u
    return weight


@kernel("RRIRIIRIiiiii")
def _bilinear_backward(dy, dx, above, u, rows, before, v, columns, H, W, C, OH, OW):
    at = cuda.grid(1)
    if at < dx.size:
        rest, c = divide(at, C)
        rest, w = divide(rest, W)
        n, h = divide(rest, H)
        one = dx.dtype.type(1)
        total = one - one
        for i in range(rows[2 * h], rows[2 * h + 1]):
            line = one - one
            for j in range(columns[2 * w], columns[2 * w + 1]):
                line += _share(w, before[j], v[j], W, one) * dy[((n * OH + i) * OW + j) * C + c]
            total += _share(h, above[i], u[i], H, one) * line
        dx[at] = total
