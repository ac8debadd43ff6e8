"""Max and average pooling: for each place of the window in turn, one pass over the channels, which lie side by side."""

from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scalar import CODES, slope
from minicae.kernels.cpu.activation import activation_backward


def maxpool2d_forward(x, y, argmax, window, strides, padding):
    """As `reference.pool.maxpool2d_forward`."""
    _max_forward(y.size * window[0] * window[1], x, y, argmax, window, strides, padding[0], padding[2])


def maxpool2d_backward(dy, argmax, dx, window, strides, padding, through=None):
    """As `reference.pool.maxpool2d_backward`."""
    y, activation, alpha = (dy, "linear", 0.0) if through is None else through
    work = dy.size * window[0] * window[1]
    _max_backward(
        work, dy, argmax, dx, window, strides, padding[0], padding[2], y, CODES[activation], dy.dtype.type(alpha)
    )


def avgpool2d_forward(x, y, window, strides, padding, count_padding):
    """As `reference.pool.avgpool2d_forward`."""
    _mean_forward(y.size * window[0] * window[1], x, y, window, strides, padding[0], padding[2], count_padding)


def avgpool2d_backward(dy, dx, window, strides, padding, count_padding, through=None):
    """As `reference.pool.avgpool2d_backward`."""
    _mean_backward(dy.size * window[0] * window[1], dy, dx, window, strides, padding[0], padding[2], count_padding)
    if through is not None:
        activation_backward(dx, through[0], dx, *through[1:])


@entry
def _max_forward(x, y, argmax, window, strides, top, left):
    N, H, W, C = x.shape
    OH, OW = y.shape[1:3]
    for row in prange(N * OH):
        n, i = row // OH, row % OH
        h0 = i * strides[0] - top
        for j in range(OW):
            w0 = j * strides[1] - left
            empty = True
            for p in range(max(0, -h0), min(window[0], H - h0)):
                for q in range(max(0, -w0), min(window[1], W - w0)):
                    place = p * window[1] + q
                    if empty:
                        for c in range(C):
                            y[n, i, j, c] = x[n, h0 + p, w0 + q, c]
                            argmax[n, i, j, c] = place
                        empty = False
                    else:
                        for c in range(C):
                            v, best = x[n, h0 + p, w0 + q, c], y[n, i, j, c]
                            if v > best or (v != v and best == best):
                                y[n, i, j, c] = v
                                argmax[n, i, j, c] = place


@entry
def _max_backward(dy, argmax, dx, window, strides, top, left, y, code, alpha):
    one = dy.dtype.type(1)
    N, H, W, C = dx.shape
    OH, OW = dy.shape[1:3]
    for n in prange(N):
        dx[n] = 0
        for i in range(OH):
            h0 = i * strides[0] - top
            for j in range(OW):
                w0 = j * strides[1] - left
                for p in range(max(0, -h0), min(window[0], H - h0)):
                    for q in range(max(0, -w0), min(window[1], W - w0)):
                        place = p * window[1] + q
                        for c in range(C):
                            if argmax[n, i, j, c] == place:
                                dx[n, h0 + p, w0 + q, c] += dy[n, i, j, c] * slope(y[n, i, j, c], code, alpha, one)


@entry
def _mean_forward(x, y, window, strides, top, left, count_padding):
    N, H, W, C = x.shape
    OH, OW = y.shape[1:3]
    for row in prange(N * OH):
        n, i = row // OH, row % OH
        h0 = i * strides[0] - top
        p0, p1 = max(0, -h0), min(window[0], H - h0)
        for j in range(OW):
            w0 = j * strides[1] - left
            q0, q1 = max(0, -w0), min(window[1], W - w0)
            divisor = y.dtype.type(window[0] * window[1] if count_padding else (p1 - p0) * (q1 - q0))
            y[n, i, j] = 0
            for p in range(p0, p1):
                for q in range(q0, q1):
                    for c in range(C):
                        y[n, i, j, c] += x[n, h0 + p, w0 + q, c]
            for c in range(C):
                y[n, i, j, c] /= divisor


@entry
def _mean_backward(dy, dx, window, strides, top, left, count_padding):
    N, H, W, C = dx.shape
    OH, OW = dy.shape[1:3]
    for n in prange(N):
        dx[n] = 0
        for i in range(OH):
            h0 = i * strides[0] - top
            p0, p1 = max(0, -h0), min(window[0], H - h0)
            for j in range(OW):
                w0 = j * strides[1] - left
                q0, q1 = max(0, -w0), min(window[1], W - w0)
                divisor = dy.dtype.type(window[0] * window[1] if count_padding else (p1 - p0) * (q1 - q0))
                for p in range(p0, p1):
                    for q in range(q0, q1):
                        for c in range(C):
                            dx[n, h0 + p, w0 + q, c] += dy[n, i, j, c] / divisor
