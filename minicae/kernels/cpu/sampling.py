"""The variational code: sampling by reparameterisation, and the Kullback-Leibler divergence from the standard normal."""

import numpy as np
from numba import prange

from minicae.kernels.cpu._elementary import exp, expm1
from minicae.kernels.cpu._jit import entry, helper


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


@helper
def _sample(mu, log_var, noise, z):
    """z = mu + sigma * noise, of one image."""
    half = z.dtype.type(0.5)
    for d in range(z.size):
        z[d] = mu[d] + exp(half * log_var[d]) * noise[d]


@helper
def _sample_slopes(dz, log_var, noise, dlog_var):
    """dlog_var = dz * noise * sigma / 2: the slope of sigma = exp(log_var / 2)."""
    half = dz.dtype.type(0.5)
    for d in range(dz.size):
        dlog_var[d] = dz[d] * noise[d] * (half * exp(half * log_var[d]))


@helper
def _divergence(mu, log_var):
    """mu^2 + sigma^2 - 1 - log sigma^2, summed over the code of one image in float64."""
    total = 0.0
    for d in range(mu.size):
        m, s = np.float64(mu[d]), np.float64(log_var[d])
        total += m * m + (expm1(s) - s)
    return total


@helper
def _divergence_slopes(mu, log_var, dmu, dlog_var, scale):
    half = scale * mu.dtype.type(0.5)
    for d in range(mu.size):
        dmu[d] = scale * mu[d]
    for d in range(mu.size):
        dlog_var[d] = half * expm1(log_var[d])


@entry
def _sample_forward(stats, noise, z):
    N, D = z.shape
    for n in prange(N):
        _sample(stats[n, :D], stats[n, D:], noise[n], z[n])


@entry
def _sample_backward(dz, stats, noise, dstats):
    N, D = dz.shape
    for n in prange(N):
        dstats[n, :D] = dz[n]
        _sample_slopes(dz[n], stats[n, D:], noise[n], dstats[n, D:])


@entry
def _kl_forward(stats, per_image):
    D = stats.shape[1] // 2
    for n in prange(per_image.size):
        per_image[n] = _divergence(stats[n, :D], stats[n, D:]) / 2


@entry
def _kl_backward(stats, dstats, scale):
    D = stats.shape[1] // 2
    for n in prange(stats.shape[0]):
        _divergence_slopes(stats[n, :D], stats[n, D:], dstats[n, :D], dstats[n, D:], scale)
