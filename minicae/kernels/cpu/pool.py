"""Max and average pooling, a pixel of the output at a time; its channels lie side by side, and are taken by vectors.

Where every pixel lies in one window, backward writes it once. Where windows overlap, or leave pixels out, it starts from
zeros and adds; an image belongs to one thread, so that no two add to the same pixel.
"""

import numba
from numba import prange

from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._scalar import CODES, LINEAR, bend_run
from minicae.kernels.cpu._scratch import empty, scratch, threads
from minicae.kernels.cpu._vector import clear, copy, largest


def maxpool2d_forward(x, y, argmax, window, strides, padding):
    """As `reference.pool.maxpool2d_forward`."""
    work = y.size * window[0] * window[1]
    flat = x.reshape(-1), y.reshape(-1), argmax.reshape(-1)
    _max_forward(work, *flat, x.shape[1:], y.shape[1:3], window, strides, padding[0], padding[2])


def maxpool2d_backward(dy, argmax, dx, window, strides, padding, through=None):
    """As `reference.pool.maxpool2d_backward`."""
    y, activation, alpha = (empty(dy.dtype), "linear", 0.0) if through is None else through
    area = scratch(dy.dtype, threads() * dy.shape[2] * dy.shape[3])
    _max_backward(
        dy.size * window[0] * window[1], dy.reshape(-1), argmax.reshape(-1), dx.reshape(-1), dx.shape[1:], dy.shape[1:3],
        window, strides, padding[0], padding[2], _apart(dx, dy, window, strides, padding), y.reshape(-1), CODES[activation],
        dy.dtype.type(alpha), area,
    )  # fmt: skip


def avgpool2d_forward(x, y, window, strides, padding, count_padding):
    """As `reference.pool.avgpool2d_forward`."""
    _mean_forward(y.size * window[0] * window[1], x, y, window, strides, padding[0], padding[2], count_padding)


def avgpool2d_backward(dy, dx, window, strides, padding, count_padding, through=None):
    """As `reference.pool.avgpool2d_backward`."""
    x, activation, alpha = (empty(dx.dtype), "linear", 0.0) if through is None else through
    _mean_backward(
        dy.size * window[0] * window[1], dy.reshape(-1), dx.reshape(-1), dx.shape[1:], dy.shape[1:3], window, strides,
        padding[0], padding[2], count_padding, _apart(dx, dy, window, strides, padding), x.reshape(-1), CODES[activation],
        dx.dtype.type(alpha),
    )  # fmt: skip


def _apart(dx, dy, window, strides, padding):
    """Whether every pixel lies in exactly one window."""
    (H, W), (OH, OW) = dx.shape[1:3], dy.shape[1:3]
    return window == strides and OH * strides[0] >= H + padding[0] and OW * strides[1] >= W + padding[2]


@entry
def _max_forward(x, y, argmax, shape, out, window, strides, top, left):
    H, W, C = shape
    OH, OW = out
    for row in prange(y.size // (OW * C)):
        n, i = row // OH, row % OH
        h0 = i * strides[0] - top
        p, rows = max(0, -h0), min(window[0], H - h0) - max(0, -h0)
        for j in range(OW):
            w0 = j * strides[1] - left
            q, columns = max(0, -w0), min(window[1], W - w0) - max(0, -w0)
            corner, to = ((n * H + h0 + p) * W + w0 + q) * C, (row * OW + j) * C
            largest(x, corner, W * C, rows, columns, C, y, to, argmax, to, p * window[1] + q, window[1])


@helper
def _give(dy, winner, place, dx):
    """dx = dy where this place has won, else 0."""
    zero = dx.dtype.type(0)
    for c in range(dx.size):
        dx[c] = dy[c] if winner[c] == place else zero


@helper
def _give_more(dy, winner, place, dx):
    """dx += dy where this place has won."""
    zero = dx.dtype.type(0)
    for c in range(dx.size):
        dx[c] += dy[c] if winner[c] == place else zero


@entry
def _max_backward(dy, argmax, dx, shape, out, window, strides, top, left, apart, y, code, alpha, area):
    H, W, C = shape
    OH, OW = out
    for n in prange(dx.size // (H * W * C)):
        mine = numba.get_thread_id() * OW * C
        if not apart:
            clear(dx, n * H * W * C, H * W * C)
        for i in range(OH):
            first = (n * OH + i) * OW * C
            row, winners = dy[first : first + OW * C], argmax[first : first + OW * C]
            if code != LINEAR:
                copy(dy, first, area, mine, OW * C)
                row = area[mine : mine + OW * C]
                bend_run(row, y[first : first + OW * C], code, alpha)
            h0 = i * strides[0] - top
            for j in range(OW):
                w0 = j * strides[1] - left
                gradient, winner = row[j * C : (j + 1) * C], winners[j * C : (j + 1) * C]
                for p in range(max(0, -h0), min(window[0], H - h0)):
                    for q in range(max(0, -w0), min(window[1], W - w0)):
                        place = argmax.dtype.type(p * window[1] + q)
                        to = ((n * H + h0 + p) * W + w0 + q) * C
                        if apart:
                            _give(gradient, winner, place, dx[to : to + C])
                        else:
                            _give_more(gradient, winner, place, dx[to : to + C])


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


@helper
def _divide(dy, divisor, dx):
    """dx = dy / divisor."""
    for c in range(dx.size):
        dx[c] = dy[c] / divisor


@helper
def _divide_more(dy, divisor, dx):
    """dx += dy / divisor."""
    for c in range(dx.size):
        dx[c] += dy[c] / divisor


@entry
def _mean_backward(dy, dx, shape, out, window, strides, top, left, count_padding, apart, x, code, alpha):
    H, W, C = shape
    OH, OW = out
    for n in prange(dx.size // (H * W * C)):
        image = n * H * W * C
        if not apart:
            clear(dx, image, H * W * C)
        for i in range(OH):
            h0 = i * strides[0] - top
            p0, p1 = max(0, -h0), min(window[0], H - h0)
            for j in range(OW):
                w0 = j * strides[1] - left
                q0, q1 = max(0, -w0), min(window[1], W - w0)
                divisor = dy.dtype.type(window[0] * window[1] if count_padding else (p1 - p0) * (q1 - q0))
                at = ((n * OH + i) * OW + j) * C
                corner = image + ((h0 + p0) * W + w0 + q0) * C
                if apart:
                    _divide(dy[at : at + C], divisor, dx[corner : corner + C])
                for p in range(p0, p1):
                    for q in range(q0, q1):
                        to = image + ((h0 + p) * W + w0 + q) * C
                        if not apart:
                            _divide_more(dy[at : at + C], divisor, dx[to : to + C])
                        elif to != corner:
                            copy(dx, corner, dx, to, C)
        if code != LINEAR:
            bend_run(dx[image : image + H * W * C], x[image : image + H * W * C], code, alpha)
