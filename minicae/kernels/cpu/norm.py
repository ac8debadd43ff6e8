"""Batch normalisation over all axes but the last, a wide row at a time.

A pixel may have too few channels for a vector, so several pixels make one wide row, and what belongs to a channel (its mean,
its scale) is written down as often as it occurs in it. Sums are made by blocks of wide rows, in float64, and the blocks are
added in order; how many there are follows from the shape and not from the threads. A block stays in the cache while its mean
and then its squared deviations are summed, so the statistics read x once (Chan, Golub and LeVeque 1979).
"""

import math

import numba
import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._scratch import scratch, threads

WIDTH = 512  # numbers in a wide row, or fewer by less than the channels, or one pixel if that has more
BLOCK = 16  # wide rows


def batchnorm_statistics(x, mean, variance):
    """As `reference.norm.batchnorm_statistics`."""
    wide, blocks, area = _plan(x)
    _statistics(2 * x.size, x.reshape(-1), mean, variance, wide, blocks, area)


def batchnorm_follow(mean, variance, running_mean, running_variance, momentum):
    """As `reference.norm.batchnorm_follow`; a number for each channel is too little work for threads."""
    if np.isfinite(variance).all():
        for running, batch in ((running_mean, mean), (running_variance, variance)):
            running += (1 - momentum) * (batch - running)


def batchnorm_forward(x, mean, variance, gamma, beta, y, epsilon):
    """As `reference.norm.batchnorm_forward`."""
    wide, blocks, _ = _plan(x)
    _forward(x.size, x.reshape(-1), mean, variance, gamma, beta, y.reshape(-1), epsilon, wide, blocks)


def batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training):
    """As `reference.norm.batchnorm_backward`."""
    flat = x.reshape(-1), dy.reshape(-1)
    _backward(3 * x.size, *flat, mean, variance, gamma, dx.reshape(-1), dgamma, dbeta, epsilon, training, *_plan(x))


def _plan(x):
    """(numbers in a wide row, blocks, scratch): two sums a channel for each block, then two wide rows for each thread."""
    C = x.shape[-1]
    wide = max(1, WIDTH // C) * C
    blocks = -(-x.size // (BLOCK * wide))
    return wide, blocks, scratch(np.dtype(np.float64), 2 * C * blocks + 2 * wide * threads())


@helper
def _widen(a, wide):
    """`a`, again and again."""
    for first in range(0, wide.size, a.size):
        for c in range(a.size):
            wide[first + c] = a[c]


@helper
def _gather(wide, total):
    """What a wide row holds of each channel, added."""
    total[:] = 0
    for first in range(0, wide.size, total.size):
        for c in range(total.size):
            total[c] += wide[first + c]


@helper
def _add(x, total):
    """total += x, in float64."""
    for i in range(x.size):
        total[i] += np.float64(x[i])


@helper
def _add_squares(x, center, total):
    """total += (x - center)^2, in float64."""
    for i in range(x.size):
        d = np.float64(x[i]) - center[i]
        total[i] += d * d


@helper
def _add_products(x, dy, center, total):
    """total += dy * (x - center), in float64."""
    for i in range(x.size):
        total[i] += np.float64(dy[i]) * (np.float64(x[i]) - center[i])


@entry
def _statistics(x, mean, variance, wide, blocks, area):
    C, size = mean.size, BLOCK * wide
    for block in prange(blocks):
        mine = 2 * C * blocks + 2 * wide * numba.get_thread_id()
        center, total = area[mine : mine + wide], area[mine + wide : mine + 2 * wide]
        means, squares = area[2 * C * block : 2 * C * block + C], area[2 * C * block + C : 2 * C * (block + 1)]
        first, end = block * size, min(x.size, (block + 1) * size)
        total[:] = 0
        for at in range(first, end, wide):
            _add(x[at : min(end, at + wide)], total)
        _gather(total, means)
        for c in range(C):
            means[c] /= (end - first) // C
        _widen(means, center)
        total[:] = 0
        for at in range(first, end, wide):
            _add_squares(x[at : min(end, at + wide)], center, total)
        _gather(total, squares)
    for c in range(C):
        total, squares = 0.0, 0.0
        for block in range(blocks):
            total += (min(x.size, (block + 1) * size) - block * size) * area[2 * C * block + c]
        center = total / x.size
        for block in range(blocks):
            rows = (min(x.size, (block + 1) * size) - block * size) // C
            squares += area[2 * C * block + C + c] + rows * (area[2 * C * block + c] - center) ** 2
        mean[c] = center
        variance[c] = squares / (x.size // C)


@helper
def _normalise(x, mean, scale, beta, y):
    for i in range(x.size):
        y[i] = (x[i] - mean[i]) * scale[i] + beta[i]


@entry
def _forward(x, mean, variance, gamma, beta, y, epsilon, wide, blocks):
    row = np.empty((3, wide), y.dtype)
    scale = np.empty_like(mean)
    for c in range(mean.size):
        scale[c] = gamma[c] / math.sqrt(variance[c] + epsilon)
    _widen(mean, row[0])
    _widen(scale, row[1])
    _widen(beta, row[2])
    for block in prange(blocks):
        end = min(x.size, (block + 1) * BLOCK * wide)
        for at in range(block * BLOCK * wide, end, wide):
            last = min(end, at + wide)
            _normalise(x[at:last], row[0], row[1], row[2], y[at:last])


@helper
def _correct(x, dy, mean, scale, shift, stretch, dx):
    for i in range(x.size):
        dx[i] = scale[i] * (dy[i] - shift[i] - (x[i] - mean[i]) * stretch[i])


@entry
def _backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training, wide, blocks, area):
    C, size = mean.size, BLOCK * wide
    M = x.size // C
    row = np.empty((4, wide), dx.dtype)
    _widen(mean, row[0])
    for block in prange(blocks):
        mine = 2 * C * blocks + 2 * wide * numba.get_thread_id()
        plain, normed = area[mine : mine + wide], area[mine + wide : mine + 2 * wide]
        plain[:] = 0
        normed[:] = 0
        end = min(x.size, (block + 1) * size)
        for at in range(block * size, end, wide):
            last = min(end, at + wide)
            _add(dy[at:last], plain)
            _add_products(x[at:last], dy[at:last], row[0], normed)
        _gather(plain, area[2 * C * block : 2 * C * block + C])
        _gather(normed, area[2 * C * block + C : 2 * C * (block + 1)])
    scale, shift, stretch = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    for c in range(C):
        inverse = 1 / math.sqrt(variance[c] + epsilon)
        plain, normed = 0.0, 0.0
        for block in range(blocks):
            plain += area[2 * C * block + c]
            normed += area[2 * C * block + C + c]
        dbeta[c] = plain
        dgamma[c] = normed * inverse
        scale[c] = gamma[c] * inverse
        shift[c] = plain / M if training else 0.0
        stretch[c] = normed * inverse * inverse / M if training else 0.0
    _widen(scale, row[1])
    _widen(shift, row[2])
    _widen(stretch, row[3])
    for block in prange(blocks):
        end = min(x.size, (block + 1) * size)
        for at in range(block * size, end, wide):
            last = min(end, at + wide)
            _correct(x[at:last], dy[at:last], row[0], row[1], row[2], row[3], dx[at:last])
