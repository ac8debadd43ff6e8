"""Nearest and bilinear upsampling; each backward kernel is the adjoint of its forward kernel, weight by weight.

Bilinear goes along the columns of an image first, whole rows at a time, and then along each row. Backward is the same
with the weights sorted the other way round: not by the output that reads, but by the input that is read.
"""

import math

import numba
import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._scalar import CODES, LINEAR, bend_run
from minicae.kernels.cpu._scratch import empty, scratch, threads
from minicae.kernels.cpu._vector import weighted_sum


def upsample_nearest_forward(x, y, size):
    """As `reference.upsample.upsample_nearest_forward`."""
    _nearest_forward(y.size, x, y, size)


def upsample_nearest_backward(dy, dx, size, through=None):
    """As `reference.upsample.upsample_nearest_backward`."""
    _nearest_backward(dy.size, dy, dx, size, dx.reshape(-1), *_through(through, dx.dtype))


def upsample_bilinear_forward(x, y, align_corners):
    """As `reference.upsample.upsample_bilinear_forward`."""
    _resample(x, y, False, align_corners, None)


def upsample_bilinear_backward(dy, dx, align_corners, through=None):
    """As `reference.upsample.upsample_bilinear_backward`."""
    _resample(dy, dx, True, align_corners, through)


def _resample(x, y, backward, align_corners, through):
    area = scratch(x.dtype, threads() * x.shape[2] * x.shape[3])
    _bilinear(
        4 * max(x.size, y.size), x.reshape(-1), y.reshape(-1), x.shape[1:], y.shape[1:], backward, align_corners,
        *_through(through, y.dtype), area,
    )  # fmt: skip


def _through(through, dtype):
    """(output, code, alpha) of the activation in front, with nothing for its output where there is none."""
    x, activation, alpha = (empty(dtype), "linear", 0.0) if through is None else through
    return x.reshape(-1), CODES[activation], dtype.type(alpha)


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
def _nearest_backward(dy, dx, size, flat, x, code, alpha):
    N, H, W, C = dx.shape
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            dx[n, h, w] = 0
            for p in range(size[0]):
                for q in range(size[1]):
                    for c in range(C):
                        dx[n, h, w, c] += dy[n, h * size[0] + p, w * size[1] + q, c]
        if code != LINEAR:
            bend_run(flat[row * W * C : (row + 1) * W * C], x[row * W * C : (row + 1) * W * C], code, alpha)


@helper
def _source(i, size, out_size, align_corners):
    """Output place i as (lower neighbour, upper neighbour, weight of the upper one), clamped to the image."""
    if align_corners:
        at = i * (size - 1) / (out_size - 1) if out_size > 1 else 0.0
    else:
        at = min(max((i + 0.5) * size / out_size - 0.5, 0.0), size - 1.0)
    low = min(int(math.floor(at)), size - 1)
    return low, min(low + 1, size - 1), at - low


@helper
def _readings(size, out_size, align_corners, dtype):
    """What each output place reads, along one axis: (first, starts, weights).

    Place j reads the neighbouring inputs from first[j] on, with weights[starts[j] : starts[j + 1]].
    """
    first, starts = np.empty(out_size, np.int64), np.zeros(out_size + 1, np.int64)
    weights = np.empty(2 * out_size, dtype)
    for j in range(out_size):
        first[j], high, far = _source(j, size, out_size, align_corners)
        weights[starts[j]] = 1 - far
        weights[starts[j] + 1] = far
        starts[j + 1] = starts[j] + 1 + (high - first[j])
    return first, starts, weights


@helper
def _turned(size, out_size, align_corners, dtype):
    """The same seen from the inputs: which output places read each of them, and with what weight."""
    low, read, weight = _readings(size, out_size, align_corners, dtype)
    first, starts = np.empty(size, np.int64), np.zeros(size + 1, np.int64)
    weights = np.empty(2 * out_size, dtype)
    j = 0
    for h in range(size):
        while j < out_size and low[j] + read[j + 1] - read[j] <= h:
            j += 1
        first[h], end, i = j, starts[h], j
        while i < out_size and low[i] <= h:
            weights[end] = weight[read[i] + h - low[i]]
            end, i = end + 1, i + 1
        starts[h + 1] = end
    return first, starts, weights


@entry
def _bilinear(x, y, shape, out, backward, align_corners, gate, code, alpha, area):
    """Weighted sums along the columns, then along the rows; times the slope at the gate, where there is one.

    `shape` and `out` are (H, W, C) of x and of y. Backward, x is dy and y is dx.
    """
    (H, W, C), (OH, OW) = shape, out[:2]
    if backward:
        h0, h_starts, v = _turned(OH, H, align_corners, y.dtype)
        w0, w_starts, u = _turned(OW, W, align_corners, y.dtype)
    else:
        h0, h_starts, v = _readings(H, OH, align_corners, y.dtype)
        w0, w_starts, u = _readings(W, OW, align_corners, y.dtype)
    for row in prange(y.size // (OW * C)):
        mine = numba.get_thread_id() * W * C
        n, i = row // OH, row % OH
        h_read = h_starts[i + 1] - h_starts[i]
        weighted_sum(x, (n * H + h0[i]) * W * C, W * C, v, h_starts[i], h_read, W * C, area, mine)
        for j in range(OW):
            w_read = w_starts[j + 1] - w_starts[j]
            weighted_sum(area, mine + w0[j] * C, C, u, w_starts[j], w_read, C, y, (row * OW + j) * C)
        if code != LINEAR:
            bend_run(y[row * OW * C : (row + 1) * OW * C], gate[row * OW * C : (row + 1) * OW * C], code, alpha)
