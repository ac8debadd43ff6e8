"""The variational code: sampling by reparameterisation, and the Kullback-Leibler divergence from the standard normal."""

import math

import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry


def gaussian_sample_forward(stats, noise, z):
    """As `reference.sampling.gaussian_sample_forward`."""
    _sample_forward(20 * z.size, stats, noise, z)


def gaussian_sample_backward(dz, stats, noise, dstats):
    """As `reference.sampling.gaussian_sample_backward`."""
    _sample_backward(20 * dz.size, dz, stats, noise, dstats)


def gaussian_kl_forward(stats, per_image):
    """As `reference.sampling.gaussian_kl_forward`."""
    _kl_forward(20 * stats.size, stats, per_image)


def gaussian_kl_backward(stats, dstats, scale):
    """As `reference.sampling.gaussian_kl_backward`."""
    _kl_backward(20 * stats.size, stats, dstats, stats.dtype.type(scale))


@entry
def _sample_forward(stats, noise, z):
    N, D = z.shape
    for n in prange(N):
        for d in range(D):
            z[n, d] = stats[n, d] + math.exp(stats[n, D + d] / 2) * noise[n, d]


@entry
def _sample_backward(dz, stats, noise, dstats):
    N, D = dz.shape
    for n in prange(N):
        for d in range(D):
            dstats[n, d] = dz[n, d]
            dstats[n, D + d] = dz[n, d] * noise[n, d] * math.exp(stats[n, D + d] / 2) / 2


@entry
def _kl_forward(stats, per_image):
    D = stats.shape[1] // 2
    for n in prange(per_image.size):
        total = 0.0
        for d in range(D):
            mu, log_var = np.float64(stats[n, d]), np.float64(stats[n, D + d])
            total += mu * mu + math.expm1(log_var) - log_var
        per_image[n] = total / 2


@entry
def _kl_backward(stats, dstats, scale):
    D = stats.shape[1] // 2
    for n in prange(stats.shape[0]):
        for d in range(D):
            dstats[n, d] = scale * stats[n, d]
            dstats[n, D + d] = scale * math.expm1(stats[n, D + d]) / 2
