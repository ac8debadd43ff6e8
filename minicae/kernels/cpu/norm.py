"""Batch normalisation over all axes but the last; each thread owns some channels, so that sums have one order."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry

LANES = 16  # channels a thread takes at a time: one line of the cache


def batchnorm_statistics(x, mean, variance):
    """As `reference.norm.batchnorm_statistics`."""
    _statistics(2 * x.size, x.reshape(-1, mean.size), mean, variance)


def batchnorm_forward(x, mean, variance, gamma, beta, y, epsilon):
    """As `reference.norm.batchnorm_forward`."""
    rows = (-1, mean.size)
    _forward(x.size, x.reshape(rows), mean, variance, gamma, beta, y.reshape(rows), epsilon)


def batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training):
    """As `reference.norm.batchnorm_backward`."""
    x, dy, dx = (a.reshape(-1, mean.size) for a in (x, dy, dx))
    _backward(3 * x.size, x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training)


@entry
def _statistics(x, mean, variance):
    M, C = x.shape
    for group in prange((C + LANES - 1) // LANES):
        for c in range(group * LANES, min(C, group * LANES + LANES)):
            total = 0.0
            for m in range(M):
                total += x[m, c]
            center = total / M
            total = 0.0
            for m in range(M):
                total += (x[m, c] - center) ** 2
            mean[c] = center
            variance[c] = total / M


@entry
def _forward(x, mean, variance, gamma, beta, y, epsilon):
    M, C = x.shape
    for m in prange(M):
        for c in range(C):
            scale = gamma[c] / math.sqrt(variance[c] + epsilon)
            y[m, c] = (x[m, c] - mean[c]) * scale + beta[c]


@entry
def _backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training):
    M, C = x.shape
    for group in prange((C + LANES - 1) // LANES):
        for c in range(group * LANES, min(C, group * LANES + LANES)):
            inverse = 1 / math.sqrt(variance[c] + epsilon)
            plain, normed = 0.0, 0.0
            for m in range(M):
                plain += dy[m, c]
                normed += dy[m, c] * (x[m, c] - mean[c]) * inverse
            dbeta[c] = plain
            dgamma[c] = normed
            if not training:
                plain, normed = 0.0, 0.0
            for m in range(M):
                x_hat = (x[m, c] - mean[c]) * inverse
                dx[m, c] = gamma[c] * inverse * (dy[m, c] - plain / M - x_hat * normed / M)
