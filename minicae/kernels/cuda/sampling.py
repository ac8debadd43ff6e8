"""The variational code: drawing it with noise from the host, and what the divergence costs."""

import math

from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import device, kernel, launch
from minicae.kernels.cuda._reduce import cost, sum_images


def gaussian_sample_forward(stats, noise, z):
    """As `reference.sampling.gaussian_sample_forward`."""
    launch(_sample, z.size, stats, noise, z, z.shape[1], 0.5)


def gaussian_sample_backward(dz, stats, noise, dstats):
    """As `reference.sampling.gaussian_sample_backward`."""
    launch(_sample_backward, dz.size, dz, stats, noise, dstats, dz.shape[1], 0.5)


def gaussian_kl_forward(stats, per_image):
    """As `reference.sampling.gaussian_kl_forward`."""
    sum_images(_KL, stats, stats, per_image, stats.shape[1] // 2)


def gaussian_kl_backward(stats, dstats, scale):
    """As `reference.sampling.gaussian_kl_backward`."""
    launch(_kl_backward, stats.size // 2, stats, dstats, stats.shape[1] // 2, (scale, scale / 2))


@device
def _divergence(stats, same, n, i, size):
    mu, log_var = stats[2 * n * size + i], stats[(2 * n + 1) * size + i]
    twice = mu * mu + math.expm1(log_var) - log_var
    return twice / stats.dtype.type(2)


_KL = cost(_divergence, "kl")


@kernel("RRRir")
def _sample(stats, noise, z, D, half):
    at = cuda.grid(1)
    if at < z.size:
        n, d = divide(at, D)
        mu = 2 * n * D + d
        z[at] = stats[mu] + math.exp(half * stats[mu + D]) * noise[at]


@kernel("RRRRir")
def _sample_backward(dz, stats, noise, dstats, D, half):
    at = cuda.grid(1)
    if at < dz.size:
        n, d = divide(at, D)
        mu = 2 * n * D + d
        dstats[mu] = dz[at]
        dstats[mu + D] = half * dz[at] * noise[at] * math.exp(half * stats[mu + D])


@kernel("RRiN")
def _kl_backward(stats, dstats, D, scales):
    at = cuda.grid(1)
    if 2 * at < stats.size:
        n, d = divide(at, D)
        mu = 2 * n * D + d
        dstats[mu] = scales[0] * stats[mu]
        dstats[mu + D] = scales[1] * math.expm1(stats[mu + D])
