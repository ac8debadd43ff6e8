"""Batch normalisation: sums over a channel in `_reduce`, everything else a thread to an element."""

import math

from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import kernel, launch
from minicae.kernels.cuda._reduce import columns


def batchnorm_statistics(x, mean, variance):
    """As `reference.norm.batchnorm_statistics`."""
    M = x.size // mean.size
    columns("sum", x, mean, divisor=M)
    columns("deviation", x, variance, mean=mean, divisor=M)


def batchnorm_follow(mean, variance, running_mean, running_variance, momentum):
    """As `reference.norm.batchnorm_follow`; every thread looks at all variances for itself."""
    launch(_follow, mean.size, mean, variance, running_mean, running_variance, 1 - momentum)


def batchnorm_forward(x, mean, variance, gamma, beta, y, epsilon):
    """As `reference.norm.batchnorm_forward`."""
    launch(_forward, x.size, x, mean, variance, gamma, beta, y, mean.size, epsilon)


def batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training):
    """As `reference.norm.batchnorm_backward`."""
    columns("sum", dy, dbeta)
    columns("product", x, dgamma, b=dy, mean=mean)
    launch(_by_deviation, dgamma.size, dgamma, variance, epsilon)
    M = x.size // mean.size if training else math.inf  # without training nothing is subtracted
    launch(_backward, x.size, x, dy, mean, variance, gamma, dx, dgamma, dbeta, mean.size, epsilon, M)


@kernel("RRRRr")
def _follow(mean, variance, running_mean, running_variance, share):
    c = cuda.grid(1)
    if c < mean.size:
        zero = share - share
        trace = zero
        for k in range(variance.size):
            trace += variance[k] - variance[k]  # 0, or NaN
        if trace == zero:
            running_mean[c] += share * (mean[c] - running_mean[c])
            running_variance[c] += share * (variance[c] - running_variance[c])


@kernel("RRRRRRir")
def _forward(x, mean, variance, gamma, beta, y, C, epsilon):
    i = cuda.grid(1)
    if i < x.size:
        _, c = divide(i, C)
        y[i] = gamma[c] * (x[i] - mean[c]) / math.sqrt(variance[c] + epsilon) + beta[c]


@kernel("RRr")
def _by_deviation(dgamma, variance, epsilon):
    c = cuda.grid(1)
    if c < dgamma.size:
        dgamma[c] = dgamma[c] / math.sqrt(variance[c] + epsilon)


@kernel("RRRRRRRRirr")
def _backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, C, epsilon, M):
    i = cuda.grid(1)
    if i < x.size:
        _, c = divide(i, C)
        deviation = math.sqrt(variance[c] + epsilon)
        x_hat = (x[i] - mean[c]) / deviation
        dx[i] = gamma[c] / deviation * (dy[i] - dbeta[c] / M - x_hat * dgamma[c] / M)
